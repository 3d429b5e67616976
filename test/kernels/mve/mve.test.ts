/** Kernels for Helium: in C on this machine, and as vectors on a simulated Cortex-M55. */
import { expect } from 'chai';
import { qemuCommand } from '../../../src/boards/device/qemu.js';
import { packageTemplates } from '../../../src/boards/project/templates.js';
import { emitProgram } from '../../../src/compiler/codegen/program.js';
import { type Attrs, type Module, mainGraph, type Quant } from '../../../src/compiler/ir/graph.js';
import type { Facts } from '../../../src/compiler/ir/op.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits, firstDifference, runProgram } from '../../support/native.js';
import { randomAccumulation, randomPool, randomWindow } from '../../support/operands.js';
import { noFacts, simplePlan } from '../../support/plan.js';
import { fused, randomSum } from '../../support/residual.js';
import { needs } from '../../support/skip.js';

const target = 'mps3-an547';

type Optimize = 'speed' | 'balanced';

interface Layer {
  readonly op: 'conv2d' | 'depthwise_conv2d' | 'fully_connected';
  readonly input: readonly number[];
  /** Height and width of the window. */
  readonly kernel: readonly [number, number];
  readonly outC: number;
  readonly attrs?: Attrs;
  readonly quants?: readonly [input: Quant, output: Quant];
  readonly weightScales?: (channel: number) => number;
  readonly weight?: (random: Random) => number;
  readonly bias?: number;
}

const window = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
  ...{ activation: 'none', rounding: 'double' },
};
const padded = { ...window, padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };

function moduleOf(layer: Layer, random: Random, name = ''): Module {
  const { op, input, outC, attrs = window, bias = 3000 } = layer;
  const [inQuant, outQuant] = layer.quants ?? [perTensorQuant(0.02, -5), perTensorQuant(0.1, 3)];
  const inC = input.at(-1) ?? 1;
  const isDepthwise = op === 'depthwise_conv2d';
  const shape = {
    conv2d: [outC, ...layer.kernel, inC],
    depthwise_conv2d: [1, ...layer.kernel, outC],
    fully_connected: [outC, inC],
  }[op];
  const scaleOf = layer.weightScales ?? (() => random.integer(10, 100) / 10000);
  const scales = Array.from({ length: outC }, (_, channel) => scaleOf(channel));
  const weight = layer.weight ?? (() => random.integer(-127, 127));
  const count = shape.reduce((product, extent) => product * extent, 1);
  const b = new GraphBuilder();
  const weights = b.constant(
    Int8Array.from({ length: count }, () => weight(random)),
    shape,
    perChannelQuant(scales, isDepthwise ? 3 : 0),
  );
  const all = isDepthwise ? { depthMultiplier: outC / inC, ...attrs } : attrs;
  const operands = [b.input(input, inQuant), weights, b.constant(random.int32(outC, -bias, bias))];
  return b.module([b.node(op, operands, all, { quant: outQuant, name })]);
}

/** Any window, any channels; weights of all kinds, now and then with two −128 side by side. */
function randomLayer(op: Layer['op'], seed: number, mostOutputs = 23): Module {
  const random = new Random(seed);
  const { input, output, attrs } = randomAccumulation(random);
  const inC = random.integer(1, 37);
  const image = [random.integer(1, 2), random.integer(1, 9), random.integer(1, 19), inC];
  const any = randomWindow(random, image);
  const form = random.pick(['any', '3x3', 'pointwise'] as const);
  const forms = {
    any: { kernel: [any.kernelH, any.kernelW], attrs: any.attrs },
    '3x3': { kernel: [3, 3], attrs: { ...padded, padBottom: 2, padRight: 2 } },
    pointwise: { kernel: [1, 1], attrs: window },
  } as const;
  const lowest = seed % 5 === 0 ? -128 : -127;
  return moduleOf(
    {
      op,
      input: op === 'fully_connected' ? [random.integer(1, 3), random.integer(1, 90)] : image,
      kernel: forms[form].kernel as [number, number],
      outC:
        op === 'depthwise_conv2d' ? inC * (seed % 3 === 0 ? 3 : 1) : random.integer(1, mostOutputs),
      attrs: { ...forms[form].attrs, ...attrs },
      quants: [input, output],
      weight: random.pick([
        (r: Random) => r.integer(lowest, 127),
        (r: Random) => r.pick([lowest, 127, 1, -1, 0]),
      ]),
    },
    random,
    `${form}, seed ${seed}`,
  );
}

