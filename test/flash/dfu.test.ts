/** The USB boot loader of an STM32 (DfuSe), transfer by transfer, in virtual time. */
import { expect } from 'chai';
import { DfuChip, type DfuOptions } from '../../src/boards/device/chips/dfu.js';
import { readLayout } from '../../src/boards/flash/dfu/layout.js';
import { flashDfu } from '../../src/boards/flash/dfu.js';
import type { FlashJob } from '../../src/boards/flash/protocol.js';
import type { SettingsOf } from '../../src/boards/target/flash.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { DfuBus, f405Options, pagedOptions } from '../support/dfu.js';
import { failure } from '../support/failure.js';
import { checkTable, Outcomes, resultOf, seeds } from '../support/fault-rows.js';
import { Random } from '../support/module.js';
import { stm32Image } from '../support/stm32.js';
import type { TransferFault } from '../support/usb.js';

type Settings = SettingsOf<'stm32-dfu'>;

function jobOf(name: string, image: Uint8Array, more: Partial<FlashJob<Settings>> = {}) {
  const target = loadTarget(name);
  const settings = target.flashProtocols.find(
    (one): one is Settings => one.protocol === 'stm32-dfu',
  );
  if (settings === undefined) throw new Error(`${name} has no DFU`);
  const job: FlashJob<Settings> = {
    ...{ image: { path: 'x.bin', bytes: image }, target, settings, port: 'usb' },
    open: () => Promise.reject(new Error('it opens no line')),
    restart: async () => false,
    greet: async () => null,
    ...{ progress: () => {}, say: () => {}, sleep: async () => {} },
    ...more,
  };
  return job;
}

const f405 = loadTarget('stm32f405');
const imageOf = (bytes: number, seed = 1) =>
  stm32Image(f405, bytes).map((byte, i) => (i < 8 ? byte : (byte + seed * 7) & 0xff));
const boardOf = (options: Partial<DfuOptions> = {}, flash?: Uint8Array) =>
  new DfuBus(new DfuChip({ ...f405Options, ...options }, flash));
const holds = ({ chip }: DfuBus, image: Uint8Array) =>
  Buffer.compare(chip.flash.subarray(0, image.length), image) === 0;

