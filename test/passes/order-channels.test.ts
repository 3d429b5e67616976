/** Channels in an order that leaves few blocks of weights, and what must not change by it. */
import { expect } from 'chai';
import fc from 'fast-check';
import { checkModule } from '../../src/compiler/ir/check.js';
import {
  type Module,
  mainGraph,
  type Tensor,
  type TensorId,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { operators } from '../../src/compiler/ops/index.js';
import { orderChannels } from '../../src/compiler/passes/order-channels.js';
import { eachGraph } from '../../src/compiler/passes/rewrite.js';
import { graphSeeds, growGraph } from '../support/graphs.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { outputsOf } from '../support/outputs.js';
import { keptWeights } from '../support/pruned.js';
import { runs } from '../support/runs.js';

const pass = eachGraph(orderChannels);

const window = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 },
  ...{ activation: 'none', rounding: 'double' },
};

/** A 3×3 convolution, whose channels that are `near` one another have their zeros together. */
function conv(
  b: GraphBuilder,
  x: TensorId,
  outC: number,
  near: (channel: number) => number = (channel) => channel,
): TensorId {
  const shape = [outC, 3, 3, b.shape(x)[3] as number];
  const random = new Random(outC);
  const kept = new Map<string, boolean>();
  const weights = keptWeights(random, shape, (filter, tap, channel) => {
    const key = `${filter} ${tap} ${near(channel)}`;
    if (!kept.has(key)) kept.set(key, random.integer(0, 3) === 0);
    return kept.get(key) === true;
  });
  const bias = b.constant(random.int32(outC, -3000, 3000));
  const inputs = [x, b.constant(weights, shape, perTensorQuant(0.01, 0)), bias];
  return b.node('conv2d', inputs, window, { quant: perTensorQuant(0.3, -5) });
}

function depthwise(b: GraphBuilder, x: TensorId): TensorId {
  const shape = [1, 3, 3, b.shape(x)[3] as number];
  const weights = new Random(2).int8(9 * (shape[3] as number));
  const inputs = [x, b.constant(weights, shape, perTensorQuant(0.01, 0)), null];
  const attrs = { ...window, depthMultiplier: 1 };
  return b.node('depthwise_conv2d', inputs, attrs, { quant: perTensorQuant(0.3, -5) });
}

const input = (b: GraphBuilder) => b.input([1, 4, 4, 4], perTensorQuant(0.5, -7));
/** Channels 0, 3, 6 and 9 are near one another, and so on. */
const everyThird = (channel: number) => channel % 3;
const add = (b: GraphBuilder, x: TensorId, y: TensorId) =>
  b.node('add', [x, y], { activation: 'none' });

interface Row {
  readonly edge: string;
  build(b: GraphBuilder): readonly TensorId[];
  readonly isOrdered: boolean;
}

const rows: readonly Row[] = [
  {
    edge: 'between two layers',
    build: (b) => [conv(b, conv(b, input(b), 12), 8, everyThird)],
    isOrdered: true,
  },
  {
    edge: 'through sums, and for two readers',
    build: (b) => {
      const x = conv(b, input(b), 12);
      const sum = add(b, x, conv(b, x, 12, everyThird));
      return [conv(b, sum, 8, everyThird)];
    },
    isOrdered: true,
  },
  {
    edge: 'through depthwise convolutions and constants',
    build: (b) => {
      const x = depthwise(b, conv(b, input(b), 12));
      const factors = b.constant(new Random(1).int8(12), [12], perTensorQuant(0.1, 0));
      return [conv(b, b.node('mul', [x, factors], { activation: 'none' }), 8, everyThird)];
    },
    isOrdered: true,
  },
  {
    edge: 'of what is left over of four',
    build: (b) => [conv(b, conv(b, input(b), 14), 8, (channel) => channel % 4)],
    isOrdered: true,
  },
  {
    edge: 'of a block that lost one: no whole one goes without it',
    build: (b) => [conv(b, conv(b, input(b), 15), 8, (channel) => (channel + 1) >> 2)],
    isOrdered: true,
  },
  {
    edge: 'not where they lie so already',
    build: (b) => [conv(b, conv(b, input(b), 12), 8, (channel) => channel >> 2)],
    isOrdered: false,
  },
  {
    edge: 'not where no order leaves whole blocks',
    build: (b) => [conv(b, conv(b, input(b), 12), 8)],
    isOrdered: false,
  },
  {
    edge: 'not of an output',
    build: (b) => {
      const x = conv(b, input(b), 12);
      return [x, conv(b, x, 8, everyThird)];
    },
    isOrdered: false,
  },
  {
    edge: 'not of an input',
    build: (b) => [conv(b, b.input([1, 4, 4, 12], perTensorQuant(0.5, -7)), 8, everyThird)],
    isOrdered: false,
  },
  {
    edge: 'not of parts of a concatenation',
    build: (b) => {
      const x = conv(b, input(b), 6);
      const both = b.node('concatenation', [x, x], { axis: 3, activation: 'none' });
      return [conv(b, both, 8, everyThird)];
    },
    isOrdered: false,
  },
];

