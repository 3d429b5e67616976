/** What there is of flash, RAM and time: sums that a reader can check. */
import { expect } from 'chai';
import type { Optimize, TargetTraits } from '../../src/compiler/ir/op.js';
import { kernelBytesOf, runtimeBytesOf } from '../../src/compiler/plan/choose/code-size.js';
import { type Room, ramForModel, roomOf } from '../../src/compiler/plan/choose/room.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { defaults } from '../support/plan.js';

const KB = 1024;
const code = { runtimeBytes: 5000, stepBytes: 30, kernels: { 'portable/conv2d': 700 } };
const board: TargetTraits = {
  ...{ name: 'test', features: new Set(), costs: {}, costUnit: 'cycles' },
  ...{ flashBytes: 512 * KB, ramBytes: 100 * KB, clockHz: 8_000_000 },
  regions: {
    flash: { cacheBytes: 16 * KB, lineBytes: 8, missCycles: 10 },
    sram: { reservedBytes: 8 * KB },
  },
  code: { speed: { ...code, runtimeBytes: 6000 }, balanced: code, size: code },
};
const { regions: _r, code: _c, clockHz: _h, ...unknown } = board;
const measured: TargetTraits = {
  ...board,
  firmware: { staticBytes: 2000, stackBytes: 1000, codeBytes: 300 },
};
const endless: TargetTraits = { ...unknown, flashBytes: null, ramBytes: null };

const source = { macs: 0, sums: 0, parameters: 0, liveShare: 1, cycles: () => Infinity };

function room(options: Partial<CompileOptions> = {}, target = board, gapBytes = 0): Room {
  return roomOf(target, { ...defaults, ...options }, 10, 20 * KB, source, gapBytes);
}

describe('plan: RAM for the model', () => {
  const rows: [edge: string, Partial<CompileOptions>, TargetTraits, bytes: number][] = [
    ['3.5 KB are for the runtime and the stack', {}, board, 96.5 * KB],
    ['and 1.5 KB more for a second core', { cores: 2 }, board, 95 * KB],
    ['one core has none of these', { cores: 1 }, board, 96.5 * KB],
    ['a budget below what there is', { maxRam: 50 * KB }, board, 46.5 * KB],
    ['a budget beyond it', { maxRam: 500 * KB }, board, 96.5 * KB],
    // 50 KB − 2000 − 1000 − 32 for alignment − 10 steps of 12 bytes.
    ['a budget, where the firmware was measured', { maxRam: 50 * KB }, measured, 50 * KB - 3152],
    ['and for two cores', { maxRam: 50 * KB, cores: 2 }, measured, 50 * KB - 3152 - 1.5 * KB],
    ['without a budget it changes nothing', {}, measured, 96.5 * KB],
    ['a board without a limit', {}, endless, Infinity],
    ['and with a budget', { maxRam: 50 * KB }, endless, 46.5 * KB],
  ];
  for (const [edge, options, target, bytes] of rows) {
    it(edge, () => expect(ramForModel(target, { ...defaults, ...options }, 10)).to.equal(bytes));
  }
});

describe('plan: RAM for copies of weights', () => {
  // An arena of 20 KB: of 100 KB, 8 are reserved, and 72 are left.
  const rows: [edge: string, Partial<CompileOptions>, kilobytes: number][] = [
    ['half of what is left is the application’s', {}, 36],
    ['size leaves half too', { optimize: 'size' }, 36],
    ['speed leaves nothing', { optimize: 'speed' }, 72],
    ['speed, where half is asked for', { optimize: 'speed', sramCopies: 'half' }, 36],
    ['all, where that is asked for', { sramCopies: 'all' }, 72],
    ['none', { sramCopies: 'none' }, 0],
    ['a budget: 40 − 3.5 − 20', { maxRam: 40 * KB }, 16.5],
    [
      'all within a budget: 90 − 3.5 − 20 are less than 72',
      { ...{ sramCopies: 'all' }, maxRam: 90 * KB },
      66.5,
    ],
  ];
  for (const [edge, options, kilobytes] of rows) {
    it(edge, () => expect(room(options).copyBytes(20 * KB)).to.equal(kilobytes * KB));
  }

  it('balanced and size may have all but an eighth, where no share is asked for', () => {
    expect(room().withMoreCopies?.copyBytes(20 * KB)).to.equal(63 * KB);
    expect(room({ optimize: 'size' }).withMoreCopies?.copyBytes(20 * KB)).to.equal(63 * KB);
    expect(room().withAllCopies?.copyBytes(20 * KB)).to.equal(72 * KB);
    expect(room({ optimize: 'speed' }).withMoreCopies).to.equal(undefined);
    expect(room({ sramCopies: 'half' }).withMoreCopies).to.equal(undefined);
  });

  it('is whole bytes, and never negative', () => {
    expect(room().copyBytes(20 * KB + 1), 'half of 73727').to.equal(36 * KB - 1);
    expect(room().copyBytes(99 * KB)).to.equal(0);
  });

  it('is zero if flash is as fast', () => {
    expect(room({}, endless).copyBytes(0)).to.equal(0);
  });

  it('is zero with unlimited RAM too, if no copies are wanted', () => {
    const unlimited = { ...board, ramBytes: null };
    expect(room({ sramCopies: 'none' }, unlimited).copyBytes(0)).to.equal(0);
    expect(room({}, unlimited).copyBytes(0)).to.equal(Infinity);
  });

  it('gaps between tensors are lost to it: half of 72 − 4', () => {
    expect(room({}, board, 4 * KB).copyBytes(20 * KB)).to.equal(34 * KB);
    expect(room({ maxRam: 40 * KB }, board, 4 * KB).copyBytes(20 * KB)).to.equal(12.5 * KB);
  });
});