/** What random layers seldom are. */
const edges: readonly (Layer & { readonly edge: string; readonly by: string })[] = [
  ...[1, 3, 4, 5, 15, 16, 17].map((inC) => ({
    ...{ edge: `${inC} channels in, as many rows out of vectors`, by: 'mve/conv2d' },
    ...{ op: 'conv2d' as const, input: [1, 1, 5, inC], kernel: [1, 1] as [number, number] },
    outC: (inC % 5) + 1,
  })),
  {
    ...{ edge: 'one row, stride 2: not a row of pixels', by: 'mve/conv2d', op: 'conv2d' },
    ...{ input: [1, 1, 9, 5], kernel: [1, 1], outC: 3, attrs: { ...window, strideW: 2 } },
  },
  {
    ...{ edge: 'two tiles, the last of one pixel', by: 'mve/conv2d', op: 'conv2d' },
    ...{ input: [1, 4, 9, 3], kernel: [3, 3], outC: 6, attrs: padded },
  },
  {
    ...{ edge: 'columns that lie apart', by: 'mve/conv2d', op: 'conv2d' },
    ...{ input: [1, 9, 12, 4], kernel: [3, 3], outC: 5 },
    attrs: { ...padded, dilationH: 2, dilationW: 3, padLeft: 3, padRight: 3 },
  },
  {
    ...{ edge: 'one channel in, many out', by: 'mve/conv2d', op: 'depthwise_conv2d' },
    ...{ input: [1, 12, 8, 1], kernel: [10, 4], outC: 7, attrs: { ...padded, strideH: 2 } },
  },
  ...[1, 7, 8, 9, 24].map((channels) => ({
    ...{ edge: `depthwise, ${channels} channels`, by: 'mve/depthwise_conv2d' },
    ...{ op: 'depthwise_conv2d' as const, input: [2, 5, 6, channels], outC: channels },
    ...{ kernel: [3, 3] as [number, number], attrs: padded },
  })),
  ...[
    [1, 5],
    [2, 2],
    [4, 4],
    [5, 3],
    [3, 1],
  ].map(([channels = 1, multiplier = 1]) => ({
    ...{ edge: `${channels} channels times ${multiplier}`, by: 'mve/depthwise_conv2d' },
    ...{ op: 'depthwise_conv2d' as const, input: [2, 5, 6, channels] },
    ...{ outC: channels * multiplier, attrs: padded },
    kernel: [3, channels === 5 ? 5 : 3] as [number, number],
  })),
  {
    ...{ edge: 'more rows of taps than most have', by: 'mve/depthwise_conv2d' },
    ...{ op: 'depthwise_conv2d', input: [1, 23, 2, 9], outC: 9, kernel: [21, 1] },
    attrs: { ...padded, padTop: 10, padBottom: 10, padLeft: 0, padRight: 0 },
  },
  ...(
    [
      [5, 5],
      [2, 2],
      [9, 1],
      [1, 9],
      [7, 7],
    ] as const
  ).map(([h, w]) => ({
    ...{ edge: `depthwise ${h}x${w}`, by: 'mve/depthwise_conv2d' },
    ...{ op: 'depthwise_conv2d' as const, input: [1, 11, 10, 9], outC: 9, kernel: [h, w] as const },
    attrs: { ...padded, padTop: h >> 1, padBottom: h >> 1, padLeft: w >> 1, padRight: w >> 1 },
  })),
  {
    ...{ edge: 'depthwise, dilated', by: 'mve/depthwise_conv2d', op: 'depthwise_conv2d' },
    ...{ input: [1, 9, 9, 10], kernel: [3, 3], outC: 10 },
    attrs: { ...padded, dilationH: 2, dilationW: 3, padTop: 2, padLeft: 3 },
  },
  ...(['double', 'single', 'float'] as const).flatMap((rounding) =>
    (['none', 'relu'] as const).map((activation) => ({
      ...{ edge: `ties, ${rounding} rounding, ${activation}`, by: 'mve/conv2d' },
      ...{ op: 'conv2d' as const, input: [1, 6, 7, 2], kernel: [2, 2] as const, outC: 8 },
      attrs: { ...window, rounding, activation },
      quants: [perTensorQuant(1, 0), perTensorQuant(1, 0)] as const,
      // Shifts by 1, 2, 3 … with multipliers of one bit: every other sum, every fourth, is a tie.
      weightScales: (channel: number) => 2 ** -((channel % 4) + 1),
      weight: (random: Random) => random.integer(-1, 1),
      bias: 40,
    })),
  ),
  ...(['double', 'single'] as const).map((rounding) => ({
    ...{ edge: `sums that are shifted left, ${rounding} rounding`, by: 'mve/conv2d' },
    ...{ op: 'conv2d' as const, input: [1, 4, 4, 3], kernel: [1, 1] as const, outC: 6 },
    attrs: { ...window, rounding },
    quants: [perTensorQuant(1, 2), perTensorQuant(1, -3)] as const,
    weightScales: (channel: number) => 2 ** (channel - 3),
    weight: (random: Random) => random.integer(-3, 3),
    bias: 4,
  })),
  ...[1, 3, 16, 17].map((inC) => ({
    ...{ edge: `pixels of ${inC} channels, in place`, by: 'mve/conv2d_pixels' },
    ...{ op: 'conv2d' as const, input: [2, 3, 3, inC], kernel: [1, 1] as const },
    outC: (inC % 3) + 1,
  })),
  ...[1, 4, 5, 7].map((width) => ({
    ...{ edge: `rows of ${width} outputs, four at a time`, by: 'mve/conv2d_pixels' },
    ...{ op: 'conv2d' as const, input: [2, 4, width, 5], kernel: [3, 3] as const, outC: 2 },
    attrs: padded,
  })),
  {
    ...{ edge: 'rows of a window of two vectors, stride 2', by: 'mve/conv2d_pixels' },
    ...{ op: 'conv2d', input: [1, 7, 9, 11], kernel: [2, 3], outC: 3 },
    attrs: { ...padded, strideH: 2, strideW: 2 },
  },
  {
    ...{ edge: 'strides beyond the window', by: 'mve/conv2d_pixels', op: 'depthwise_conv2d' },
    ...{
      input: [2, 9, 9, 3],
      kernel: [2, 2],
      outC: 3,
      attrs: { ...window, strideH: 3, strideW: 4 },
    },
  },
  {
    ...{ edge: 'a window that padding covers', by: 'mve/conv2d_pixels', op: 'depthwise_conv2d' },
    ...{ input: [1, 2, 2, 3], kernel: [2, 2], outC: 3 },
    attrs: { ...window, padTop: 2, padBottom: 2, padLeft: 3, padRight: 2 },
  },
  ...(
    [
      [1, 1, 3, 3],
      [3, 1, 2, 2],
      [3, 2, 5, 5],
      [9, 1, 1, 21],
      [4, 3, 9, 1],
      [17, 1, 3, 3],
    ] as const
  ).map(([channels, multiplier, h, w]) => ({
    ...{ edge: `${channels} planes times ${multiplier}, ${h}x${w}`, by: 'mve/conv2d_pixels' },
    ...{ op: 'depthwise_conv2d' as const, input: [2, 11, 10, channels], kernel: [h, w] as const },
    outC: channels * multiplier,
    attrs: { ...padded, padTop: h >> 1, padBottom: h >> 1, padLeft: w >> 1, padRight: w >> 1 },
  })),
  ...(
    [
      [3, 4, 5, 5, 1],
      [2, 9, 3, 3, 2],
      [5, 2, 7, 7, 1],
      [3, 3, 1, 9, 1],
      [2, 5, 20, 1, 1],
    ] as const
  ).map(([channels, multiplier, h, w, stride]) => ({
    ...{ edge: `${channels} channels times ${multiplier}, ${h}x${w}, stride ${stride}` },
    ...{ by: 'mve/depthwise_conv2d_filters', op: 'depthwise_conv2d' as const },
    ...{ input: [2, 21, 11, channels], kernel: [h, w] as const, outC: channels * multiplier },
    attrs: {
      ...{ ...window, strideH: stride, strideW: stride },
      ...{ padTop: h >> 1, padBottom: h >> 1, padLeft: w >> 1, padRight: w >> 1 },
    },
  })),
  {
    ...{ edge: 'a column of taps of one channel, above and below the image', by: 'mve/conv2d' },
    ...{ op: 'conv2d', input: [2, 9, 5, 1], kernel: [20, 2], outC: 5 },
    attrs: { ...padded, padTop: 10, padBottom: 10 },
  },
  {
    ...{ edge: 'a row of taps of three channels, joined', by: 'mve/conv2d' },
    ...{ op: 'conv2d', input: [2, 3, 19, 3], kernel: [1, 6], outC: 5 },
    attrs: { ...window, padLeft: 3, padRight: 2 },
  },
  {
    ...{ edge: 'depth of five vectors and a bit', by: 'mve/fully_connected' },
    ...{ op: 'fully_connected', input: [2, 83], kernel: [1, 1], outC: 7 },
  },
];

