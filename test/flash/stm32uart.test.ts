/** The boot loader of an STM32 over a simulated line, in virtual time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  type Stm32Chip,
  type Stm32Options,
  stm32Chip,
} from '../../src/boards/device/chips/stm32.js';
import type { SettingsOf } from '../../src/boards/target/flash.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { failure } from '../support/failure.js';
import { flash } from '../support/flash.js';
import {
  bankOf,
  pageBytes,
  type Sectors,
  smallBoard,
  stm32Image,
  twoBanks,
} from '../support/stm32.js';
import { Wire } from '../support/wire.js';

const target = loadTarget('stm32f405');
const settings = target.flashProtocols.find(
  (one): one is SettingsOf<'stm32-uart'> => one.protocol === 'stm32-uart',
);
if (settings === undefined) throw new Error('no settings');

let directory = '';
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bonsaic-stm32-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const chipOf = (options: Partial<Stm32Options> = {}, flash?: Uint8Array): Stm32Chip =>
  stm32Chip(settings as SettingsOf<'stm32-uart'>, flash, options);

/** An image with a vector table for the board. */
function imageOf(bytes: number, seed = 1): Uint8Array {
  const image = Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + (i >> 8) * seed) & 0xff);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0x20020000, true);
  view.setUint32(4, 0x08000101, true);
  return image;
}

function saved(image: Uint8Array, name = 'image.bin'): string {
  const path = join(directory, name);
  writeFileSync(path, image);
  return path;
}

const flashTo = (wire: Wire, image: Uint8Array) =>
  flash(saved(image), '/dev/wire', target, { open: wire.open, sleep: wire.sleep });

const holds = (chip: Stm32Chip, image: Uint8Array) =>
  Buffer.compare(chip.flash.subarray(0, image.length), image) === 0;

