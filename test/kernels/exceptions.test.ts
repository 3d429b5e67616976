/**
 * Layers of --rounding xnnpack in which some channels have no integer constants: float32 makes halves
 * of many of their accumulators, and those go to even, up and down in turn.
 */
import { expect } from 'chai';
import { type Attrs, type Module, mainGraph, viewOf } from '../../src/compiler/ir/graph.js';
import { matchesOf } from '../../src/compiler/kernels/index.js';
import type { KernelCall } from '../../src/compiler/kernels/variant.js';
import { expectSameBitsOnBoard } from '../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { tyingScale } from '../support/operands.js';
import { contextOf } from '../support/plan.js';

interface Row {
  readonly kernel: string;
  readonly op: 'conv2d' | 'depthwise_conv2d' | 'fully_connected';
  readonly input: readonly number[];
  readonly outC: number;
  /** Height and width of the window. */
  readonly window?: readonly [number, number];
  readonly attrs?: Attrs;
  /** Weights are 0, but for one in so many. */
  readonly oneIn?: number;
  readonly board: string;
}

const pads = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
const dw = { op: 'depthwise_conv2d', input: [1, 7, 6, 9], outC: 9, window: [3, 3] } as const;
const rows: readonly Row[] = [
  { kernel: 'swar/conv2d', op: 'conv2d', input: [1, 5, 5, 6], outC: 9, board: 'rp2040' },
  { kernel: 'swar/conv2d_pixels', op: 'conv2d', input: [1, 5, 5, 6], outC: 9, board: 'rp2040' },
  {
    ...{ kernel: 'swar/conv2d_pixels', op: 'conv2d', input: [1, 5, 5, 3], outC: 8 },
    ...{ window: [3, 3], attrs: pads, board: 'rp2040' },
  },
  {
    ...{ kernel: 'swar/sparse_fully_connected', op: 'fully_connected', input: [1, 90], outC: 19 },
    ...{ oneIn: 4, board: 'rp2040' },
  },
  {
    kernel: 'thumb1/fully_connected',
    op: 'fully_connected',
    input: [3, 40],
    outC: 4,
    board: 'rp2040',
  },
  { kernel: 'thumb1/conv2d', op: 'conv2d', input: [1, 5, 5, 6], outC: 9, board: 'rp2040' },
  {
    ...{ kernel: 'thumb1/conv2d', op: 'conv2d', input: [1, 5, 5, 3], outC: 8 },
    ...{ window: [3, 3], attrs: pads, board: 'rp2040' },
  },
  { ...dw, kernel: 'thumb1/depthwise_conv2d', attrs: pads, board: 'rp2040' },
  {
    ...{ ...dw, kernel: 'thumb1/depthwise_conv2d', outC: 18, attrs: pads },
    ...{ board: 'rp2040' },
  },
  { ...dw, kernel: 'thumb1/depthwise_conv2d_windows', attrs: pads, board: 'rp2040' },
  { ...dw, kernel: 'thumb1/depthwise_conv2d_windows', board: 'rp2040' },
  { kernel: 'rv32/conv2d', op: 'conv2d', input: [1, 5, 5, 6], outC: 9, board: 'esp32c3' },
  {
    ...{ kernel: 'rv32/conv2d', op: 'conv2d', input: [1, 5, 5, 3], outC: 8 },
    ...{ window: [3, 3], attrs: pads, board: 'esp32c3' },
  },
  { kernel: 'rv32/conv2d_pixels', op: 'conv2d', input: [1, 5, 5, 6], outC: 9, board: 'esp32c3' },
  {
    ...{ kernel: 'rv32/conv2d_pixels', op: 'conv2d', input: [1, 4, 5, 70], outC: 10 },
    ...{ window: [3, 3], attrs: pads, board: 'esp32c3' },
  },
  { ...dw, kernel: 'rv32/depthwise_conv2d', attrs: pads, board: 'esp32c3' },
  { ...dw, kernel: 'rv32/depthwise_conv2d', window: [4, 4], board: 'esp32c3' },
  {
    kernel: 'rv32/fully_connected',
    op: 'fully_connected',
    input: [1, 40],
    outC: 21,
    board: 'esp32c3',
  },
  {
    ...{ kernel: 'rv32/row', op: 'fully_connected', input: [1, 40], outC: 9 },
    ...{ oneIn: 4, board: 'esp32c3' },
  },
  { ...dw, kernel: 'xtensa/depthwise_conv2d_3x3', attrs: pads, board: 'lx60' },
];

