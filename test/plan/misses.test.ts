/** What flash and a second core add to a step's cycles: layers so small that a row has the sum. */
import { expect } from 'chai';
import { analyse } from '../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import type { TargetTraits } from '../../src/compiler/ir/op.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { NetworkBuilder } from '../support/networks.js';
import { defaults } from '../support/plan.js';

const dense = 'portable/fully_connected';
const free = { outputs: 0, residuals: 0 };

interface Cache {
  readonly cacheBytes?: number;
  readonly lineBytes?: number;
  readonly missCycles?: number;
}

/** A product of `dense` costs a cycle, one of any other kernel a thousand. */
function target({ cacheBytes = 16384, lineBytes = 8, missCycles = 10 }: Cache): TargetTraits {
  const kernels = {
    [dense]: { ...free, macs: 1, singleMacs: 1, singleOutputs: 0 },
    'portable/conv2d': { ...free, macs: 1000, segments: 0 },
  };
  return {
    ...{ name: 'test', features: new Set(), costs: { speed: kernels, balanced: kernels } },
    ...{ costUnit: 'cycles', flashBytes: null, ramBytes: 2 ** 20 },
    regions: { flash: { cacheBytes, lineBytes, missCycles }, sram: { reservedBytes: 0 } },
  };
}

/** 1×1, 64 channels to 128: 8192 bytes of weights, as many products for each pixel. */
function pixels(count: number): Module {
  const b = new NetworkBuilder();
  return b.module([b.conv2d(b.input([1, count, 1, 64]), 128)]);
}

/** One row, 64 to 128: the same weights. */
function row(): Module {
  const b = new NetworkBuilder();
  return b.module([b.dense(b.input([1, 64]), 128)]);
}

function stepOf(module: Module, cache: Cache, options: Partial<CompileOptions> = {}) {
  const facts = analyse(mainGraph(module));
  const goal = { ...defaults, optimize: 'speed', sramCopies: 'none', ...options } as const;
  const [step] = makePlan(module, facts, target(cache), goal).plan.steps;
  if (step === undefined) throw new RangeError('no step');
  return step;
}

const products = 8192;
/** A line of 8 bytes costs 10 cycles: 1024 lines. */
const once = 10_240;

describe('plan: misses of the flash cache', () => {
  const rows: [edge: string, Module, Cache, Partial<CompileOptions>, count: number][] = [
    ['weights of half the cache are fetched once', pixels(4), {}, {}, 4 * products + once],
    ['so they are for a single pixel', pixels(1), {}, {}, products + once],
    [
      'a byte more than half: at each pixel again',
      pixels(4),
      { cacheBytes: 16383 },
      {},
      4 * products + 4 * once,
    ],
    ['once for a row, however small the cache', row(), { cacheBytes: 8 }, {}, products + once],
    ['a line that is not full is a line: 82 of 100', row(), { lineBytes: 100 }, {}, products + 820],
    ['a miss costs what the target says', row(), { missCycles: 7 }, {}, products + 7168],
    ['none where flash is ideal', pixels(4), { cacheBytes: 8 }, { xip: 'ideal' }, 4 * products],
    ['none in RAM', pixels(4), { cacheBytes: 8 }, { sramCopies: 'all' }, 4 * products],
  ];
  for (const [edge, module, cache, options, count] of rows) {
    it(edge, () => {
      const step = stepOf(module, cache, options);
      expect(step.kernel).to.equal(dense);
      expect(step.alternatives[0]?.count).to.equal(count);
    });
  }

  it('biases and multipliers miss nothing that is counted, but are bytes of flash', () => {
    // A block of four channels has biases, multipliers and shifts.
    const { alternatives } = stepOf(row(), {});
    expect(alternatives[0]?.bytes).to.be.within(8192 + 128 * 9, 8192 + 128 * 12);
  });
});

describe('plan: a step on two cores', () => {
  const handOver = 200;
  const small = { cacheBytes: 16383 };
  const rows: [edge: string, Module, Cache, Partial<CompileOptions>, count: number][] = [
    ['takes half the time and the hand-over', pixels(4), {}, { xip: 'ideal' }, 2 * products + 200],
    ['the slower half’s where they differ', pixels(3), {}, { xip: 'ideal' }, 2 * products + 200],
    ['misses weights of both halves once', pixels(4), {}, {}, 2 * products + handOver + once],
    ['or at each pixel of both', pixels(4), small, {}, 2 * products + handOver + 4 * once],
    ['has each half’s weights', row(), {}, {}, products / 2 + handOver + once],
    ['each of them once', row(), { cacheBytes: 8 }, {}, products / 2 + handOver + once],
  ];
  for (const [edge, module, cache, options, count] of rows) {
    it(edge, () => {
      const step = stepOf(module, cache, { ...options, cores: 2 });
      const both = step.alternatives.find(({ kernel, cores }) => kernel === dense && cores === 2);
      expect(both?.count).to.equal(count);
    });
  }

  it('has weights that both halves read once in flash, and each half’s own weights besides', () => {
    for (const module of [pixels(4), row()]) {
      const { alternatives } = stepOf(module, {}, { cores: 2 });
      const [one, two] = [1, 2].map((count) =>
        alternatives.find(({ kernel, cores }) => kernel === dense && cores === count),
      );
      expect(two?.bytes).to.equal(one?.bytes);
    }
  });

  /** 1×1, 4 channels to 4: 16 products for each pixel. */
  const worthIt: [edge: string, pixels: number, cores: number][] = [
    ['is not worth it for 24 pixels: 384 cycles, or 192 + 200', 24, 1],
    ['nor for 25: 400, or 13 pixels and 200 are 408', 25, 1],
    ['is for 26: 416, or 208 + 200 are 408', 26, 2],
  ];
  for (const [edge, count, cores] of worthIt) {
    it(edge, () => {
      const b = new NetworkBuilder();
      const module = b.module([b.conv2d(b.input([1, count, 1, 4]), 4)]);
      expect(stepOf(module, {}, { xip: 'ideal', cores: 2 }).cores).to.equal(cores);
    });
  }
});

describe('plan: what a kernel costs', () => {
  /** 4 to 4: 16 products and 4 outputs; the kernel's own costs are 5.5 and 105. */
  const own = 16 * 5.5 + 4 * 105;
  const rows: [edge: string, costs: TargetTraits['costs'], count: number][] = [
    ['what was measured for the goal', { size: { [dense]: { macs: 2, outputs: 3 } } }, 44],
    ['else for balanced', { balanced: { [dense]: { macs: 2, outputs: 4 } } }, 48],
    [
      'which is not asked where there is one for the goal',
      {
        size: { [dense]: { macs: 1, outputs: 1 } },
        balanced: { [dense]: { macs: 9, outputs: 9 } },
      },
      20,
    ],
    ['never for another goal', { speed: { [dense]: { macs: 2, outputs: 3 } } }, own],
    ['a term that was not measured: its own', { size: { [dense]: { macs: 2 } } }, 32 + 420],
    ['nothing measured: its own', {}, own],
  ];
  for (const [edge, costs, count] of rows) {
    it(edge, () => {
      const b = new NetworkBuilder();
      const module = b.module([b.dense(b.input([1, 4]), 4)]);
      const { regions: _, ...flat } = target({});
      const options = { ...defaults, optimize: 'size' } as const;
      const facts = analyse(mainGraph(module));
      const { plan } = makePlan(module, facts, { ...flat, costs }, options);
      const found = plan.steps[0]?.alternatives.find(({ kernel }) => kernel === dense);
      expect(found?.count).to.equal(count);
    });
  }
});