describe('flash/dfu', () => {
  const layouts: [
    text: string,
    sectors: [address: number, bytes: number, isWritable: boolean][] | null,
  ][] = [
    [
      '@Internal Flash  /0x08000000/01*016Kg,2*1Me',
      [
        [0x0800_0000, 0x4000, true],
        [0x0800_4000, 0x10_0000, false],
        [0x0810_4000, 0x10_0000, false],
      ],
    ],
    ['@Option Bytes  /0x1FFFC000/01*016 e', [[0x1fff_c000, 16, false]]],
    [
      '@OTP /0x1000/2*4Bg/0x2000/1*1Ka',
      [
        [0x1000, 4, true],
        [0x1004, 4, true],
        [0x2000, 1024, false],
      ],
    ],
    ['Internal Flash/0x08000000/1*1Kg', null],
    ['@Internal Flash', null],
    ['@Internal Flash/0x08000000', null],
    ['@Internal Flash/none/1*1Kg', null],
    ['@Internal Flash/0x08000000/1*1Kx', null],
    ['@Internal Flash/0x08000000/0*0Kg', null],
    ['@Internal Flash/0x08000000/99999999*1Kg', null],
  ];
  for (const [text, sectors] of layouts) {
    it(`reads ${text}`, () => {
      const found = readLayout(text)?.sectors ?? null;
      expect(found?.map((s) => [s.address, s.bytes, s.isWritable]) ?? null).to.deep.equal(sectors);
    });
  }

  it('erases the sectors under the image alone, writes, verifies and starts', async () => {
    const board = boardOf({}, new Uint8Array(2 ** 20).fill(0x55));
    const image = imageOf(20_001);
    const told: number[] = [];
    const job = jobOf('stm32f405', image, { progress: (done) => void told.push(done) });
    expect(await flashDfu(job, board)).to.equal(20_001);
    expect(holds(board, image)).to.equal(true);
    expect(board.chip.started).to.equal(0x0800_0000);
    expect(board.chip.flash.subarray(32_768).every((byte) => byte === 0x55)).to.equal(true);
    expect(board.chip.flash.subarray(20_032, 32_768).every((byte) => byte === 0xff)).to.equal(true);
    expect([told[0], told.at(-1)]).to.deep.equal([0, 20_001]);
  });

  it('writes the vector table last: a chip without it does not start', async () => {
    const board = boardOf();
    const image = imageOf(20_000);
    let isEarly = false;
    board.fault = () => {
      isEarly ||= holds(board, image.subarray(0, 4)) && !holds(board, image);
      return null;
    };
    await flashDfu(jobOf('stm32f405', image), board);
    expect(isEarly).to.equal(false);
  });

  const banks: [name: string, options: DfuOptions][] = [
    ['stm32g0b1', pagedOptions(512 * 1024, 2048, 8)],
    ['stm32h743', pagedOptions(2048 * 1024, 128 * 1024, 32)],
    ['stm32l4r5', pagedOptions(2048 * 1024, 4096, 8)],
    ['stm32u575', pagedOptions(2048 * 1024, 8192, 16)],
  ];
  for (const [name, options] of banks) {
    it(`writes the second bank of ${name}`, async () => {
      const target = loadTarget(name);
      const image = stm32Image(target, (target.flashBytes ?? 0) - 100);
      const settings = target.flashProtocols.find((one) => one.protocol === 'stm32-dfu');
      const { ramAddress } = settings as Settings;
      new DataView(image.buffer).setUint32(0, Number(ramAddress) + 1024, true);
      const board = new DfuBus(new DfuChip(options));
      await flashDfu(jobOf(name, image), board);
      expect(holds(board, image)).to.equal(true);
    });
  }

  it('writes nothing that is there already', async () => {
    const image = imageOf(3_000);
    const board = boardOf({}, image);
    const told: number[] = [];
    const progress = (done: number) => void told.push(done);
    await flashDfu(jobOf('stm32f405', image, { progress }), board);
    expect(told).to.deep.equal([]);
    expect(board.chip.started).to.equal(0x0800_0000);
  });

  it('takes a board that another session has left in the middle', async () => {
    const board = boardOf();
    board.chip.controlOut(1, 2, new Uint8Array(64));
    const image = imageOf(3_000);
    await flashDfu(jobOf('stm32f405', image), board);
    expect(holds(board, image)).to.equal(true);
  });

  const smaller = '@Internal Flash  /0x08000000/04*016Kg,01*064Kg,03*128Kg';
  const refusals: [
    edge: string,
    options: Partial<DfuOptions>,
    image: Uint8Array,
    says: RegExp,
    hint: RegExp,
  ][] = [
    [
      'another chip',
      { alternates: [smaller] },
      imageOf(600),
      /512 KB.*nothing was/,
      /bonsaic targets/,
    ],
    ['no layout', { alternates: ['x'] }, imageOf(600), /tells no flash.*nothing was/, /targets/],
    ['a protected chip', { isProtected: true }, imageOf(600), /RDP.*nothing was/, /erases/],
    ['an image too large', {}, imageOf(2 ** 20 + 1), /more than the 1048576/, /smaller.* size$/],
    ['noise', {}, new Uint8Array(600), /not an image for stm32f405/, /\.bin/],
  ];
  for (const [edge, options, image, says, hint] of refusals) {
    it(`leaves ${edge} as it was`, async () => {
      const old = new Uint8Array(2 ** 20).fill(0x55);
      const board = boardOf(options, old);
      const error = await failure(flashDfu(jobOf('stm32f405', image), board));
      expect(error.exitStatus).to.equal(5);
      expect(error.message).to.match(says);
      expect(error.hint).to.match(hint);
      expect(Buffer.compare(board.chip.flash, old)).to.equal(0);
    });
  }

  it('names a write-protected sector, which the chip does not', async () => {
    const board = boardOf({ writeProtected: [1] }, new Uint8Array(2 ** 20));
    const error = await failure(flashDfu(jobOf('stm32f405', imageOf(20_000)), board));
    expect(error.message).to.match(/sector at 0x08004000.*WRP/);
  });

  it('passes on at once why USB cannot be listed', async () => {
    const board = boardOf();
    board.list = () => Promise.reject(new BonsaiError('device', 'USB', 'cannot be listed', 'x'));
    const error = await failure(flashDfu(jobOf('stm32f405', imageOf(600)), board));
    expect([error.message, board.nowMs]).to.deep.equal(['cannot be listed', 0]);
  });

  it('asks which of two boards, and waits for one', async () => {
    const board = boardOf();
    board.serials = ['A', 'B'];
    expect((await failure(flashDfu(jobOf('stm32f405', imageOf(600)), board))).message).to.match(
      /several boards.*A, B/,
    );
    await flashDfu(jobOf('stm32f405', imageOf(600), { port: 'usb:B' }), board);
    expect(board.chip.started).to.equal(0x0800_0000);
    const error = await failure(flashDfu(jobOf('stm32f405', imageOf(600)), board));
    expect(error.message).to.match(/no STM32 in its boot loader appeared on USB within 15 s/);
    expect(board.nowMs).to.be.within(15_000, 20_000);
  });
});