interface Row {
  readonly op: Layer['op'];
  readonly kernel: string;
  /** Of the layers, at least so many are computed by the kernel. */
  readonly share: number;
  readonly mostOutputs?: number;
}

const kernels: readonly Row[] = [
  { op: 'conv2d', kernel: 'mve/conv2d', share: 0.9 },
  { op: 'conv2d', kernel: 'mve/conv2d_pixels', share: 0.7, mostOutputs: 3 },
  { op: 'depthwise_conv2d', kernel: 'mve/conv2d_pixels', share: 0.7 },
  { op: 'depthwise_conv2d', kernel: 'mve/depthwise_conv2d', share: 0.5 },
  { op: 'depthwise_conv2d', kernel: 'mve/depthwise_conv2d_filters', share: 0.1 },
  { op: 'fully_connected', kernel: 'mve/fully_connected', share: 0.9 },
];
const seeds = Array.from({ length: 12 }, (_, i) => i + 1);

function pools(op: 'average_pool2d' | 'max_pool2d'): Module[] {
  return [...seeds, ...seeds.map((seed) => 100 + seed)].map((seed) => {
    const random = new Random(seed);
    const { inputs, attrs = {} } = randomPool(random);
    const [image] = inputs;
    const [n = 1, h = 1, w = 1] = image?.shape ?? [];
    const b = new GraphBuilder();
    // Outputs of few channels share a vector.
    const channels = seed > 100 ? random.integer(1, 8) : random.integer(1, 35);
    const x = b.input([n, h, w, channels], image?.quant);
    return b.module([b.node(op, [x], attrs, { name: `seed ${seed}` })]);
  });
}

