import { expect } from 'chai';
import fc from 'fast-check';
import { analyse } from '../../src/compiler/analysis/index.js';
import { checkModule } from '../../src/compiler/ir/check.js';
import {
  elementCount,
  type Module,
  mainGraph,
  type Shape,
  type Tensor,
  type TensorId,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { operators } from '../../src/compiler/ops/index.js';
import { removeDeadChannels } from '../../src/compiler/passes/remove-dead-channels.js';
import { eachGraph } from '../../src/compiler/passes/rewrite.js';
import { graphSeeds, growGraph } from '../support/graphs.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../support/module.js';
import { outputsOf } from '../support/outputs.js';
import { runs } from '../support/runs.js';

const pass = eachGraph((graph) => removeDeadChannels(graph));

const window = (side: number, pad: number) => ({
  strideH: 1,
  strideW: 1,
  dilationH: 1,
  dilationW: 1,
  padTop: pad,
  padBottom: pad,
  padLeft: pad,
  padRight: pad,
  kernel: side,
  activation: 'none',
  rounding: 'double',
});

/** A 1×1 convolution from 2 channels to as many as there are rows of weights. */
function pointwise(b: GraphBuilder, x: TensorId, rows: number[][], bias: number[], zeroPoint = 3) {
  const inC = rows[0]?.length ?? 0;
  const weights = b.constant(
    Int8Array.from(rows.flat()),
    [rows.length, 1, 1, inC],
    perTensorQuant(0.01, 0),
  );
  const { kernel: _, ...attrs } = window(1, 0);
  const quant = perTensorQuant(0.2, zeroPoint);
  return b.node('conv2d', [x, weights, b.constant(Int32Array.from(bias))], attrs, { quant });
}

function conv(
  b: GraphBuilder,
  x: TensorId,
  outC: number,
  side: number,
  pad: number,
  data: number[],
) {
  const inC = b.shape(x)[3] as number;
  const weights = b.constant(
    Int8Array.from(data),
    [outC, side, side, inC],
    perTensorQuant(0.01, 0),
  );
  const { kernel: _, ...attrs } = window(side, pad);
  return b.node('conv2d', [x, weights, null], attrs, { quant: perTensorQuant(0.3, -5) });
}

/** Weights of one filter over a side × side window of two channels, one function a channel. */
const taps = (side: number, first: (tap: number) => number, second: (tap: number) => number) =>
  Array.from({ length: side * side }, (_, tap) => [first(tap), second(tap)]).flat();

/** Channels of the tensor that node number `index` writes. */
const channelsOf = (module: Module, index: number) => {
  const graph = mainGraph(module);
  return tensorOf(graph, graph.nodes[index]?.outputs[0] ?? -1).shape.at(-1);
};

/** Eight channels, of which those are constant; four filters that read every second block or channel. */
function pruned(
  b: GraphBuilder,
  constants: number[],
  isRead: (filter: number, channel: number) => boolean,
) {
  const rows = Array.from({ length: 8 }, (_, c) => (constants.includes(c) ? [0, 0] : [40, c - 9]));
  const x = b.input([1, 2, 2, 2], perTensorQuant(0.5, -7));
  const mid = pointwise(b, x, rows, [9, 900, -90, 9, 0, 70, 700, 7]);
  const filters = Array.from({ length: 4 }, (_, filter) =>
    Array.from({ length: 8 }, (_, c) => (isRead(filter, c) ? 50 - 9 * c + filter : 0)),
  );
  return pointwise(b, mid, filters, [1, 2, 3, 4]);
}

interface Row {
  readonly edge: string;
  build(b: GraphBuilder): readonly TensorId[];
  /** Channels of each node's output afterwards. */
  readonly channels: readonly number[];
}

const input = (b: GraphBuilder, shape: Shape = [1, 4, 4, 2]) =>
  b.input(shape, perTensorQuant(0.5, -7));

/** Two channels: one that varies, one that is always 3 + bias · 0.025, rounded. */
const half = (b: GraphBuilder, bias: number, zeroPoint = 3) =>
  pointwise(
    b,
    input(b),
    [
      [90, -70],
      [0, 0],
    ],
    [0, bias],
    zeroPoint,
  );

const rows: readonly Row[] = [
  {
    edge: 'a constant that is the zero point, under padding',
    build: (b) => [
      conv(
        b,
        half(b, 0),
        1,
        3,
        1,
        taps(
          3,
          (t) => t - 4,
          (t) => 9 - t,
        ),
      ),
    ],
    channels: [1, 1],
  },
  {
    edge: 'another constant, without padding',
    build: (b) => [
      conv(
        b,
        half(b, 2000),
        1,
        3,
        0,
        taps(
          3,
          (t) => t - 4,
          (t) => 9 - t,
        ),
      ),
    ],
    channels: [1, 1],
  },
  {
    edge: 'not another constant under padding: borders would differ',
    build: (b) => [
      conv(
        b,
        half(b, 2000),
        1,
        3,
        1,
        taps(
          3,
          (t) => t - 4,
          (t) => 9 - t,
        ),
      ),
    ],
    channels: [2, 1],
  },
  {
    edge: 'another constant whose weights meet no padding',
    build: (b) => [
      conv(
        b,
        half(b, 2000),
        1,
        3,
        1,
        taps(
          3,
          (t) => t - 4,
          (t) => (t === 4 ? 50 : 0),
        ),
      ),
    ],
    channels: [1, 1],
  },
  {
    edge: 'a zero point at the end of int8',
    build: (b) => [
      conv(
        b,
        half(b, 0, -128),
        1,
        3,
        1,
        taps(
          3,
          (t) => t - 4,
          (t) => 9 - t,
        ),
      ),
    ],
    channels: [1, 1],
  },
  {
    edge: 'a channel with no weight but 0',
    build: (b) => {
      const x = pointwise(
        b,
        input(b),
        [
          [90, -70],
          [33, 44],
        ],
        [0, 5],
      );
      return [
        conv(
          b,
          x,
          1,
          3,
          1,
          taps(
            3,
            () => 0,
            (t) => t - 4,
          ),
        ),
      ];
    },
    channels: [1, 1],
  },
  {
    edge: 'not where elements are rounded by their place: fewer would be rounded otherwise',
    build: (b) => {
      const weights = [30, 50, 70, 90].map((w) => [w, 10 - w]);
      const x = pointwise(b, b.input([1, 2, 2, 2], perTensorQuant(0.5, -7)), weights, [1, 2, 3, 4]);
      const attrs = { algorithm: 'vector' };
      const y = b.node('quantize', [x], attrs, { quant: perTensorQuant(0.8, 3) });
      return [pointwise(b, y, [[40, 50, 60, 0]], [5])];
    },
    channels: [4, 4, 1],
  },
  {
    edge: 'no constant in a block of which others are needed',
    build: (b) => [pruned(b, [1, 6], (filter, c) => c >> 2 === filter % 2)],
    channels: [8, 4],
  },
  {
    edge: 'a block of constants',
    build: (b) => [pruned(b, [4, 5, 6, 7], (filter, c) => c >> 2 === filter % 2)],
    channels: [4, 4],
  },
  {
    edge: 'one where zeros do not lie in blocks',
    build: (b) => [pruned(b, [1], (filter, c) => c % 2 === filter % 2)],
    channels: [7, 4],
  },
  {
    edge: 'none of an output',
    build: (b) => [half(b, 0)],
    channels: [2],
  },
  {
    edge: 'all but one where nothing matters',
    build: (b) => [conv(b, half(b, 0), 1, 1, 0, [0, 0])],
    channels: [1, 1],
  },
  {
    edge: 'backwards through layers',
    build: (b) => {
      const x = pointwise(
        b,
        input(b),
        [
          [90, -70],
          [33, 44],
        ],
        [0, 5],
      );
      const y = pointwise(
        b,
        x,
        [
          [90, 0],
          [0, 44],
        ],
        [0, 5],
      );
      return [conv(b, y, 1, 1, 0, [0, 5])];
    },
    channels: [1, 1, 1],
  },
  {
    edge: 'through a depthwise convolution with a multiplier of 2',
    build: (b) => {
      const weights = Int8Array.from({ length: 36 }, (_, i) => i - 18);
      const quant = perChannelQuant([0.01, 0.02, 0.03, 0.04], 3);
      const { kernel: _, ...attrs } = window(3, 1);
      const y = b.node(
        'depthwise_conv2d',
        [half(b, 0), b.constant(weights, [1, 3, 3, 4], quant), null],
        { ...attrs, depthMultiplier: 2 },
      );
      return [pointwise(b, y, [[1, 2, 3, 4]], [0])];
    },
    channels: [1, 2, 1],
  },
  {
    edge: 'not through one with padding that is not what the channel holds',
    build: (b) => {
      const weights = Int8Array.from({ length: 18 }, (_, i) => 9 - i);
      const { kernel: _, ...attrs } = window(3, 1);
      const y = b.node(
        'depthwise_conv2d',
        [half(b, 2000), b.constant(weights, [1, 3, 3, 2], perTensorQuant(0.3, 0)), null],
        { ...attrs, depthMultiplier: 1 },
      );
      return [pointwise(b, y, [[1, 2]], [0])];
    },
    channels: [2, 2, 1],
  },
  {
    edge: 'columns of a fully connected layer over all of an image',
    build: (b) => {
      const x = half(b, 2000);
      const weights = Int8Array.from({ length: 64 }, (_, i) => i - 30);
      const operands = [b.constant(weights, [2, 32], perChannelQuant([0.01, 0.02], 0)), null];
      return [
        b.node('fully_connected', [x, ...operands], { activation: 'none', rounding: 'double' }),
      ];
    },
    channels: [1, 2],
  },
  {
    edge: 'rows of a fully connected layer down to one, which stays per channel',
    build: (b) => {
      const x = input(b, [1, 2]);
      const attrs = { activation: 'none', rounding: 'double' };
      const quant = perChannelQuant([0.0123, 0.0456], 0);
      const y = b.node(
        'fully_connected',
        [x, b.constant(Int8Array.of(50, -60, 70, 80), [2, 2], quant), null],
        attrs,
      );
      const last = b.constant(Int8Array.of(0, 99), [1, 2], perTensorQuant(0.01, 0));
      return [b.node('fully_connected', [y, last, null], attrs)];
    },
    channels: [1, 1],
  },
  {
    edge: 'both operands of a sum, and the sum, together',
    build: (b) => {
      const x = input(b);
      const y = pointwise(
        b,
        x,
        [
          [90, -70],
          [0, 0],
        ],
        [0, 0],
      );
      const z = pointwise(
        b,
        x,
        [
          [10, 20],
          [0, 0],
        ],
        [0, 50],
      );
      const sum = b.node('add', [y, z], { activation: 'none' });
      return [pointwise(b, sum, [[4, 5]], [0])];
    },
    channels: [1, 1, 1, 1],
  },
  {
    edge: 'no operand of a sum that another layer needs',
    build: (b) => {
      const y = pointwise(
        b,
        input(b),
        [
          [90, -70],
          [60, 3],
        ],
        [0, 0],
      );
      const z = pointwise(
        b,
        y,
        [
          [10, 20],
          [30, 40],
        ],
        [0, 50],
      );
      const sum = b.node('add', [y, z], { activation: 'none' });
      return [pointwise(b, sum, [[4, 0]], [0])];
    },
    channels: [2, 2, 2, 1],
  },
  {
    edge: 'a constant operand with the channels',
    build: (b) => {
      const constant = b.constant(Int8Array.of(5, -9), [2], perTensorQuant(0.1, 0));
      const y = b.node('mul', [half(b, 0), constant], { activation: 'none' });
      return [pointwise(b, y, [[4, 5]], [0])];
    },
    channels: [1, 1, 1],
  },
  {
    edge: 'parts of a concatenation',
    build: (b) => {
      const y = half(b, 0);
      const joined = b.node('concatenation', [y, y, y], { axis: 3, activation: 'none' });
      return [pointwise(b, joined, [[4, 5, 0, 1, 2, 3]], [0])];
    },
    channels: [1, 3, 1],
  },
  {
    edge: 'pools and means',
    build: (b) => {
      const { padTop, padBottom, padLeft, padRight } = window(2, 1);
      const pads = { padTop, padBottom, padLeft, padRight };
      const attrs = { kernelH: 2, kernelW: 2, strideH: 1, strideW: 1, activation: 'none', ...pads };
      const y = b.node('average_pool2d', [half(b, 2000)], attrs);
      const mean = { axes: [1, 2], keepDims: true, algorithm: 'general' };
      return [pointwise(b, b.node('mean', [y], mean), [[4, 5]], [0])];
    },
    channels: [1, 1, 1, 1],
  },
  {
    edge: 'none where a channel decides by its place how it is rounded',
    build: (b) => {
      const y = b.node('quantize', [half(b, 0)], { algorithm: 'vector' });
      const mean = { axes: [1, 2], keepDims: true, algorithm: 'spatial' };
      return [pointwise(b, b.node('mean', [y], mean), [[4, 5]], [0])];
    },
    channels: [2, 2, 2, 1],
  },
];

/** Makes filters and columns of zeros, so that channels become constant or unread. */
function plant(module: Module, seed: number): Module {
  const random = new Random(seed);
  return eachGraph((graph) => {
    const tensors = [...graph.tensors];
    const change = (id: TensorId | null | undefined, element: (x: number, i: number) => number) => {
      const tensor = id == null ? undefined : tensors[id];
      if (tensor?.data != null) {
        const data = (tensor.data as Int8Array).map(element);
        tensors[id as number] = { ...tensor, data } as Tensor;
      }
    };
    for (const { op, inputs } of graph.nodes) {
      const shape = tensors[inputs[1] ?? -1]?.shape ?? [];
      if (!['conv2d', 'depthwise_conv2d', 'fully_connected'].includes(op)) continue;
      const last = shape.at(-1) as number;
      const filters = op === 'depthwise_conv2d' ? last : (shape[0] as number);
      const depth = elementCount(shape) / filters;
      const drawn = (count: number) =>
        Array.from({ length: count }, () => random.integer(0, 2) === 0);
      const [isZeroFilter, isZeroColumn] = [drawn(filters), drawn(last)];
      const filterOf = (i: number) =>
        op === 'depthwise_conv2d' ? i % last : Math.floor(i / depth);
      const isZero = (i: number) => isZeroFilter[filterOf(i)] || isZeroColumn[i % last];
      change(inputs[1], (x, i) => (isZero(i) ? 0 : x));
      // Some constants are the zero point itself, some saturate.
      change(inputs[2], (x, i) => (isZeroFilter[i] ? random.pick([0, 0, x, 2 ** 20]) : x));
    }
    return { ...graph, tensors };
  })(module);
}

describe('remove-dead-channels', () => {
  for (const { edge, build, channels } of rows) {
    it(`removes ${edge}`, () => {
      const b = new GraphBuilder();
      const before = b.module(build(b));
      const after = pass(before);
      checkModule(after, operators, 'remove-dead-channels');
      expect(channels.map((_, index) => channelsOf(after, index))).to.eql(channels);
      expect(outputsOf(after, 1)).to.eql(outputsOf(before, 1));
    });
  }

  it('keeps channels that become columns of an image of one channel', () => {
    const b = new GraphBuilder();
    const y = pointwise(
      b,
      b.input([1, 2, 1, 2]),
      [
        [1, 2],
        [3, 4],
      ],
      [0, 0],
    );
    const attrs = { shape: [1, 2, 2, 1], rows: [1], columns: [2], crops: [0, 0] };
    const module = b.module([b.node('interleave', [y], attrs)]);
    expect(outputsOf(pass(module), 1)).to.deep.equal(outputsOf(module, 1));
  });

  it('changes no output of random graphs with dead and constant channels', () => {
    let removed = 0;
    fc.assert(
      fc.property(graphSeeds, ({ ops, seed }) => {
        // A tail that reads channels, so that something can be left out.
        const before = plant(growGraph({ ops: [...ops, 'conv2d', 'fully_connected'], seed }), seed);
        const after = pass(before);
        checkModule(after, operators, 'remove-dead-channels');
        const elements = (module: Module) =>
          mainGraph(module).tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
        if (elements(after) !== elements(before)) removed += 1;
        expect(outputsOf(after, seed)).to.eql(outputsOf(before, seed));
      }),
      { numRuns: runs(500) },
    );
    expect(removed).to.be.greaterThan(runs(100));
  });

  it('trusts the bounds: one that is too tight by one changes an output', () => {
    const b = new GraphBuilder();
    const quant = perChannelQuant([0.01, 0.0015], 0);
    const weights = b.constant(Int8Array.of(90, -70, 1, 0), [2, 1, 1, 2], quant);
    const { kernel: _, ...attrs } = window(1, 0);
    const options = { quant: perTensorQuant(0.2, 3) };
    const x = b.node('conv2d', [input(b), weights, null], attrs, options);
    const before = b.module([conv(b, x, 1, 1, 0, [1, 100])]);
    const graph = mainGraph(before);
    const facts = analyse(graph);
    const { min, max } = facts.range(tensorOf(graph, x));
    expect([min[1], max[1]]).to.eql([3, 4]);
    for (const [end, values] of Object.entries({ min, max })) {
      const tight = {
        range: (tensor: Tensor) =>
          tensor === tensorOf(graph, x)
            ? {
                min: Int32Array.of(min[0] as number, values[1] as number),
                max: Int32Array.of(max[0] as number, values[1] as number),
              }
            : facts.range(tensor),
      };
      const after = eachGraph((before) => removeDeadChannels(before, tight))(before);
      expect(outputsOf(after, 1), end).to.not.eql(outputsOf(before, 1));
    }
  });
});
