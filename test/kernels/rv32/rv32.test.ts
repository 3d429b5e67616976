/** Kernels for RV32IM: in C (twins of the routines) under sanitizers, and on the simulated ESP32-C3. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadTarget } from '../../../src/boards/target/index.js';
import { analyse } from '../../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../../src/compiler/ir/graph.js';
import type { XipModel } from '../../../src/compiler/plan/types.js';
import { compile } from '../../../src/pipeline.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { randomLayer } from '../../support/layers.js';
import { GraphBuilder, perChannelQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { randomAccumulation } from '../../support/operands.js';
import { type SimplePlanOptions, simplePlan } from '../../support/plan.js';
import { fused, randomSum } from '../../support/residual.js';
import {
  type Depthwise,
  dense,
  depthwiseLayer,
  pads,
  prunedRow,
  unit,
  wholeImages,
} from '../../support/rows.js';

const seeds = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const depthwise: readonly Depthwise[] = [
  { edge: 'kws', input: [1, 25, 5, 3], filter: [3, 3], window: { ...unit, ...pads(1, 1, 1, 1) } },
  {
    edge: 'stride 2, padding below and right only',
    input: [1, 8, 8, 2],
    filter: [3, 3],
    window: { ...unit, strideH: 2, strideW: 2, ...pads(0, 1, 0, 1) },
  },
  {
    edge: 'stride 3 shares no rows; two images',
    input: [2, 9, 9, 2],
    filter: [3, 3],
    window: { ...unit, strideH: 3, ...pads(1, 1, 1, 1) },
  },
  {
    edge: 'one row of output',
    input: [1, 3, 4, 2],
    filter: [3, 3],
    window: { ...unit, ...pads(0, 0, 0, 0) },
  },
  {
    edge: 'dilated, two outputs for each channel',
    input: [1, 9, 8, 3],
    filter: [3, 2],
    window: { ...unit, dilationH: 2, dilationW: 3, ...pads(2, 2, 3, 0) },
    multiplier: 2,
  },
  {
    edge: '1×1, stride 1',
    input: [1, 7, 6, 2],
    filter: [1, 1],
    window: { ...unit, strideH: 1, ...pads(0, 0, 0, 0) },
  },
  {
    edge: '1×2, stride 1',
    input: [1, 7, 6, 2],
    filter: [1, 2],
    window: { ...unit, strideH: 1, ...pads(0, 0, 0, 1) },
  },
  {
    edge: '1×3, stride 1',
    input: [1, 7, 6, 2],
    filter: [1, 3],
    window: { ...unit, strideH: 1, ...pads(0, 0, 0, 1) },
  },
  {
    edge: '2×1, stride 1',
    input: [1, 7, 6, 2],
    filter: [2, 1],
    window: { ...unit, strideH: 1, ...pads(1, 0, 0, 0) },
  },
  {
    edge: '2×2, stride 1',
    input: [1, 7, 6, 2],
    filter: [2, 2],
    window: { ...unit, strideH: 1, ...pads(1, 0, 0, 1) },
  },
  {
    edge: '2×3, stride 2',
    input: [1, 7, 6, 2],
    filter: [2, 3],
    window: { ...unit, strideH: 2, ...pads(1, 0, 0, 1) },
  },
  {
    edge: '3×1, stride 1',
    input: [1, 7, 6, 2],
    filter: [3, 1],
    window: { ...unit, strideH: 1, ...pads(1, 0, 0, 0) },
  },
  {
    edge: '3×2, stride 2',
    input: [1, 7, 6, 2],
    filter: [3, 2],
    window: { ...unit, strideH: 2, ...pads(1, 0, 0, 1) },
  },
  {
    edge: '2×2, stride 2 both ways, two outputs for each channel',
    input: [2, 7, 6, 3],
    filter: [2, 2],
    window: { ...unit, strideH: 2, strideW: 2, ...pads(0, 1, 0, 0) },
    multiplier: 2,
  },
  {
    edge: '1×3, stride 2, dilated where there is one row',
    input: [1, 7, 6, 2],
    filter: [1, 3],
    window: { ...unit, strideH: 2, dilationH: 3, ...pads(0, 0, 1, 1) },
  },
  {
    edge: 'a column of five, rows and columns exchanged, lines down the image',
    input: [2, 11, 3, 3],
    filter: [5, 1],
    window: { ...unit, ...pads(2, 2, 0, 0) },
  },
  {
    edge: 'a row of five, lines across the image',
    input: [1, 3, 11, 3],
    filter: [1, 5],
    window: { ...unit, strideW: 2, ...pads(0, 0, 1, 3) },
  },
  {
    edge: 'higher than wide, dilated down, strides of both kinds, two outputs for each channel',
    input: [2, 14, 9, 3],
    filter: [5, 2],
    window: { ...unit, strideH: 2, strideW: 3, dilationH: 2, ...pads(1, 3, 0, 1) },
    multiplier: 2,
  },
  {
    edge: 'more padding than image',
    input: [1, 2, 2, 3],
    filter: [5, 5],
    window: { ...unit, ...pads(2, 2, 2, 2) },
  },
];

/** A convolution from one channel to several: 3×3 at stride 2, or a column of five at stride 1. */
function ofOneChannel(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input, output, attrs } = randomAccumulation(random);
  const outC = random.integer(1, 5);
  const [kernelH, kernelW, stride] = seed % 2 === 0 ? [3, 3, 2] : [5, 1, 1];
  const weights = b.constant(
    random.int8(outC * kernelH * kernelW, -128),
    [outC, kernelH, kernelW, 1],
    perChannelQuant([random.integer(1, 400) / 10000], 0),
  );
  const bias = b.constant(random.int32(outC, -30000, 30000));
  const x = b.input([random.integer(1, 2), 9, 8, 1], input);
  const window = { ...unit, strideH: stride, strideW: stride, ...pads(1, 1, kernelW >> 1, 0) };
  return b.module([
    b.node('conv2d', [x, weights, bias], { ...window, ...attrs }, { quant: output }),
  ]);
}

