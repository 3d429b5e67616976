/** Kernels that skip zeros or pack weights are slower or smaller than others: when they are taken. */
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import type { CodeSizes, Feature, TargetTraits } from '../../src/compiler/ir/op.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { defaults } from '../support/plan.js';

type Draw = (random: Random) => number;

/** Fully connected layers on one row, one after the other. */
function layersOf(
  ...layers: readonly { readonly outputs?: number; readonly inputs?: number; readonly draw: Draw }[]
): Module {
  const random = new Random(1);
  const b = new GraphBuilder();
  const attrs = { activation: 'none', rounding: 'double' };
  const output = layers.reduce(
    (input, { outputs = 256, inputs = 256, draw }) => {
      const data = Int8Array.from({ length: outputs * inputs }, () => draw(random));
      const weights = b.constant(data, [outputs, inputs], perTensorQuant(0.02, 0));
      return b.node('fully_connected', [input, weights, null], attrs);
    },
    b.input([1, layers[0]?.inputs ?? 256]),
  );
  return b.module([output]);
}

function planOf(
  module: Module,
  options: Partial<CompileOptions>,
  features: readonly Feature[] = [],
) {
  const facts = analyse(mainGraph(module));
  const core = { ...target, features: new Set(features) };
  return makePlan(module, facts, core, { ...defaults, ...options }).plan.steps;
}

