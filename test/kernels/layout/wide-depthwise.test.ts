/** Depthwise layers of int16 by int8, and convolutions that are such: in C, on a simulated board, and where they apply. */
import { expect } from 'chai';
import { qemuCommand } from '../../../src/boards/device/qemu.js';
import { loadTarget } from '../../../src/boards/target/index.js';
import {
  type Attrs,
  elementCount,
  type Module,
  mainGraph,
  viewOf,
} from '../../../src/compiler/ir/graph.js';
import { matchesOf } from '../../../src/compiler/kernels/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { randomWindow } from '../../support/operands.js';
import { contextOf } from '../../support/plan.js';
import { needs } from '../../support/skip.js';

interface Layer {
  readonly edge: string;
  readonly input: readonly [n: number, h: number, w: number, c: number];
  readonly window: readonly [h: number, w: number];
  readonly attrs?: Attrs;
  /** Output channels of each input channel; of a convolution: all. */
  readonly times?: number;
  readonly op?: 'conv2d';
  readonly bias?: 'int32' | 'huge';
  /** Of the output, relative to the one that makes outputs as large as inputs. */
  readonly gain?: number;
  readonly weight?: number;
  readonly activation?: string;
}

const one = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
const unit = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
const none = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

const layers: readonly Layer[] = [
  {
    edge: '3×3, an odd number of rows and columns',
    input: [1, 7, 5, 3],
    window: [3, 3],
    attrs: one,
  },
  { edge: 'two images', input: [2, 4, 6, 5], window: [3, 3], attrs: one },
  { edge: 'one channel', input: [1, 6, 6, 1], window: [3, 3], attrs: one, times: 1 },
  {
    edge: 'stride 2',
    input: [1, 9, 8, 4],
    window: [3, 3],
    attrs: { ...one, strideH: 2, strideW: 2 },
  },
  {
    edge: 'dilation',
    input: [1, 9, 9, 3],
    window: [3, 3],
    attrs: { dilationH: 2, dilationW: 3, padTop: 2, padBottom: 2, padLeft: 3, padRight: 3 },
  },
  { edge: 'more taps than are unrolled', input: [1, 8, 8, 3], window: [5, 5] },
  { edge: 'one window', input: [1, 5, 1, 9], window: [5, 1] },
  { edge: 'three channels of each', input: [1, 5, 6, 4], window: [3, 3], attrs: one, times: 3 },
  // As one row, with all taps of a window in one.
  { edge: 'columns in pairs', input: [1, 9, 1, 6], window: [3, 1], attrs: { padTop: 1 } },
  { edge: 'a rectified output', input: [1, 6, 6, 3], window: [3, 3], activation: 'relu' },
  { edge: 'outputs beyond both bounds', input: [1, 6, 6, 3], window: [2, 2], gain: 8 },
  { edge: 'the largest weights', input: [1, 4, 4, 3], window: [4, 4], weight: -128 },
  {
    edge: 'a convolution of one channel',
    input: [1, 6, 6, 1],
    window: [3, 3],
    op: 'conv2d',
    times: 5,
  },
  {
    edge: 'a convolution to one channel',
    input: [1, 5, 6, 7],
    window: [3, 2],
    op: 'conv2d',
    times: 1,
  },
];

/** What thumb1 leaves to other kernels. */
const others: readonly Layer[] = [
  { edge: 'a window in padding', input: [1, 3, 3, 2], window: [1, 1], attrs: one },
  {
    edge: 'a bias of int32',
    input: [1, 6, 6, 1],
    window: [3, 3],
    op: 'conv2d',
    times: 5,
    bias: 'int32',
  },
  { edge: 'a shift below 17', input: [1, 6, 6, 3], window: [2, 2], gain: 200 },
  { edge: 'sums beyond 32 bits', input: [1, 6, 6, 3], window: [2, 2], bias: 'huge' },
  {
    edge: 'taps of several channels at a distance',
    input: [1, 6, 6, 7],
    window: [2, 2],
    attrs: { dilationW: 2 },
    op: 'conv2d',
  },
  { edge: 'more than 255 taps', input: [1, 16, 16, 2], window: [16, 16] },
];