/** Operands that repeat along the last dimension, the others or none; a constant now and then. */
const operandShapes: readonly (readonly [edge: string, a: number[], b: number[]])[] = [
  ['alike', [1, 3, 5, 7], [1, 3, 5, 7]],
  ['one element of b', [2, 3, 5], [1]],
  ['one element of a', [1], [2, 3, 5]],
  ['a vector of channels', [1, 4, 3, 6], [6]],
  ['one element of b a pixel', [1, 4, 3, 9], [1, 4, 3, 1]],
  ['one element of a a pixel', [1, 4, 3, 1], [1, 4, 3, 9]],
  ['both repeat', [1, 1, 7, 5], [1, 4, 1, 5]],
  ['both repeat, along all dimensions', [3, 1, 5, 1], [1, 4, 1, 2]],
  ['one element', [1, 1], [1, 1]],
];

function binaries(op: 'add' | 'sub' | 'mul'): Module[] {
  return operandShapes.flatMap(([edge, a, b], row) =>
    [0, 1, 2, 3].map((turn) => {
      const random = new Random(10 * row + turn);
      const builder = new GraphBuilder();
      // Alike scales: the larger operand of a sum is multiplied by 1/2, without a shift.
      const scaleOf = () => (turn === 0 ? 0.25 : random.integer(20, 300) / 1000);
      const quant = () => perTensorQuant(scaleOf(), random.integer(-128, 127));
      const count = b.reduce((product, extent) => product * extent, 1);
      const x = builder.input(a, quant());
      const y =
        turn === 1 ? builder.constant(random.int8(count), b, quant()) : builder.input(b, quant());
      const activation = turn === 2 ? 'relu' : 'none';
      const attrs = { activation };
      const name = `${edge}, ${turn}`;
      return builder.module([builder.node(op, [x, y], attrs, { quant: quant(), name })]);
    }),
  );
}

