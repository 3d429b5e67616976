/** Nordic's serial DFU against the simulated boot loader of the nRF52840 dongle. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { NrfDfuChip, type NrfDfuOptions } from '../../src/boards/device/chips/nrfdfu.js';
import type { FlashOptions } from '../../src/boards/flash/index.js';
import { initPacket } from '../../src/boards/flash/nrf/init-packet.js';
import type { SettingsOf } from '../../src/boards/target/flash.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { failure } from '../support/failure.js';
import { flash } from '../support/flash.js';
import { nrf52Image } from '../support/nrf52.js';
import { Wire } from '../support/wire.js';

const target = loadTarget('nrf52840-dongle');
const [settings] = target.flashProtocols.filter((one) => one.protocol === 'nrf-dfu');
const options: NrfDfuOptions = {
  settings: settings as SettingsOf<'nrf-dfu'>,
  ...{ address: 0x1000, bytes: target.flashBytes ?? 0 },
};

let directory = '';
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bonsaic-nrf-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

function flashOver(wire: Wire, image: Uint8Array, more: Partial<FlashOptions> = {}) {
  const path = join(directory, 'image.bin');
  writeFileSync(path, image);
  return flash(path, 'wire', target, { open: wire.open, sleep: wire.sleep, ...more });
}

const holds = (chip: NrfDfuChip, image: Uint8Array) =>
  Buffer.compare(chip.flash.subarray(0, image.length), Buffer.from(image)) === 0;

describe('flash/nrfdfu', () => {
  const sizes: [edge: string, bytes: number][] = [
    ['a part of a page', 300],
    ['whole pages', 8192],
    ['a last word alone', 8196],
    ['many pages', 50_001],
  ];
  for (const [edge, bytes] of sizes) {
    it(`writes, verifies and starts ${edge}`, async () => {
      const chip = new NrfDfuChip(options);
      const image = nrf52Image(target, bytes);
      const seen: number[] = [];
      const progress = (done: number) => seen.push(done);
      expect(await flashOver(new Wire(chip), image, { progress })).to.include({ bytes });
      expect([holds(chip, image), chip.started]).to.deep.equal([true, 0x1000]);
      expect(seen[0], 'before the first page').to.equal(0);
      expect(seen.at(-1)).to.equal(bytes);
      // Nothing behind the last page.
      const end = Math.ceil(bytes / 4096) * 4096;
      expect(chip.flash.subarray(end).every((byte) => byte === 0xff)).to.equal(true);
    });
  }

  it('asks running firmware to restart, and waits until the port is back', async () => {
    const chip = new NrfDfuChip(options);
    chip.started = 0x1000;
    const wire = new Wire(chip);
    const image = nrf52Image(target, 5000);
    let opens = 0;
    const restart = async () => {
      chip.restart();
      return true;
    };
    const open: typeof wire.open = async (line) => {
      // The port is gone while its boot loader enumerates.
      if (++opens === 2) throw new BonsaiError('device', 'wire', 'no such port', 'plug it in');
      return wire.open(line);
    };
    await flashOver(wire, image, { restart, open });
    expect(holds(chip, image)).to.equal(true);
    expect(opens).to.be.above(2);
  });

  it('takes little more than the wire time for 256 KB', async () => {
    const wire = new Wire(new NrfDfuChip(options));
    const bytes = 256 * 1024;
    await flashOver(wire, nrf52Image(target, bytes));
    const wireMs = (bytes * 10 * 1000) / 115200;
    // Erasing 64 pages, escapes, headers of frames of 65 bytes.
    expect(wire.nowMs / wireMs).to.be.below(1.4);
  });

  const failures: [
    edge: string,
    made: Partial<NrfDfuOptions>,
    image: Uint8Array,
    says: RegExp,
    hint: RegExp,
  ][] = [
    [
      'another chip',
      { part: 0x52833 },
      nrf52Image(target, 99),
      /nRF52833.*nothing was erased/,
      /targets/,
    ],
    [
      'a SoftDevice in the place of the image',
      { hasSoftDevice: true },
      nrf52Image(target, 99),
      /SoftDevice up to 0x26000.*nothing was erased/,
      /linker script/,
    ],
    [
      'a boot loader that wants a signature',
      { wantsSignature: true },
      nrf52Image(target, 99),
      /refuses: it wants a signed image/,
      /reset/,
    ],
    ['other hardware', { hardwareVersion: 51 }, nrf52Image(target, 99), /other hardware/, /reset/],
    ['noise', {}, new Uint8Array(999).fill(7), /not an image for nrf52840-dongle/, /build/],
    ['an empty file', {}, new Uint8Array(), /no image: it has 0/, /build/],
    [
      'an image that is linked elsewhere',
      {},
      nrf52Image({ ...target, flashAddress: '0x00026000' }, 5000),
      /begins at 0x00001000.*nothing was erased/,
      /build/,
    ],
    ['more than the flash', {}, nrf52Image(target, 913_409), /more than the 913408/, /smaller/],
  ];
  for (const [edge, made, image, says, hint] of failures) {
    it(`leaves the chip as it was: ${edge}`, async () => {
      const chip = new NrfDfuChip({ ...options, ...made });
      const error = await failure(flashOver(new Wire(chip), image));
      expect(error.message).to.match(says);
      expect(error.hint).to.match(hint);
      expect(error.exitStatus).to.equal(5);
      expect(chip.flash.every((byte) => byte === 0xff)).to.equal(true);
    });
  }

  it('says so when nothing answers', async () => {
    const chip = new NrfDfuChip(options);
    chip.started = 0x1000;
    const wire = new Wire(chip);
    const error = await failure(flashOver(wire, nrf52Image(target, 99)));
    expect(error.message).to.match(/no boot loader of Nordic answers/);
    expect(error.hint).to.match(/reset/);
    expect(wire.nowMs).to.be.within(20_000, 60_000);
  });
});

describe('flash/nrf: init packet', () => {
  it('has the fields of dfu-cc.proto, the hash with its last byte first', () => {
    const image = Uint8Array.of(1, 2, 3, 4);
    const hash = createHash('sha256').update(image).digest().reverse().toString('hex');
    // Command INIT; fw_version 1, hw_version 52, sd_req [0], APPLICATION, app_size 4, SHA256.
    const init = `08011034${'1a0100'}${'2000'}${'3804'}${'4224'}${'0803'}${'1220'}${hash}`;
    const command = `080112${(init.length / 2).toString(16)}${init}`;
    const packet = initPacket(image, { hardwareVersion: 52, softDeviceId: 0 });
    const hex = Buffer.from(packet).toString('hex');
    expect(hex).to.equal(`0a${(command.length / 2).toString(16)}${command}`);
  });
});
