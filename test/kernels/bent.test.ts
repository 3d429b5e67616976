/**
 * Layers of --rounding tflite whose channels have no constants of one kind: in the first channels halves
 * below zero go up, in the others down, or multipliers are beyond what lines take.
 */
import { expect } from 'chai';
import { type Attrs, type Module, mainGraph, viewOf } from '../../src/compiler/ir/graph.js';
import { outputStage } from '../../src/compiler/ops/arithmetic/accumulation.js';
import { expectSameBitsOnBoard } from '../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';

type Op = 'conv2d' | 'depthwise_conv2d' | 'fully_connected' | 'transpose_conv';

interface Row {
  readonly edge: string;
  readonly op: Op;
  readonly channels: number;
  readonly attrs: Attrs;
  /** Outputs per unit of an accumulator: the magnitude. */
  readonly ratio?: number;
  readonly dtype?: 'int16';
}

const window = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 1, padBottom: 0, padLeft: 0, padRight: 1 },
};
const rows: readonly Row[] = [
  { edge: 'two roundings', op: 'depthwise_conv2d', channels: 12, attrs: { upwardChannels: 8 } },
  { edge: 'two roundings', op: 'transpose_conv', channels: 9, attrs: { upwardChannels: 8 } },
  { edge: 'two roundings', op: 'conv2d', channels: 11, attrs: { upwardChannels: 8 } },
  { edge: 'left shifts', op: 'conv2d', channels: 5, attrs: {}, ratio: 5 },
  { edge: 'left shifts', op: 'fully_connected', channels: 7, attrs: {}, ratio: 3 },
  {
    ...{ edge: 'int16', op: 'fully_connected', channels: 6, ratio: 0.02, dtype: 'int16' },
    attrs: { biasType: 'int32' },
  },
];

function layerOf({ op, channels, attrs, ratio = 0.004, dtype }: Row, seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const depth = op === 'depthwise_conv2d' ? channels : 6;
  const shapes = {
    conv2d: [channels, 2, 2, depth],
    depthwise_conv2d: [1, 2, 2, channels],
    transpose_conv: [channels, 2, 2, depth],
    fully_connected: [channels, depth],
  };
  const own: Record<Op, Attrs> = {
    conv2d: window,
    depthwise_conv2d: { ...window, depthMultiplier: 1 },
    transpose_conv: { ...window, padTop: 0, padRight: 0, size: [6, 5] },
    fully_connected: { keepDims: false },
  };
  const zero = () => (dtype === 'int16' ? 0 : random.integer(-20, 20));
  const typed = dtype === undefined ? {} : { dtype };
  const input = op === 'fully_connected' ? [5, depth] : [1, 5, 4, depth];
  const x = b.input(input, perTensorQuant(1, zero()), undefined, dtype);
  const scales = Array.from({ length: channels }, () => (ratio * random.integer(50, 99)) / 99);
  const shape = shapes[op];
  const axis = op === 'depthwise_conv2d' ? 3 : 0;
  const weights = random.int8(
    shape.reduce((p, q) => p * q),
    -127,
    127,
  );
  const constant = b.constant(weights, shape, perChannelQuant(scales, axis));
  const all = { ...own[op], ...attrs, activation: 'none', rounding: 'upward' };
  const quant = perTensorQuant(1, zero());
  const name = `${op} ${seed}`;
  const y = b.node(op, [x, constant, null], all, { quant, name, ...typed });
  return b.module([y]);
}

/** Under sanitizers of one machine; each instruction set has kernels of its own. */
const boards = ['rp2040', 'stm32f405', 'esp32c3', 'mps3-an547'];

describe('channels that round halves below zero in two ways', () => {
  const modules = rows.flatMap((row) => [1, 2, 3].map((seed) => layerOf(row, seed)));

  it('have no constants of one kind', () => {
    const stages = modules.map((module) => {
      const graph = mainGraph(module);
      const [node] = graph.nodes;
      const view = viewOf(graph, node as never);
      const axis = node?.op === 'depthwise_conv2d' ? 3 : 0;
      const channels = view.inputs[1]?.shape[axis] ?? 1;
      return `${node?.op}: ${outputStage(view as never, channels, 'per-channel').rounding}`;
    });
    expect(stages.filter((stage) => stage.endsWith('bent'))).to.have.lengthOf.above(10);
  });

  it('have the bits of evaluate in C', () => expectSameBits(modules));

  for (const board of boards) {
    it(`have them on a simulated ${board}`, async () => {
      const kernels = await expectSameBitsOnBoard(modules, board, { planned: true });
      expect(kernels).to.have.lengthOf.above(17);
    });
  }
});
