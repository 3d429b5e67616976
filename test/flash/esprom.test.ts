/** The loader of an ESP32-C3 over a simulated line, in virtual time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { expect } from 'chai';
import { EspChip, type EspOptions } from '../../src/boards/device/chips/esp.js';
import type { LineSettings } from '../../src/boards/device/link.js';
import { lostLine, type Transport } from '../../src/boards/device/transport.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { espImage, espSettings } from '../support/esp.js';
import { failure } from '../support/failure.js';
import { flash } from '../support/flash.js';
import { stm32Image } from '../support/stm32.js';
import { Wire } from '../support/wire.js';

const target = loadTarget('esp32c3');
const settings = espSettings(target);
const flashBytes = 4 * 2 ** 20;

let directory = '';
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bonsaic-esp-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const chipOf = (options: Partial<EspOptions> = {}, content?: Uint8Array) =>
  new EspChip({ settings, flashBytes, ...options }, content);

const old = () => new Uint8Array(flashBytes).fill(0x55);

function saved(image: Uint8Array, name = 'image.bin'): string {
  const path = join(directory, name);
  writeFileSync(path, image);
  return path;
}

const flashTo = (wire: Wire, image: Uint8Array) =>
  flash(saved(image), '/dev/wire', target, { open: wire.open, sleep: wire.sleep });

const holds = (chip: EspChip, image: Uint8Array) =>
  Buffer.compare(chip.flash.subarray(0, image.length), image) === 0;

/** Flashes the image; the progress tells what the chip was at the time. */
async function flashAndWatch(chip: EspChip, image: Uint8Array) {
  const wire = new Wire(chip);
  const seen = { byStub: false, done: [] as number[] };
  await flash(saved(image), '/dev/wire', target, {
    open: wire.open,
    progress: (done) => {
      seen.byStub ||= chip.isStub;
      seen.done.push(done);
    },
  });
  return { ...seen, wire };
}