/** Blocks of four channels that are not all 0, over all convolutions. */
function blocksOf(module: Module): number {
  const graph = mainGraph(module);
  let blocks = 0;
  for (const { op, inputs } of graph.nodes) {
    if (op !== 'conv2d') continue;
    const { data, shape } = tensorOf(graph, inputs[1] as TensorId);
    const channels = shape.at(-1) as number;
    for (let row = 0; row < (data?.length ?? 0); row += channels) {
      for (let first = 0; first < channels; first += 4) {
        const block = data?.slice(row + first, row + Math.min(first + 4, channels));
        if (block?.some((weight) => weight !== 0)) blocks += 1;
      }
    }
  }
  return blocks;
}

/** Zeros in blocks of four channels that lie apart from one another. */
function tornApart(module: Module, seed: number): Module {
  const random = new Random(seed);
  return eachGraph((graph) => {
    const tensors = [...graph.tensors];
    for (const { op, inputs } of graph.nodes) {
      const weights = tensors[inputs[1] ?? -1];
      if (!['conv2d', 'fully_connected'].includes(op) || weights?.data == null) continue;
      const channels = weights.shape.at(-1) as number;
      const apart = Math.ceil(channels / 4);
      const isKept = Array.from({ length: weights.data.length }, () => random.integer(0, 3) === 0);
      const data = (weights.data as Int8Array).map((weight, i) => {
        const [row, channel] = [Math.floor(i / channels), i % channels];
        return isKept[row * channels + (channel % apart)] ? weight || 1 : 0;
      });
      tensors[inputs[1] as TensorId] = { ...weights, data } as Tensor;
    }
    return { ...graph, tensors };
  })(module);
}

describe('order-channels', () => {
  for (const { edge, build, isOrdered } of rows) {
    it(`orders channels ${edge}`, () => {
      const b = new GraphBuilder();
      const before = b.module(build(b));
      const after = pass(before);
      checkModule(after, operators, 'order-channels');
      if (isOrdered) expect(blocksOf(after)).to.be.lessThan(0.9 * blocksOf(before));
      else expect(mainGraph(after)).to.equal(mainGraph(before));
      expect(outputsOf(after, 1)).to.eql(outputsOf(before, 1));
    });
  }

  it('changes no output of random graphs whose blocks were torn apart', () => {
    let ordered = 0;
    fc.assert(
      fc.property(graphSeeds, ({ ops, seed }) => {
        const grown = growGraph({ ops: [...ops, 'conv2d', 'fully_connected'], seed });
        const before = tornApart(grown, seed);
        const after = pass(before);
        checkModule(after, operators, 'order-channels');
        if (mainGraph(after) !== mainGraph(before)) ordered += 1;
        expect(outputsOf(after, seed)).to.eql(outputsOf(before, seed));
      }),
      { numRuns: runs(300) },
    );
    expect(ordered).to.be.greaterThan(runs(20));
  });
});