describe('kernels for Helium', () => {
  const onBoard = async (modules: readonly Module[], kernel: string, optimize: Optimize) => {
    const used = await expectSameBitsOnBoard(modules, target, { kernel, optimize, overlap: true });
    return used.filter((other) => other === kernel).length / used.length;
  };

  const edgesOf = (op: Layer['op'], kernel: string) =>
    edges
      .filter((edge) => edge.by === kernel && (edge.op === op || kernel === 'mve/conv2d'))
      .map((layer, i) => moduleOf(layer, new Random(i), layer.edge));
  for (const { op, kernel, share, mostOutputs } of kernels) {
    const layers = () => [
      ...seeds.map((seed) => randomLayer(op, seed, mostOutputs)),
      ...edgesOf(op, kernel),
    ];
    it(`${kernel}, ${op}, in C`, () => expectSameBits(layers(), { kernel, overlap: true }));
    it(`${kernel}, ${op}, on a simulated Cortex-M55`, async function () {
      needs(this, qemuCommand);
      expect(await onBoard(layers(), kernel, 'balanced')).to.be.greaterThan(share);
    });
    it(`${kernel}, ${op}, with a function for each shape, on a simulated Cortex-M55`, async function () {
      needs(this, qemuCommand);
      expect(await onBoard(edgesOf(op, kernel), kernel, 'speed')).to.be.greaterThan(share);
    });
  }

  for (const op of ['average_pool2d', 'max_pool2d'] as const) {
    it(`mve/${op}, in C`, () => expectSameBits(pools(op), { kernel: `mve/${op}`, overlap: true }));
    it(`mve/${op}, on a simulated Cortex-M55`, async function () {
      needs(this, qemuCommand);
      expect(await onBoard(pools(op), `mve/${op}`, 'balanced')).to.equal(1);
    });
  }

  it('mve/add_table, on a simulated Cortex-M55', async function () {
    needs(this, qemuCommand);
    const sums = seeds.map((seed) => {
      const random = new Random(seed);
      const b = new GraphBuilder();
      const quant = () => perTensorQuant(2 ** random.integer(-3, 0), random.integer(-128, 127));
      const shape = [1, random.integer(1, 9), random.integer(1, 7)];
      const operands = [b.input(shape, quant()), b.input(shape, quant())];
      const op = random.pick(['add', 'sub']);
      const attrs = { activation: 'none' };
      return b.module([b.node(op, operands, attrs, { quant: quant(), name: `seed ${seed}` })]);
    });
    expect(await onBoard(sums, 'mve/add_table', 'balanced')).to.be.greaterThan(0.8);
  });

  const means = () =>
    [
      ...[[1], [2], [1, 2], [0], [0, 2], [1, 3]].map((axes) => ({ shape: [2, 5, 7, 9], axes })),
      { shape: [3, 4, 5, 6, 3], axes: [0, 2, 3] },
      { shape: [2, 3, 4, 5, 6], axes: [1, 3] },
    ].map(({ shape, axes }, i) => {
      const random = new Random(i);
      const b = new GraphBuilder();
      const x = b.input(shape, perTensorQuant(0.02, random.integer(-128, 127)));
      const attrs = { axes, keepDims: i % 2 === 0, algorithm: 'general' };
      const quant = perTensorQuant(0.015, random.integer(-128, 127));
      return b.module([b.node('mean', [x], attrs, { quant, name: `axes ${axes}` })]);
    });
  it('mve/mean, in C', () => expectSameBits(means(), { kernel: 'mve/mean', overlap: true }));
  it('mve/mean, on a simulated Cortex-M55', async function () {
    needs(this, qemuCommand);
    expect(await onBoard(means(), 'mve/mean', 'balanced')).to.be.greaterThan(0.7);
  });

  for (const op of ['add', 'sub', 'mul'] as const) {
    const kernel = op === 'mul' ? 'mve/mul' : 'mve/add';
    it(`${kernel}, ${op}, in C`, () => expectSameBits(binaries(op), { kernel, overlap: true }));
    it(`${kernel}, ${op}, on a simulated Cortex-M55`, async function () {
      needs(this, qemuCommand);
      expect(await onBoard(binaries(op), kernel, 'balanced')).to.be.greaterThan(0.8);
    });
  }

  for (const [op, kernel] of [
    ['conv2d', 'mve/conv2d'],
    ['fully_connected', 'mve/fully_connected'],
  ] as const) {
    it(`residual sums of ${kernel}, on a simulated Cortex-M55`, async function () {
      needs(this, qemuCommand);
      const sums = seeds.map((seed) => fused(randomSum(new Random(seed), op)));
      expect(await onBoard(sums, kernel, 'balanced')).to.be.greaterThan(0.5);
    });
  }
});