describe('flash/esprom', () => {
  const kinds: [edge: string, options: Partial<EspOptions>, byStub: boolean][] = [
    ['by the stub', {}, true],
    ['by the ROM, where it starts no programs', { runsStub: false }, false],
  ];
  for (const [edge, options, byStub] of kinds) {
    it(`writes, verifies and starts ${edge}`, async () => {
      const chip = chipOf(options, old());
      const image = espImage(90_001);
      const seen = await flashAndWatch(chip, image);
      expect(holds(chip, image)).to.equal(true);
      expect(seen.byStub).to.equal(byStub);
      expect(seen.done[0]).to.equal(0);
      expect(seen.done.at(-1)).to.equal(image.length);
      expect(seen.done, 'ascending').to.deep.equal([...seen.done].sort((a, b) => a - b));
      expect(chip.started).to.equal(0x4200_0008);
      expect(seen.wire.overruns).to.equal(0);
    });

    it(`erases only the sectors under the image ${edge}`, async () => {
      const chip = chipOf(options, old());
      await flashTo(new Wire(chip), espImage(20_000));
      expect(chip.flash.subarray(20_480).every((byte) => byte === 0x55)).to.equal(true);
      expect(chip.flash.subarray(20_000, 20_480).every((byte) => byte === 0xff)).to.equal(true);
    });
  }

  it('writes nothing where the image is there already', async () => {
    const image = espImage(90_001);
    const chip = chipOf();
    await flashTo(new Wire(chip), image);
    chip.restart();
    const { done, wire } = await flashAndWatch(chip, image);
    expect(done).to.deep.equal([image.length]);
    expect(wire.bytes['to chip']).to.be.below(10_000);
    expect(chip.started).to.equal(0x4200_0008);
  });

  it('flashes within 1.15 of the time of the compressed image on the line', async () => {
    const image = espImage(262_144);
    const { wire } = await flashAndWatch(chipOf({}, old()), image);
    const wireMs = (deflateSync(image, { level: 9 }).length * 10 * 1000) / 460_800;
    expect(wire.nowMs / wireMs).to.be.within(1, 1.15);
  });

  const refusals: [
    edge: string,
    image: Uint8Array,
    options: Partial<EspOptions>,
    message: RegExp,
    hint: RegExp,
  ][] = [
    ['another chip', espImage(600), { chipId: 9 }, /id 9; esp32c3 has 5: nothing was/, /targets/],
    ['a chip without an id', espImage(600), { chipId: null }, /ESP32-S2.*nothing was/, /targets/],
    ['secure boot', espImage(600), { securityFlags: 1 }, /secure boot on.*nothing was/, /another/],
    ['secure download', espImage(600), { securityFlags: 4 }, /secure download mode/, /another/],
    ['encrypted flash', espImage(600), { encryptionBits: 7 }, /flash encryption on/, /another/],
    ['an old revision', espImage(600), { revision: 2 }, /v0\.2, which does not/, /v0\.3 or later/],
    ['a smaller flash', espImage(300_000), { flashId: 0x12_40_ef }, /than the 262144/, /smaller/],
    ['no flash', espImage(600), { flashId: 0 }, /flash of the board does not/, /without flash/],
    ['an ELF file', Uint8Array.from(Buffer.from('\x7fELF1234')), {}, /ELF/, /build/],
    ["ESP-IDF's image", Uint8Array.of(0xe9, 3, 2, 0, 0, 0, 0, 0), {}, /ESP-IDF/, /\.bin/],
    ['too few bytes', espImage(8), {}, /direct boot/, /build/],
    ['a byte too much', espImage(flashBytes + 1), {}, /more than the 4194304/, /smaller/],
    ["another board's image", stm32Image(target, 600), {}, /direct boot/, /build/],
  ];
  for (const [edge, image, options, message, hint] of refusals) {
    it(`leaves the flash as it was: ${edge}`, async () => {
      const chip = chipOf(options, old());
      const error = await failure(flashTo(new Wire(chip), image));
      expect(error.exitStatus).to.equal(5);
      expect(error.message).to.match(message);
      expect(error.hint).to.match(hint);
      expect(Buffer.compare(chip.flash, old())).to.equal(0);
    });
  }

  it('takes a chip whose flash encryption was switched on and off again', async () => {
    const chip = chipOf({ encryptionBits: 3 });
    await flashTo(new Wire(chip), espImage(600));
    expect(holds(chip, espImage(600))).to.equal(true);
  });

  describe('enters the loader', () => {
    for (const lines of ['transistors', 'usb'] as const) {
      it(`by DTR and RTS: ${lines}`, async () => {
        const chip = chipOf({ lines });
        chip.started = 0;
        const image = espImage(600);
        await flashTo(new Wire(chip), image);
        expect(holds(chip, image)).to.equal(true);
        expect(chip.started).to.equal(0x4200_0008);
      });
    }

    it('by the running firmware, whose request for it ends with the start', async () => {
      const chip = chipOf();
      chip.started = 0;
      const wire = new Wire(chip);
      const restart = async () => {
        chip.restartOnRequest();
        return true;
      };
      const image = espImage(600);
      await flash(saved(image), '/dev/wire', target, { open: wire.open, restart });
      expect(holds(chip, image)).to.equal(true);
      expect(chip.started).to.equal(0x4200_0008);
    });

    it('that another session has left at a higher rate, with its stub', async () => {
      const chip = chipOf();
      const kill = new Error('killed');
      const first = new Wire(chip);
      const work = flash(saved(espImage(90_001)), '/dev/wire', target, {
        open: first.open,
        progress: (done) => {
          if (done > 0) throw kill;
        },
      });
      expect(await work.catch((error: unknown) => error)).to.equal(kill);
      expect(chip.isStub).to.equal(true);
      const image = espImage(30_000, 2);
      await flashTo(new Wire(chip), image);
      expect(holds(chip, image)).to.equal(true);
    });

    it('or says how, within seconds', async () => {
      const chip = chipOf();
      chip.started = 0;
      const wire = new Wire(chip);
      const told: string[] = [];
      const say = (text: string) => void told.push(text);
      const work = flash(saved(espImage(600)), '/dev/wire', target, { open: wire.open, say });
      expect((await failure(work)).hint).to.match(/hold BOOT.*RESET/);
      expect(told).to.have.length(4);
      expect(wire.nowMs / 1000).to.be.below(30);
    });
  });

  describe('has a board that it refuses go on with the old image', () => {
    const rows: [edge: string, options: Partial<EspOptions>, isRunning: boolean][] = [
      ['by lines, another chip', { lines: 'transistors', chipId: 9 }, false],
      ['by the watchdog, from the running firmware', { flashId: 0x12_40_ef }, true],
    ];
    for (const [edge, options, isRunning] of rows) {
      it(edge, async () => {
        const chip = chipOf(options);
        chip.flash.set(espImage(600));
        chip.started = 0;
        const restart = async () => {
          if (isRunning) chip.restart();
          return isRunning;
        };
        const image = saved(espImage(300_000));
        const { open } = new Wire(chip);
        await failure(flash(image, '/dev/wire', target, { open, restart }));
        expect(chip.started).to.equal(0x4200_0008);
      });
    }
  });

  describe('a port that leaves the bus when the chip is reset', () => {
    /** Lost from the reset on, until it is opened again. */
    function losingOpen(chip: EspChip, afterReset: () => void) {
      const wire = new Wire(chip);
      return async (line: LineSettings): Promise<Transport> => {
        const before = chip.started;
        const transport = await wire.open(line);
        let isLost = false;
        const check = () => {
          if (!isLost && chip.started === before) return;
          if (!isLost) afterReset();
          isLost = true;
          throw lostLine('/dev/ttyACM0', 'gone');
        };
        return {
          ...transport,
          write: async (bytes) => {
            check();
            await transport.write(bytes);
          },
          read: async (most, timeoutMs) => {
            check();
            return transport.read(most, timeoutMs);
          },
        };
      };
    }

    it('is opened again, and the image runs', async () => {
      const chip = chipOf();
      const open = losingOpen(chip, () => {});
      await flash(saved(espImage(600)), '/dev/ttyACM0', target, { open });
      expect(chip.started).to.equal(0x4200_0008);
    });

    it('is opened again, and the board is still in its loader', async () => {
      const chip = chipOf();
      const open = losingOpen(chip, () => chip.restart());
      const work = flash(saved(espImage(600)), '/dev/ttyACM0', target, { open });
      expect((await failure(work)).message).to.match(/verified, but the board stays in its loader/);
    });
  });

  const hosts: [edge: string, change: Transport['setBaudRate']][] = [
    ['that refuses other rates', async () => Promise.reject(new BonsaiError('device', 'x', 'no'))],
    ['that has no rate (socket://)', null],
  ];
  for (const [edge, setBaudRate] of hosts) {
    it(`flashes at the first rate over a port ${edge}`, async () => {
      const chip = chipOf();
      const wire = new Wire(chip);
      const open = async (line: LineSettings) => ({ ...(await wire.open(line)), setBaudRate });
      await flash(saved(espImage(600)), '/dev/wire', target, { open });
      expect(chip.started).to.equal(0x4200_0008);
    });
  }

  it('a flash that does not take the bytes is an error', async () => {
    const chip = chipOf({ isWriteProtected: true }, old());
    const error = await failure(flashTo(new Wire(chip), espImage(600)));
    expect(error.message).to.match(/differs after/);
    expect(chip.started).to.equal(null);
  });
});