describe('flash/stm32uart', () => {
  it('writes, verifies and starts', async () => {
    const wire = new Wire(chipOf());
    const image = imageOf(20_001);
    await flashTo(wire, image);
    expect(holds(wire.chip as Stm32Chip, image)).to.equal(true);
    expect(wire.chip.started).to.equal(0x0800_0000);
    expect(wire.overruns).to.equal(0);
  });

  it('writes the vector table last: a chip without it stays in its boot loader', async () => {
    const chip = chipOf();
    const image = imageOf(20_000);
    const receive = chip.receive.bind(chip);
    let isEarly = false;
    chip.receive = (byte) => {
      const answers = receive(byte);
      isEarly ||= holds(chip, image.subarray(0, 4)) && !holds(chip, image);
      return answers;
    };
    await flashTo(new Wire(chip), image);
    expect(isEarly).to.equal(false);
  });

  it('sends 5 % more than the image, there and back', async () => {
    const wire = new Wire(chipOf());
    const image = imageOf(32_768);
    await flashTo(wire, image);
    const all = wire.bytes['to chip'] + wire.bytes['to host'];
    expect(all / (2 * image.length)).to.be.within(1, 1.06);
  });

  it('takes a chip that another session has left in the middle of a block', async () => {
    const wire = new Wire(chipOf());
    const transport = await wire.open({ baudRate: 115200, parity: 'even' });
    for (const bytes of [[0x7f], [0x31, 0xce], [8, 0, 0, 0, 8], [255, 1, 2, 3]]) {
      await transport.write(Uint8Array.from(bytes));
      await transport.sleep(50);
    }
    const image = imageOf(600);
    await flashTo(wire, image);
    expect(holds(wire.chip as Stm32Chip, image)).to.equal(true);
  });

  it('erases only the sectors under the image', async () => {
    const old = new Uint8Array(2 ** 20).fill(0x55);
    const chip = chipOf({}, old);
    await flashTo(new Wire(chip), imageOf(20_000));
    expect(chip.flash.subarray(32_768).every((byte) => byte === 0x55)).to.equal(true);
    expect(chip.flash.subarray(20_000, 32_768).every((byte) => byte === 0xff)).to.equal(true);
  });

  const refusals: [
    edge: string,
    image: Uint8Array,
    options: Partial<Stm32Options>,
    message: RegExp,
    hint: RegExp,
  ][] = [
    [
      'another chip',
      imageOf(600),
      { chipId: 0x431 },
      /id 0x431.*nothing was/,
      /--target stm32f411/,
    ],
    ['a protected chip', imageOf(600), { isProtected: true }, /protected.*nothing was/, /erases/],
    [
      'a write-protected sector',
      imageOf(20_000),
      { writeProtected: [1] },
      /sector at 0x08004000.*WRP.*nothing was/,
      /stm32flash -u/,
    ],
    ['an ELF file', Uint8Array.from(Buffer.from('\x7fELF1234')), {}, /ELF/, /build/],
    ['too few bytes', imageOf(8).subarray(0, 7), {}, /no image: it has 7/, /\.bin/],
    [
      'a byte too much',
      imageOf(2 ** 20 + 1),
      {},
      /more than the 1048576 of stm32f405/,
      /smaller.* size$/,
    ],
    ['zeros', new Uint8Array(600), {}, /not an image for stm32f405/, /\.bin/],
  ];
  for (const [edge, image, options, message, hint] of refusals) {
    it(`leaves ${edge} as it was`, async () => {
      const old = new Uint8Array(2 ** 20).fill(0x55);
      const chip = chipOf(options, old);
      const error = await failure(flashTo(new Wire(chip), image));
      expect(error.exitStatus).to.equal(5);
      expect(error.message).to.match(message);
      expect(error.hint).to.match(hint);
      expect(Buffer.compare(chip.flash, old)).to.equal(0);
    });
  }

  it('flashes beside a write-protected sector', async () => {
    const image = imageOf(20_000);
    const wire = new Wire(chipOf({ writeProtected: [2] }));
    await flashTo(wire, image);
    expect(holds(wire.chip as Stm32Chip, image)).to.equal(true);
  });

  it('names a write-protected sector where the option bytes cannot be read', async () => {
    const options = { writeProtected: [1], writeProtection: undefined };
    const wire = new Wire(chipOf(options, new Uint8Array(2 ** 20).fill(0x55)));
    const error = await failure(flashTo(wire, imageOf(20_000)));
    expect(error.message).to.match(/sector at 0x08004000.*WRP.*not complete/);
    expect(error.hint).to.match(/stm32flash -u/);
  });

  it('enters the boot loader by DTR and RTS where they are wired', async () => {
    const chip = chipOf({ hasLines: true });
    chip.started = 0;
    const image = imageOf(600);
    await flashTo(new Wire(chip), image);
    expect(holds(chip, image)).to.equal(true);
  });

  it('enters it by the running firmware', async () => {
    const chip = chipOf();
    chip.started = 0;
    const wire = new Wire(chip);
    const restart = async () => {
      chip.restart();
      return true;
    };
    const image = imageOf(600);
    await flash(saved(image), '/dev/wire', target, { open: wire.open, restart });
    expect(holds(chip, image)).to.equal(true);
  });

  it('starts the old image again on a chip that is another than expected', async () => {
    const chip = chipOf({ chipId: 0x431 });
    chip.started = 0;
    const wire = new Wire(chip);
    const restart = async () => {
      chip.restart();
      return true;
    };
    const work = flash(saved(imageOf(600)), '/dev/wire', target, { open: wire.open, restart });
    expect((await failure(work)).message).to.match(/id 0x431/);
    expect(chip.started).to.equal(0x0800_0000);
  });

  it('knows the older erase command', async () => {
    const image = imageOf(600);
    const wire = new Wire(chipOf({ hasShortErase: true }, new Uint8Array(2 ** 20)));
    await flashTo(wire, image);
    expect(holds(wire.chip as Stm32Chip, image)).to.equal(true);
  });

  it('says how to enter the boot loader when none answers', async () => {
    const chip = chipOf();
    chip.started = 0;
    const wire = new Wire(chip);
    const told: [secondsSpent: number, text: string][] = [];
    const say = (text: string) => void told.push([wire.nowMs / 1000, text]);
    const work = flash(saved(imageOf(600)), '/dev/wire', target, { open: wire.open, say });
    expect((await failure(work)).hint).to.match(/BOOT0 high/);
    const texts = told.map(([, text]) => text);
    expect(texts[0]).to.match(/boot loader/);
    expect(texts.at(-1)).to.match(/minute.*BOOT0 high/);
    expect(told.at(-1)?.[0]).to.be.below(10);
    expect(wire.nowMs / 1000).to.be.below(60);
  });
});

