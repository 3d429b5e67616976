/** Adafruit's boot loader on its serial port, in virtual time; and by PyPI's adafruit-nrfutil, on a pty. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { makeUf2 } from '../../src/boards/build/uf2.js';
import {
  AdafruitDfuChip,
  type AdafruitDfuOptions,
} from '../../src/boards/device/chips/adafruitdfu.js';
import {
  crc16,
  hciAck,
  hciPacket,
  readHciAck,
  readHciPacket,
} from '../../src/boards/device/hci.js';
import { simulateBoard } from '../../src/boards/device/simulated.js';
import type { FlashOptions } from '../../src/boards/flash/index.js';
import { flashUf2Drive } from '../../src/boards/flash/uf2drive.js';
import type { SettingsOf } from '../../src/boards/target/flash.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { failure } from '../support/failure.js';
import { flash } from '../support/flash.js';
import { nrf52Image } from '../support/nrf52.js';
import { needs } from '../support/skip.js';
import { Wire } from '../support/wire.js';

const target = loadTarget('nrf52840-uf2');
const settings = target.flashProtocols.find(
  (one): one is SettingsOf<'adafruit-dfu'> => one.protocol === 'adafruit-dfu',
);
if (settings === undefined) throw new Error('no settings');
const options = { settings, address: 0x26000, bytes: target.flashBytes ?? 0 };
/** A board on another desk, where no drive is. */
const port = 'socket://desk:4000';

let directory = '';
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bonsaic-adafruit-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const chipOf = (made: Partial<AdafruitDfuOptions> = {}, flash?: Uint8Array) =>
  new AdafruitDfuChip({ ...options, ...made }, flash);

function flashOver(wire: Wire, image: Uint8Array, more: Partial<FlashOptions> = {}) {
  const path = join(directory, 'image.bin');
  writeFileSync(path, image);
  return flash(path, port, target, { open: wire.open, sleep: wire.sleep, ...more });
}

const holds = (chip: AdafruitDfuChip, image: Uint8Array) =>
  Buffer.compare(chip.flash.subarray(0, image.length), Buffer.from(image)) === 0;

describe('device/hci', () => {
  it('has the CRC of CCITT: 0x29b1 of 123456789', () => {
    expect(crc16(Buffer.from('123456789'))).to.equal(0x29b1);
  });

  it('reads what it makes, and nothing of which a bit has changed', () => {
    const packet = hciPacket(5, Uint8Array.of(4, 0, 0, 0, 0xc0, 0xdb));
    expect(readHciPacket(packet)).to.deep.equal({
      ...{ number: 5, data: Uint8Array.of(4, 0, 0, 0, 0xc0, 0xdb) },
    });
    expect(readHciAck(hciAck(6))).to.equal(6);
    for (let bit = 0; bit < 8 * packet.length; bit++) {
      const changed = packet.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(readHciPacket(changed), `bit ${bit}`).to.equal(null);
    }
    for (let bit = 0; bit < 32; bit++) {
      const changed = hciAck(6);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(readHciAck(changed), `bit ${bit}`).to.equal(null);
    }
  });
});