/** Nonzero weights far apart, a fifth, or so many and large that sums take several runs; a channel of zeros. */
function pruned(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input, output, attrs } = randomAccumulation(random);
  const [h, w, outC] = [random.integer(1, 5), random.integer(3, 6), random.integer(2, 6)];
  const shape = seed % 2 === 0 ? [outC, 3, 3, 60] : [outC, 1, 1, 540];
  const every = [300, 5, 1][seed % 3] as number;
  const kept = () => random.pick([-128, 127, random.integer(-20, 20)]);
  const weights = b.constant(
    Int8Array.from({ length: outC * 540 }, (_, i) =>
      i < 540 || random.integer(1, every) > 1 ? 0 : kept(),
    ),
    shape,
    perChannelQuant([random.integer(1, 400) / 10000], 0),
  );
  const bias = b.constant(random.int32(outC, -30000, 30000));
  const x = b.input([1, h, w, shape[3] as number], input);
  const window = { ...unit, ...(seed % 2 === 0 ? pads(1, 1, 1, 1) : pads(0, 0, 0, 0)) };
  const all = { ...window, ...attrs };
  return b.module([b.node('conv2d', [x, weights, bias], all, { quant: output })]);
}

/** Sums of 300 products of ±127, of channels that small scales make outputs of. */
function longSums(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input, output, attrs } = randomAccumulation(random);
  const weights = b.constant(
    Int8Array.from({ length: 7 * 300 }, () => random.pick([-127, 127, random.integer(-20, 20)])),
    [7, 1, 1, 300],
    perChannelQuant([random.integer(1, 40) / 1e5], 0),
  );
  const x = b.input([1, 2, 3, 300], input);
  const all = { ...unit, ...pads(0, 0, 0, 0), strideH: 1, ...attrs };
  return b.module([b.node('conv2d', [x, weights, null], all, { quant: output })]);
}

const rows: readonly [kernel: string, modules: () => readonly Module[]][] = [
  ['rv32/conv2d', () => seeds(16).map(randomLayer)],
  ['rv32/conv2d', () => seeds(6).map((seed) => fused(randomSum(new Random(seed), 'conv2d')))],
  // Long sums: some are scaled by three multiplications.
  ['rv32/conv2d', () => seeds(8).map(longSums)],
  ['rv32/conv2d_pixels', () => seeds(16).map(randomLayer)],
  [
    'rv32/conv2d_pixels',
    () => seeds(6).map((seed) => fused(randomSum(new Random(seed), 'conv2d'))),
  ],
  ['rv32/sparse_conv2d_pixels', () => seeds(16).map(randomLayer)],
  ['rv32/sparse_conv2d_pixels', () => seeds(18).map(pruned)],
  [
    'rv32/sparse_conv2d_pixels',
    () => seeds(6).map((seed) => fused(randomSum(new Random(seed), 'conv2d'))),
  ],
  ['rv32/depthwise_conv2d', () => [...depthwise, ...depthwise].map(depthwiseLayer)],
  ['rv32/depthwise_conv2d', () => seeds(12).map(ofOneChannel)],
  ['rv32/fully_connected', () => seeds(16).map(dense)],
  ['rv32/fully_connected_bytes', () => seeds(16).map(dense)],
  ['rv32/row', () => seeds(16).map(dense)],
  ['rv32/row', () => seeds(6).map(prunedRow)],
  ['rv32/row', () => wholeImages.map(depthwiseLayer)],
];

describe('kernels for RV32IM', function () {
  this.timeout(240_000);
  for (const [i, [kernel, modules]] of rows.entries()) {
    const options: SimplePlanOptions = { kernel, overlap: true };
    const expectMost = (kernels: readonly string[]) => {
      const those = kernels.filter((other) => other === kernel);
      expect(those.length / kernels.length).to.be.greaterThan(0.6);
    };

    it(`${kernel}, row ${i}: gives the bits of evaluate in C`, async () => {
      let kernels: readonly string[] = [];
      await expectSameBits(modules(), {
        plan: (module) => {
          const planned = simplePlan(module, { ...options, facts: analyse(mainGraph(module)) });
          kernels = planned.plan.steps.map(({ kernel }) => kernel);
          return planned;
        },
      });
      expectMost(kernels);
    });

    it(`${kernel}, row ${i}: gives them on the simulated ESP32-C3`, async () =>
      expectMost(await expectSameBitsOnBoard(modules(), 'esp32c3', options)));
  }
});

describe('constants of outputs on esp32c3', () => {
  const path = 'examples/activity/activity.tflite';
  const rows: readonly [xip: XipModel, region: string][] = [
    ['model', 'sram'],
    ['ideal', 'flash'],
  ];
  for (const [xip, region] of rows) {
    it(`lie where the weights do: ${region} with --xip ${xip}`, () => {
      const { emission } = compile({
        ...{ bytes: readFileSync(path), path, target: loadTarget('esp32c3') },
        options: {
          ...{ optimize: 'balanced', rounding: 'tflm', faithful: false, keepInput: false },
          xip,
        },
      });
      const stages = emission.manifest.tables.filter(({ symbol }) =>
        /conv2d_\d+_stage$/.test(symbol),
      );
      expect(stages).to.have.length.greaterThan(1);
      for (const stage of stages) expect(stage, stage.symbol).to.include({ region });
    });
  }
});