describe('plan: room', () => {
  const rows: [edge: string, () => Room, Partial<Omit<Room, 'copyBytes'>>][] = [
    ['flash that the board has', () => room(), { flashBytes: 512 * KB }],
    ['a budget of flash', () => room({ maxFlash: 1000 }), { flashBytes: 1000 }],
    [
      'a budget, less the code that only this board has',
      () => room({ maxFlash: 1000 }, measured),
      { flashBytes: 700 },
    ],
    ['a budget beyond it', () => room({ maxFlash: 513 * KB }), { flashBytes: 512 * KB }],
    ['no limit of flash', () => room({}, endless), { flashBytes: Infinity }],
    ['the arena: 100 − 3.5', () => room(), { leastArenaBytes: 20 * KB, mostArenaBytes: 96.5 * KB }],
    ['less its gaps', () => room({}, board, 4 * KB), { mostArenaBytes: 92.5 * KB }],
    ['but what it needs at least', () => room({ maxRam: 10 * KB }), { mostArenaBytes: 20 * KB }],
    ['time: 5 ms at 8 MHz', () => room({ maxMs: 5 }), { mostCycles: 40_000 }],
    ['no limit of time', () => room(), { mostCycles: Infinity }],
    ['a clock that is not known', () => room({ maxMs: 5 }, endless), { mostCycles: Infinity }],
    ['the runtime: 5000 + 10 · 30', () => room(), { runtimeBytes: 5300 }],
    ['for speed', () => room({ optimize: 'speed' }), { runtimeBytes: 6300 }],
    ['where nothing was measured', () => room({}, endless), { runtimeBytes: 7 * KB }],
  ];
  for (const [edge, found, wanted] of rows) {
    it(edge, () => expect(found()).to.deep.include(wanted));
  }
});

describe('plan: bytes of code', () => {
  const rows: [edge: string, TargetTraits, Optimize, template: string, bytes: number][] = [
    ['as measured', board, 'balanced', 'portable/conv2d', 700],
    ['not measured, speed', board, 'speed', 'x', 2600],
    ['not measured, balanced', board, 'balanced', 'x', 1250],
    ['not measured, size', endless, 'size', 'portable/conv2d', 640],
  ];
  for (const [edge, target, optimize, template, bytes] of rows) {
    it(edge, () => expect(kernelBytesOf(template, target, optimize)).to.equal(bytes));
  }

  it('of a step are there once a step', () => {
    expect(runtimeBytesOf(0, board, 'size')).to.equal(5000);
    expect(runtimeBytesOf(2, board, 'size')).to.equal(5060);
    expect(runtimeBytesOf(2, endless, 'size')).to.equal(7 * KB);
  });
});

describe('plan: flash and an interpreter’s time', () => {
  const rows: [edge: string, Partial<CompileOptions>, usual: number][] = [
    ['speed leaves a quarter', { optimize: 'speed' }, 384 * KB],
    ['unless it is told a limit', { optimize: 'speed', maxFlash: 500 * KB }, 512 * KB],
    ['balanced leaves none', {}, 512 * KB],
    ['nor does size', { optimize: 'size' }, 512 * KB],
  ];
  for (const [edge, options, usual] of rows) {
    it(edge, () => {
      const { usualFlashBytes, mostFlashBytes } = room(options);
      expect([usualFlashBytes, mostFlashBytes]).to.deep.equal([usual, 512 * KB]);
    });
  }

  it('of a board without a limit all is left', () => {
    expect(room({ optimize: 'speed' }, endless).usualFlashBytes).to.equal(Infinity);
  });

  it('an interpreter takes its time for each of the source’s products and sums', () => {
    const of = (macs: number, target: TargetTraits) =>
      roomOf(target, defaults, 10, 20 * KB, { ...source, macs, sums: 10, parameters: 1001 }, 0)
        .interpreterCycles;
    const interpreter = { perMac: 8.9, perSum: 50 };
    const known = { ...board, interpreter };
    expect(of(1000, { ...unknown, interpreter })).to.equal(9400);
    expect(of(1000, known), 'and 1001 bytes fetched in lines of 8').to.equal(9400 + 126 * 10);
    expect(of(1000, board), 'unknown').to.equal(Infinity);
    expect(of(0, known), 'nothing to multiply').to.equal(Infinity);
  });
});