describe('two products in 16 bits', () => {
  const kernel = 'mve/depthwise_conv2d';
  /** Weights of one value everywhere, inputs at both ends: every pair's sum is at its bound. */
  const constant = (weight: number) =>
    moduleOf(
      {
        ...{ op: 'depthwise_conv2d', input: [1, 3, 4, 8], kernel: [2, 2], outC: 8 },
        ...{ weight: () => weight, bias: 0, weightScales: () => 0.001 },
      },
      new Random(1),
    );
  const planFor = (module: Module, facts: Facts) => simplePlan(module, { kernel, facts });
  const differs = async (module: Module, facts: Facts) => {
    const planned = planFor(module, facts);
    const { plan } = planned;
    expect(plan.steps[0]?.kernel).to.equal(kernel);
    const program = emitProgram(module, planned, packageTemplates());
    const vectors = [-128, 127].map((value) => [new Int8Array(96).fill(value)]);
    const traces = await runProgram(module.name, plan, program, vectors);
    return traces.some((trace, i) => firstDifference(module, vectors[i] ?? [], trace) !== null);
  };

  it('are exact where they just fit', async () => {
    expect(await differs(constant(-127), noFacts)).to.equal(false);
    expect(await differs(constant(127), noFacts)).to.equal(false);
  });

  it('are left to other kernels where they do not', () => {
    const [step] = planFor(constant(-128), noFacts).plan.steps;
    expect(step?.kernel).to.not.equal(kernel);
  });

  it('give other bits where the bounds of the input are wrong', async () => {
    const wrong: Facts = {
      ...noFacts,
      range: (tensor) => {
        const { min, max } = noFacts.range(tensor);
        return { min: min.map(() => -127), max };
      },
    };
    const module = constant(-128);
    expect(mainGraph(module).nodes.length).to.equal(1);
    expect(await differs(module, wrong)).to.equal(true);
  });
});