function moduleOf(layer: Layer, seed: number): Module {
  const { edge, input, window, attrs, times = 1, op = 'depthwise_conv2d', bias, gain = 1 } = layer;
  const { activation = 'none' } = layer;
  const random = new Random(seed);
  const b = new GraphBuilder();
  const c = input[3];
  const isDepthwise = op === 'depthwise_conv2d';
  const outC = isDepthwise ? c * times : times;
  const shape = isDepthwise ? [1, ...window, outC] : [outC, ...window, c];
  const taps = elementCount(shape) / outC;
  const scales = Array.from({ length: outC }, () => random.integer(5, 30) / 1000);
  const data = random.int8(elementCount(shape)).map((w) => layer.weight ?? w);
  const weights = b.constant(data, shape, perChannelQuant(scales, isDepthwise ? 3 : 0));
  const biases = random.int32(outC, -(2 ** 24), 2 ** 24);
  const factor = bias === 'huge' ? 2n ** 12n : 9n;
  const wide = BigInt64Array.from(biases, (value) => BigInt(value) * factor);
  const x = b.input(input, perTensorQuant(2 ** -12, 0), undefined, 'int16');
  const all = { ...unit, ...none, ...(isDepthwise ? { depthMultiplier: times } : {}), ...attrs };
  const output = perTensorQuant((2 ** -12 * Math.sqrt(taps)) / gain, 0);
  const operands = [x, weights, b.constant(bias === 'int32' ? biases : wide)];
  const rounding = { activation, rounding: 'double' };
  return b.module([b.node(op, operands, { ...all, ...rounding }, { quant: output, name: edge })]);
}

function randomLayer(seed: number): Module {
  const random = new Random(seed);
  const input = [random.integer(1, 2), random.integer(1, 9), random.integer(1, 9)] as const;
  const { kernelH, kernelW, attrs } = randomWindow(random, [...input, 1]);
  const some = {
    input: [...input, random.integer(1, 6)] as const,
    window: [kernelH, kernelW] as const,
  };
  return moduleOf({ edge: `seed ${seed}`, ...some, attrs, times: random.integer(1, 3) }, seed);
}

interface Case {
  readonly kernel: string;
  /** The board on which it is run. */
  readonly target: string;
  readonly takes: readonly Layer[];
  readonly leaves: readonly Layer[];
}

const isOneToOne = ({ op, times = 1 }: Layer) => op === undefined && times === 1;
const isSmall = ({ bias }: Layer) => bias === undefined;

const cases: readonly Case[] = [
  { kernel: 'thumb1/depthwise_conv2d_16x8', target: 'rp2040', takes: layers, leaves: others },
  {
    ...{ kernel: 'mve/depthwise_conv2d_16x8', target: 'mps3-an547' },
    takes: [...layers, ...others].filter((layer) => isOneToOne(layer) && isSmall(layer)),
    leaves: [
      ...others.filter((layer) => isOneToOne(layer) && !isSmall(layer)),
      { edge: 'two channels of each', input: [1, 6, 6, 3], window: [3, 3], times: 2 },
    ],
  },
  {
    // A depthwise layer over one channel is a convolution.
    ...{ kernel: 'mve/conv2d_16x8', target: 'mps3-an547' },
    takes: [{ edge: 'one channel to five', input: [1, 6, 6, 1], window: [3, 3], times: 5 }],
    leaves: [{ edge: 'two channels', input: [1, 6, 6, 2], window: [3, 3] }],
  },
];

const matchesIn = (module: Module, kernel: string) => {
  const graph = mainGraph(module);
  const view = viewOf(graph, graph.nodes[0] as never);
  const context = contextOf({ target: 'host', options: { optimize: 'speed' } as never });
  return matchesOf(view, context, ({ template }) => template === kernel);
};

for (const { kernel, target, takes, leaves } of cases) {
  describe(kernel, () => {
    const random = Array.from({ length: 30 }, (_, i) => randomLayer(i + 1));
    const some = [
      ...takes.map(moduleOf),
      ...random.filter((module) => matchesIn(module, kernel).length > 0),
    ];

    for (const overlap of [false, true]) {
      it(`gives the bits of evaluate in C${overlap ? ', in the memory of its input' : ''}`, () =>
        expectSameBits(some, { kernel, overlap }));
    }

    it(`gives them on a simulated ${target}`, async function () {
      if (loadTarget(target).simulator === 'qemu') needs(this, qemuCommand);
      const used = await expectSameBitsOnBoard(some, target, { kernel, overlap: true });
      expect(new Set(used)).to.deep.equal(new Set([kernel]));
    });

    for (const layer of leaves) {
      it(`leaves to others: ${layer.edge}`, () => {
        expect(matchesIn(moduleOf(layer, 1), kernel)).to.deep.equal([]);
      });
    }
  });
}