/** What computes a fully connected layer, 256 to 256: 64 KB of weights. */
function kernelOf(draw: Draw, options: Partial<CompileOptions>, features?: readonly Feature[]) {
  return planOf(layersOf({ draw }), options, features)[0]?.kernel;
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

/** 7.9 bits each in a code. */
const nearlyAny = (random: Random) => random.integer(-120, 120);

const dense = 'portable/fully_connected';
const packed = 'portable/conv2d_packed';
const coded = 'portable/conv2d_coded';
const pairs = 'portable/fully_connected_coded';
const lanes = 'swar/conv2d';
const sparse = 'swar/sparse_fully_connected';
const codeBytes = { runtimeBytes: 6000, stepBytes: 50, kernelBytes: 640 };
const sizes: CodeSizes = {
  runtimeBytes: codeBytes.runtimeBytes,
  stepBytes: codeBytes.stepBytes,
  kernels: {
    ...Object.fromEntries([dense, packed, coded].map((name) => [name, codeBytes.kernelBytes])),
    [pairs]: codeBytes.kernelBytes + 1024,
  },
};
const target: Omit<TargetTraits, 'features'> = {
  name: 'test',
  costs: {},
  costUnit: 'cycles',
  code: { speed: sizes, balanced: sizes, size: sizes },
  flashBytes: null,
  ramBytes: null,
};

/** A budget that leaves so many KB to the constants of steps with so many kernels. */
const within = (kilobytes: number, { steps = 1, kernels = 1 } = {}) => ({
  maxFlash:
    codeBytes.runtimeBytes +
    steps * codeBytes.stepBytes +
    kernels * codeBytes.kernelBytes +
    kilobytes * 1024,
});
const tight = within(45);

const rows: [edge: string, Draw, Partial<CompileOptions>, kernel: string][] = [
  ['4 bits are half the bytes, but slower', fourBits, {}, dense],
  ['a budget forces them', fourBits, within(36), packed],
  ['with a little more a code is faster', fourBits, tight, pairs],
  ['size takes them', fourBits, { optimize: 'size' }, packed],
  ['speed does not', fourBits, { optimize: 'speed' }, dense],
  ['but where a budget forces it', fourBits, { optimize: 'speed', ...within(36) }, packed],
  ['16 values anywhere are 4 bits', sixteenValues, tight, packed],
  ['all values: nothing to gain', any, { optimize: 'size' }, dense],
  ['few weights are faster than all', oneOfTwenty, {}, packed],
  ['half of the bytes for nine times the time', peaked, { optimize: 'size' }, coded],
  ['a hundredth for that is too little', nearlyAny, { optimize: 'size' }, dense],
  ['so is an eighth, for balanced', bellShaped, {}, dense],
  ['but not where a budget forces it', bellShaped, within(62), coded],
];

const row = 'thumb1/row';
const portableCore = ['mul32', 'swar'] as const;
const cortexM0plus = [...portableCore, 'thumb1'] as const;
const sparseRows: [...(typeof rows)[number], features: readonly Feature[]][] = [
  ['few weights are faster than all', oneOfTwenty, {}, sparse, portableCore],
  ['more are a third of the bytes, but slower', oneOfFour, {}, lanes, portableCore],
  ['a budget forces them', oneOfFour, within(60), sparse, portableCore],
  ['few weights are faster as code', oneOfTwenty, {}, row, cortexM0plus],
  ['so are more', oneOfFour, {}, row, cortexM0plus],
  ['which takes more bytes than a budget may have', oneOfFour, within(60), sparse, cortexM0plus],
];

describe('plan: sparse weights', () => {
  for (const [edge, draw, options, kernel, features] of sparseRows) {
    it(`${edge}: ${kernel}`, () => {
      expect(kernelOf(draw, options, features)).to.equal(kernel);
    });
  }
});

describe('plan: what dense kernels would take', () => {
  it('is the time of dense kernels in the RAM that is left for them', () => {
    const layer = { draw: oneOfTwenty };
    const module = layersOf(layer, layer, layer, layer);
    const plan = (options: Partial<CompileOptions>) => {
      const facts = analyse(mainGraph(module));
      return makePlan(module, facts, loadTarget('rp2040'), { ...defaults, ...options }).plan.steps;
    };
    // Dense kernels alone would be slower than an interpreter, and get more RAM.
    const chosen = plan({ sramCopies: 'half' });
    const kernels = chosen.map((step) => [step.name, step.dense?.kernel ?? ''] as const);
    const dense = plan({ sramCopies: 'half', kernels });
    // By the weights of each layer, code is a little better or not.
    expect(chosen.map(({ kernel }) => kernel)).to.deep.equal([row, sparse, row, sparse]);
    expect(chosen.map((step) => step.dense)).to.deep.equal(
      dense.map(({ alternatives }) => alternatives[0]),
    );
    const regions = new Set(dense.flatMap((step) => step.regions));
    expect([...regions].sort(), 'RAM does not hold them').to.deep.equal(['flash', 'sram']);
  });
});

describe('plan: the code of kernels', () => {
  const rows: [edge: string, channels: number, kernel: string][] = [
    ['half a KB less of weights is less than it', 16, dense],
    ['eight KB are more', 256, packed],
  ];
  for (const [edge, channels, kernel] of rows) {
    it(`${edge}: ${kernel}`, () => {
      const module = layersOf(
        { outputs: 64, draw: any },
        { outputs: channels, inputs: 64, draw: fourBits },
      );
      const steps = planOf(module, { optimize: 'size' });
      expect(steps.map((step) => step.kernel)).to.deep.equal([dense, kernel]);
    });
  }
});

describe('plan: steps with the same to gain', () => {
  it('get different kernels where the budget is not enough for all', () => {
    const layer = { draw: fourBits };
    const module = layersOf(layer, layer, layer, layer);
    const budget = within(210, { steps: 4, kernels: 2 });
    const kernels = planOf(module, { optimize: 'speed', ...budget }).map(({ kernel }) => kernel);
    expect(kernels.filter((kernel) => kernel === dense)).to.have.length(2);
    expect(kernels.filter((kernel) => kernel === pairs)).to.have.length(2);
  });
});

describe('plan: packed weights', () => {
  for (const [edge, draw, options, kernel] of rows) {
    it(`${edge}: ${kernel}`, () => {
      expect(kernelOf(draw, options)).to.equal(kernel);
    });
  }
});