describe('flash/stm32uart: two banks', () => {
  const edges: [edge: string, bytes: number, old: number, options: Partial<Stm32Options>][] = [
    ['a part of the first bank', pageBytes + 8, 0x55, {}],
    ['the first bank, erased at once', 2 * pageBytes, 0x55, {}],
    ['into the second bank, which counts from another number', 2 * pageBytes + 8, 0x55, {}],
    ['into one that counts on', 2 * pageBytes + 8, 0x55, { countsOtherwise: true }],
    ['into one that is blank, and counts on', 2 * pageBytes + 8, 0xff, { countsOtherwise: true }],
    ['both banks', 4 * pageBytes, 0x55, {}],
    ['both banks of one that counts on', 4 * pageBytes, 0x55, { countsOtherwise: true }],
  ];
  for (const [edge, bytes, old, options] of edges) {
    it(edge, async () => {
      const { settings, target } = smallBoard();
      const before = new Uint8Array(4 * pageBytes).fill(old);
      const chip = stm32Chip(settings, before, options);
      const image = stm32Image(smallBoard().target, bytes);
      await flash(saved(image), '/dev/wire', target, { open: new Wire(chip).open });
      expect(holds(chip, image)).to.equal(true);
      const rest = chip.flash.subarray(Math.ceil(bytes / pageBytes) * pageBytes);
      expect(
        rest.every((byte) => byte === old),
        'what it does not need',
      ).to.equal(true);
    });
  }

  it('a boot loader that does not know the code of a bank gets its pages', async () => {
    const { settings, target } = smallBoard();
    const [first, second] = twoBanks;
    const plain = {
      ...settings,
      sectors: [first, second].map((one) => ({ ...one, bank: undefined })),
    };
    const chip = stm32Chip(plain as typeof settings, new Uint8Array(4 * pageBytes));
    const image = stm32Image(smallBoard().target, 4 * pageBytes);
    await flash(saved(image), '/dev/wire', target, { open: new Wire(chip).open });
    expect(holds(chip, image)).to.equal(true);
  });

  it('names a page of the second bank that stays under both numbers', async () => {
    const { settings, target } = smallBoard();
    const options = { writeProtected: [256], writeProtection: undefined };
    const chip = stm32Chip(settings, new Uint8Array(4 * pageBytes), options);
    const image = stm32Image(smallBoard().target, 2 * pageBytes + 8);
    const work = flash(saved(image), '/dev/wire', target, { open: new Wire(chip).open });
    expect((await failure(work)).message).to.match(/sector at 0x08001000.*WRP.*not complete/);
  });

  it('waits for a chip that goes on erasing after its answer', async () => {
    const [first, second] = twoBanks;
    const { settings, target } = smallBoard([first, { ...second, settleMs: 40 }] as Sectors);
    const wire = new Wire(stm32Chip(settings, new Uint8Array(4 * pageBytes)));
    const image = stm32Image(smallBoard().target, 2 * pageBytes + 8);
    await flash(saved(image), '/dev/wire', target, { open: wire.open });
    expect(holds(wire.chip as Stm32Chip, image)).to.equal(true);
    expect(wire.overruns).to.equal(0);
  });

  it('erases a bank at once in the time of a page', async () => {
    const { bank: _, ...pages } = bankOf(0, '0xfffe');
    const times: number[] = [];
    for (const sectors of [twoBanks, [pages, twoBanks[1]] as Sectors]) {
      const { settings, target } = smallBoard(sectors);
      const wire = new Wire(stm32Chip(settings, new Uint8Array(4 * pageBytes)));
      const image = saved(stm32Image(smallBoard().target, 2 * pageBytes));
      await flash(image, '/dev/wire', target, { open: wire.open });
      times.push(wire.nowMs);
    }
    expect((times[1] ?? 0) - (times[0] ?? 0)).to.be.within(22, 25);
  });
});

describe('flash/stm32uart: range of the supply', () => {
  const times: [edge: string, options: Partial<Stm32Options>, least: number, most: number][] = [
    // 16 KB are erased and programmed by words, 0.25 + 0.07 s, or by bytes, 0.25 + 0.26 s.
    ['told to a boot loader that knows it', {}, 0.3, 0.65],
    ['refused by one that does not', { voltageRange: undefined }, 0.7, 1.8],
  ];
  for (const [edge, options, least, most] of times) {
    it(edge, async () => {
      const wire = new Wire(chipOf(options, new Uint8Array(2 ** 20)));
      const image = imageOf(16_384);
      await flashTo(wire, image);
      expect(holds(wire.chip as Stm32Chip, image)).to.equal(true);
      const lineSeconds = ((wire.bytes['to chip'] + wire.bytes['to host']) * 11) / 115200;
      // The start takes 0.3 s besides.
      expect(wire.nowMs / 1000 - lineSeconds).to.be.within(least, most);
    });
  }

  it('is lost by a reset', async () => {
    const chip = chipOf();
    await flashTo(new Wire(chip), imageOf(600));
    chip.restart();
    chip.receive(0x7f);
    const address = [0x08, 0, 0, 0, 0x08];
    const work = [0x31, 0xce, ...address, 3, 1, 2, 3, 4, 3 ^ 1 ^ 2 ^ 3 ^ 4].map((byte) =>
      chip.receive(byte).reduce((sum, { afterMs }) => sum + afterMs, 0),
    );
    expect(work.at(-1)).to.be.closeTo(4 * 0.016, 1e-9);
  });
});