describe('flash/adafruitdfu', () => {
  const sizes: [edge: string, bytes: number][] = [
    ['a part of a page', 300],
    ['a part of a word at the end', 5001],
    ['whole pages', 8192],
  ];
  for (const [edge, bytes] of sizes) {
    it(`writes and starts ${edge}`, async () => {
      const chip = chipOf({}, new Uint8Array(options.bytes).fill(0x55));
      const image = nrf52Image(target, bytes);
      const seen: number[] = [];
      const progress = (done: number) => seen.push(done);
      expect(await flashOver(new Wire(chip), image, { progress })).to.include({ bytes });
      expect([holds(chip, image), chip.started]).to.deep.equal([true, 0x26000]);
      expect([seen[0], seen.at(-1)]).to.deep.equal([0, bytes]);
      const end = Math.ceil(bytes / 4096) * 4096;
      expect(chip.flash.subarray(end).every((byte) => byte === 0x55)).to.equal(true);
    });
  }

  it('takes little more than wire and erase for 256 KB', async () => {
    const wire = new Wire(chipOf());
    await flashOver(wire, nrf52Image(target, 256 * 1024));
    // 64 pages of 85 and 42 ms; packets add 3 %, escapes 1 %.
    const least = (256 * 1024 * 10) / 115200 + 64 * (0.085 + 0.042);
    expect(wire.nowMs / 1000 / least).to.be.within(1, 1.15);
  });

  for (const wanted of [0, 1, 2, 3, 4, 5, 6, 7]) {
    it(`takes a boot loader that wants packet ${wanted}, from a session that ended in the middle`, async () => {
      const wire = new Wire(chipOf());
      const image = nrf52Image(target, 8192);
      let blocks = 0;
      const progress = () => {
        if (blocks++ === 5 + wanted) throw new Error('killed');
      };
      await flashOver(wire, image, { progress }).catch(() => {});
      await flashOver(wire, image);
      expect(holds(wire.chip as AdafruitDfuChip, image)).to.equal(true);
      expect(wire.chip.started).to.equal(0x26000);
    });
  }

  it('asks running firmware to restart', async () => {
    const chip = chipOf();
    chip.started = 0x26000;
    const image = nrf52Image(target, 5000);
    const restart = async () => {
      chip.restart();
      return true;
    };
    await flashOver(new Wire(chip), image, { restart });
    expect(holds(chip, image)).to.equal(true);
  });

  it('says that a board with another SoftDevice has no program now', async () => {
    const chip = chipOf({ softDeviceId: 0x123 });
    const error = await failure(flashOver(new Wire(chip), nrf52Image(target, 5000)));
    expect(error.message).to.match(
      /refuses the image: it has another SoftDevice; its program is erased/,
    );
    expect([error.exitStatus, chip.started]).to.deep.equal([5, null]);
  });

  const refusals: [edge: string, image: Uint8Array, says: RegExp][] = [
    ['noise', new Uint8Array(999).fill(7), /not an image for nrf52840-uf2.*nothing was erased/],
    ['an empty file', new Uint8Array(), /no image/],
    ['more than the flash', nrf52Image(target, options.bytes + 4), /more than the 815104/],
  ];
  for (const [edge, image, says] of refusals) {
    it(`leaves the chip as it was: ${edge}`, async () => {
      const chip = chipOf({}, new Uint8Array(options.bytes));
      expect((await failure(flashOver(new Wire(chip), image))).message).to.match(says);
      expect(chip.flash.every((byte) => byte === 0)).to.equal(true);
    });
  }

  it('says so when nothing answers', async () => {
    const chip = chipOf();
    chip.started = 0x26000;
    const wire = new Wire(chip);
    const error = await failure(flashOver(wire, nrf52Image(target, 99)));
    expect(error.message).to.match(/no boot loader of Adafruit answers/);
    expect(wire.nowMs).to.be.within(20_000, 60_000);
  });

  it('is used for a board here whose drive is not mounted', async () => {
    const chip = chipOf();
    const wire = new Wire(chip);
    const image = nrf52Image(target, 5000);
    const here = join(directory, 'ttyACM0');
    writeFileSync(here, '');
    const drive = target.flashProtocols.find((one) => one.protocol === 'uf2-drive');
    const bytes = makeUf2(image, 0x26000, Number(target.uf2FamilyId));
    const job = {
      ...{ image: { path: 'x.uf2', bytes }, target, settings: drive as SettingsOf<'uf2-drive'> },
      ...{ port: here, open: wire.open, sleep: wire.sleep },
      ...{ restart: async () => false, greet: async () => null },
      ...{ progress: () => {}, say: () => {} },
    };
    await flashUf2Drive(job, {
      ...{ mounts: '/dev/null', mountPoints: [], touch: async () => {}, listUsb: async () => [] },
      openFile: () => Promise.reject(new Error('there is no drive')),
      ...{ now: () => wire.nowMs, sleep: wire.sleep },
    });
    expect([holds(chip, image), chip.started]).to.deep.equal([true, 0x26000]);
    expect(wire.nowMs, 'after time to mount it').to.be.above(5_000);
  });

  it('asks firmware of bonsaic for its build, since a cable may have been pulled', async () => {
    const image = nrf52Image(target, 5000);
    const [name, sha, tag] = [`bonsaic ${target.name}\0`, new Uint8Array(32).fill(9), [1, 2, 3, 4]];
    image.set([...Buffer.from(name), ...sha, ...tag], 1000);
    const greetings = [
      null,
      { modelSha256: sha, tag: Uint8Array.from(tag) },
      { modelSha256: sha, tag: Uint8Array.of(250, 3, 251, 4) },
    ];
    const outcomes: string[] = [];
    for (const greeting of greetings) {
      const work = flashOver(new Wire(chipOf()), image, { greet: async () => greeting });
      outcomes.push(
        await work.then(
          () => 'done',
          (error: Error) => error.message,
        ),
      );
    }
    const unsure = 'the image was sent, but the board has not confirmed its start';
    expect(outcomes).to.deep.equal([unsure, 'done', unsure]);
  });
});

describe('flash: adafruit-nrfutil on the simulated boot loader', () => {
  /** Where `scripts/setup.sh --tests` installs it, unless it is there already. */
  const installed = fileURLToPath(
    new URL('../../build/nrfutil/bin/adafruit-nrfutil', import.meta.url),
  );
  const program = existsSync(installed) ? installed : 'adafruit-nrfutil';
  const nrfutil = (...args: string[]) =>
    new Promise<{ ok: boolean; output: string }>((resolve) => {
      // The board is in this process, so nothing may block it.
      execFile(program, args, (error, stdout, stderr) =>
        resolve({ ok: error === null, output: stdout + stderr }),
      );
    });

  it('writes the image that bonsaic writes', async function () {
    needs(this, 'socat');
    needs(this, program);
    const [link, bin, zip] = ['tty', 'firmware.bin', 'package.zip'].map((name) =>
      join(directory, name),
    ) as [string, string, string];
    const image = nrf52Image(target, 6_000);
    writeFileSync(bin, image);
    const facts = ['--dev-type', '0x0052', '--sd-req', '0x00B6'];
    const made = await nrfutil('dfu', 'genpkg', ...facts, '--application', bin, zip);
    expect(made.ok, made.output).to.equal(true);
    const board = await simulateBoard(target, link, () => {});
    try {
      // A pty has no DTR, which it sets unless it opens the port at 1200 baud before.
      const line = ['-p', link, '-b', '115200', '--touch', '1200', '--singlebank'];
      const sent = await nrfutil('dfu', 'serial', '--package', zip, ...line);
      expect(sent.ok, sent.output).to.equal(true);
      expect(sent.output).to.match(/Device programmed/);
    } finally {
      await board.close();
    }
    expect(readFileSync(`${link}.flash`).subarray(0, image.length)).to.deep.equal(
      Buffer.from(image),
    );
  });
});
