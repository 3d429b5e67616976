/** Kernels that skip zeros or pack weights are slower or smaller than others: when they are taken. */
import { expect } from 'chai';
import { analyse } from '../../src/analysis/index.js';
import { mainGraph } from '../../src/ir/graph.js';
import type { Feature } from '../../src/ir/op.js';
import { makePlan } from '../../src/plan/index.js';
import type { CompileOptions } from '../../src/plan/types.js';
import { loadTarget } from '../../src/target/index.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { defaults } from '../support/plan.js';

const target = {
  name: 'test',
  costs: {},
  costUnit: 'cycles' as const,
  flashBytes: null,
  ramBytes: null,
};

/** What computes a fully connected layer, 256 to 256: 64 KB of weights. */
function kernelOf(
  weight: (random: Random) => number,
  options: Partial<CompileOptions>,
  features: readonly Feature[] = [],
): string {
  const random = new Random(1);
  const b = new GraphBuilder();
  const data = Int8Array.from({ length: 256 * 256 }, () => weight(random));
  const weights = b.constant(data, [256, 256], perTensorQuant(0.02, 0));
  const attrs = { activation: 'none', rounding: 'double' };
  const module = b.module([b.node('fully_connected', [b.input([1, 256]), weights, null], attrs)]);
  const facts = analyse(mainGraph(module));
  const core = { ...target, features: new Set(features) };
  const { steps } = makePlan(module, facts, core, { ...defaults, ...options });
  return steps[0]?.kernel ?? 'none';
}

const any = (random: Random) => random.integer(-128, 127);
const fourBits = (random: Random) => random.integer(-8, 7);
const sixteenValues = (random: Random) => 16 * random.integer(-8, 7) + 3;
const oneOfFour = (random: Random) => (random.integer(1, 4) === 1 ? random.integer(-40, 40) : 0);
const oneOfTwenty = (random: Random) => (random.integer(1, 20) === 1 ? any(random) : 0);
/** About 4 bits each in a code. */
const peaked = (random: Random) =>
  random.integer(0, 9) > 0 ? random.integer(-4, 4) : random.integer(-70, 70);
/** About 7 bits each in a code. */
const bellShaped = (random: Random) =>
  [1, 2, 3, 4].reduce((sum) => sum + random.integer(-25, 25), 0);

const dense = 'portable/fully_connected';
const packed = 'portable/conv2d_packed';
const coded = 'portable/conv2d_coded';
const lanes = 'swar/conv2d';
const sparse = 'swar/sparse_fully_connected';
const tight = { maxFlash: (24 + 45) * 1024 };

const rows: [edge: string, Parameters<typeof kernelOf>[0], Partial<CompileOptions>, string][] = [
  ['4 bits are half the bytes, but slower', fourBits, {}, dense],
  ['a budget forces them', fourBits, tight, packed],
  ['size takes them', fourBits, { optimize: 'size' }, packed],
  ['speed does not', fourBits, { optimize: 'speed' }, dense],
  ['but where a budget forces it', fourBits, { optimize: 'speed', ...tight }, packed],
  ['16 values anywhere are 4 bits', sixteenValues, tight, packed],
  ['all values: nothing to gain', any, { optimize: 'size' }, dense],
  ['few weights are faster than all', oneOfTwenty, {}, packed],
  ['half of the bytes for nine times the time', peaked, { optimize: 'size' }, coded],
  ['an eighth for that is too little', bellShaped, { optimize: 'size' }, dense],
  ['but where a budget forces it', bellShaped, { maxFlash: (24 + 62) * 1024 }, coded],
];

const cortexM0plus = ['mul32', 'thumb1'] as const;
const sparseRows: typeof rows = [
  ['few weights are faster than all', oneOfTwenty, {}, sparse],
  ['more are a third of the bytes, but slower', oneOfFour, {}, lanes],
  ['a budget forces them', oneOfFour, { maxFlash: (24 + 60) * 1024 }, sparse],
];

describe('plan: sparse weights', () => {
  for (const [edge, weight, options, kernel] of sparseRows) {
    it(`${edge}: ${kernel}`, () => {
      expect(kernelOf(weight, options, cortexM0plus)).to.equal(kernel);
    });
  }
});

describe('plan: what dense kernels would take', () => {
  it('is what they take where all are dense, in the RAM that is left then', () => {
    const random = new Random(1);
    const b = new GraphBuilder();
    const attrs = { activation: 'none', rounding: 'double' };
    const layer = (x: number) => {
      const data = Int8Array.from({ length: 256 * 256 }, () => oneOfTwenty(random));
      const weights = b.constant(data, [256, 256], perTensorQuant(0.02, 0));
      return b.node('fully_connected', [x, weights, null], attrs);
    };
    const module = b.module([layer(layer(layer(layer(b.input([1, 256])))))]);
    const plan = (options: Partial<CompileOptions>) => {
      const facts = analyse(mainGraph(module));
      return makePlan(module, facts, loadTarget('rp2040'), { ...defaults, ...options }).steps;
    };
    const chosen = plan({});
    const kernels = Object.fromEntries(chosen.map((step) => [step.name, step.dense?.kernel ?? '']));
    const dense = plan({ kernels });
    expect(chosen.map(({ kernel }) => kernel)).to.deep.equal([sparse, sparse, sparse, sparse]);
    expect(chosen.map((step) => step.dense)).to.deep.equal(
      dense.map(({ alternatives }) => alternatives[0]),
    );
    const regions = new Set(dense.flatMap((step) => step.regions));
    expect([...regions].sort(), 'RAM does not hold them').to.deep.equal(['flash', 'sram']);
  });
});

describe('plan: packed weights', () => {
  for (const [edge, weight, options, kernel] of rows) {
    it(`${edge}: ${kernel}`, () => {
      expect(kernelOf(weight, options)).to.equal(kernel);
    });
  }
});