/** Every other channel is an exception, where there are any: seeds tell which. */
function layerOf(
  { op, input, outC, window = [1, 1], attrs = {}, oneIn = 1 }: Row,
  seed: number,
): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const inC = input.at(-1) as number;
  const isRelu = seed % 2 === 0;
  const [inZero, outZero] = [random.integer(-128, 127), isRelu ? -128 : random.integer(-30, 30)];
  const scales = Array.from({ length: outC }, () =>
    random.integer(0, 1) === 0 ? tyingScale(random) : random.integer(10, 900) / 20000,
  );
  const shape = {
    conv2d: [outC, ...window, inC],
    depthwise_conv2d: [1, ...window, outC],
    fully_connected: [outC, inC],
  }[op];
  const weights = b.constant(
    Int8Array.from({ length: shape.reduce((all, n) => all * n, 1) }, () =>
      random.integer(1, oneIn) === 1 ? random.integer(-127, 127) : 0,
    ),
    shape,
    perChannelQuant(scales, op === 'depthwise_conv2d' ? 3 : 0),
  );
  const place = { ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 }, ...attrs };
  const steps = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1, ...place };
  const all = {
    ...(op === 'fully_connected' ? {} : steps),
    ...(op === 'depthwise_conv2d' ? { depthMultiplier: outC / inC } : {}),
    ...{ activation: isRelu ? 'relu6' : 'none', rounding: 'float' },
  };
  const x = b.input(input, perTensorQuant(1, inZero));
  const bias = b.constant(random.int32(outC, -3000, 3000));
  const quant = perTensorQuant(isRelu ? 1 / 16 : 1, outZero);
  // relu6 takes 96 of the outputs.
  return b.module([b.node(op, [x, weights, bias], all, { quant, name: `seed ${seed}` })]);
}

/** Code decides ties by a table. */
function hasExceptions({ flags, routines }: KernelCall): boolean {
  const twin = routines?.routine?.twin();
  if (twin?.kind !== 'pixels') return flags.mixed === true;
  return twin.stages.some(({ ties }) => ties !== null);
}

const seeds = Array.from({ length: 12 }, (_, i) => i);

describe('channels without integer constants', () => {
  for (const row of rows) {
    const { kernel, board } = row;
    const modules = seeds.map((seed) => layerOf(row, seed));
    const name = `${kernel}, ${row.op} ${row.window ?? ''} ${row.attrs === undefined ? '' : 'padded'}`;

    it(`${name}: are exceptions of the fast kernel`, () => {
      const flags = modules.map((module) => {
        const graph = mainGraph(module);
        const view = viewOf(graph, graph.nodes[0] as never);
        const [match] = matchesOf(
          view,
          contextOf({ target: board, options: { optimize: 'balanced' } as never }),
          (each) => each.template === kernel,
        );
        const [call] = match?.kernel.calls() ?? [];
        return call !== undefined && hasExceptions(call);
      });
      expect(flags.filter(Boolean), `${flags}`).to.have.lengthOf.above(6);
    });

    it(`${name}: have the bits of evaluate in C`, () => expectSameBits(modules, { kernel }));

    it(`${name}: have them on a simulated ${board}`, async () => {
      const kernels = await expectSameBitsOnBoard(modules, board, { kernel });
      expect(kernels.filter((each) => each === kernel)).to.have.lengthOf.above(7);
    });
  }
});