describe('flash: faults of USB, STM32', () => {
  /** Faults that end the session strike once, the others any transfer. */
  const faults: readonly (readonly [name: string, fault: TransferFault, isEnd: boolean])[] = [
    ['transfers lost', 'lost', false],
    ['answers lost', 'late', false],
    ['endpoints stalled', 'stall', false],
    ['cable pulled', 'unplugged', true],
    ['power lost', 'power lost', true],
    ['host killed', 'killed', true],
  ];
  const longestMs = 120_000;

  it('each of 200 seeds ends done or with an error, and the next attempt succeeds', async () => {
    const rows: (readonly (string | number)[])[] = [];
    const boards: [name: string, options: DfuOptions][] = [
      ['stm32f405', f405Options],
      ['stm32g0b1', pagedOptions(512 * 1024, 2048, 8)],
    ];
    for (const [name, options] of boards) {
      const images = (seed: number) => imageOf(9_000, seed);
      const clean = new DfuBus(new DfuChip(options, images(0)));
      await flashDfu(jobOf(name, images(1)), clean);
      for (const [kind, fault, isEnd] of faults) {
        const outcomes = new Outcomes();
        for (let seed = 0; seed < seeds; seed++) {
          const what = `${name}, ${kind}, seed ${seed}`;
          const random = new Random(seed);
          const board = new DfuBus(new DfuChip(options, images(seed)));
          const endAt = random.integer(0, clean.transfers - 1);
          const rate = [40, 200, 1000][random.integer(0, 2)] ?? 0;
          board.fault = (at) =>
            (isEnd ? at === endAt : random.integer(0, rate) === 0) ? fault : null;
          const image = images(seed + 1);
          const result = await resultOf(() => flashDfu(jobOf(name, image), board), what);
          outcomes.add(result, board.nowMs);
          if (result === 'done') {
            expect([holds(board, image), board.chip.started], what).to.deep.equal([
              true,
              0x0800_0000,
            ]);
          }
          expect(board.nowMs, what).to.be.below(longestMs);
          board.plugIn();
          const next = images(seed + 1_000);
          expect(await resultOf(() => flashDfu(jobOf(name, next), board), what)).to.equal('done');
          expect(holds(board, next), `${what}: the next attempt`).to.equal(true);
        }
        rows.push(outcomes.row(name, kind));
      }
    }
    checkTable('dfu faults', rows);
  });
});
