import { expect } from 'chai';
import fc from 'fast-check';
import { checkModule } from '../../src/compiler/ir/check.js';
import {
  elementCount,
  type Graph,
  type Node,
  type TensorId,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { operators } from '../../src/compiler/ops/index.js';
import { take } from '../../src/compiler/passes/rewrite.js';
import type { Candidate } from '../../src/compress/candidate.js';
import { parametersOf, weighted } from '../../src/compress/float-graph.js';
import { scaleAxis } from '../../src/compress/quantize/scheme.js';
import { makeRandom } from '../../src/compress/random.js';
import { type ChannelGroup, couplingOf } from '../../src/compress/shrink/coupling.js';
import { shrunk } from '../../src/compress/shrink/cut.js';
import { elementsOf, loadBackend, type Tf, type TfTensor } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { FloatNetwork } from '../support/float-network.js';
import { runs } from '../support/runs.js';

const candidate = (graph: Graph): Candidate => ({ graph, masks: new Map(), quantization: null });

/** A constant of small whole numbers. */
function constant(net: FloatNetwork, shape: readonly number[]): TensorId {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => (i % 3) - 1);
  const name = `constant ${net.tensors.length}`;
  return net.tensors.push({ name, dtype: 'float32', shape, quant: null, data, source: null }) - 1;
}

const channelsOf = (net: FloatNetwork) => net.shape.at(-1) ?? 1;

/** A depthwise convolution with two filters for each channel. */
function doubled(net: FloatNetwork): void {
  const filters = 2 * channelsOf(net);
  const window = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1, depthMultiplier: 2 };
  const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
  const attrs = { ...window, ...pads, activation: 'relu', rounding: 'double' };
  const operands = [constant(net, [1, 1, 1, filters]), constant(net, [filters])];
  net.add('depthwise_conv2d', operands, attrs);
}

/** Both halves of the channels, as tensors. */
function halves(net: FloatNetwork): readonly TensorId[] {
  const axis = net.shape.length - 1;
  const [first = 0, second = 0] = [0, 1].map(() => {
    const shape = net.shape.with(axis, (net.shape[axis] ?? 2) / 2);
    const name = `half ${net.tensors.length}`;
    return (
      net.tensors.push({ name, dtype: 'float32', shape, quant: null, data: null, source: null }) - 1
    );
  });
  const attrs = { axis, count: 2 };
  const rest = { op: 'split', name: 'split', ops: [net.nodes.length], fused: [] };
  net.nodes.push({ ...rest, inputs: [net.last], outputs: [first, second], attrs });
  return [first, second];
}

function concatenate(net: FloatNetwork, ids: readonly TensorId[], axis = 3): void {
  const [first = 0, ...others] = ids;
  net.last = first;
  net.add('concatenation', others, { axis, activation: 'none' });
}

const sum = { activation: 'relu' };

const noTransposes = { transposeA: false, transposeB: false };

const twoLayers = () => new FloatNetwork([4, 4, 3]).conv(4).conv(2).graph();

/** What random graphs of [1, 4, 4, c] are made of; every one maps channels of zeros to zeros. */
const parts: Readonly<Record<string, (net: FloatNetwork) => void>> = {
  convolution: (net) => net.conv(6, 3),
  pointwise: (net) => net.conv(4, 1, 1, 'none'),
  depthwise: (net) => net.depthwise(),
  'two filters for each channel': doubled,
  'residual sum': (net) => {
    const skip = net.last;
    const channels = channelsOf(net);
    net.conv(5, 1).conv(channels, 1, 1, 'none');
    net.add('add', [skip], sum);
  },
  'residual sum with a layer on both sides': (net) => {
    const skip = net.last;
    net.conv(4, 1);
    const one = net.last;
    net.last = skip;
    net.conv(4, 3, 1, 'none').add('sub', [one], sum);
  },
  concatenation: (net) => {
    const from = net.last;
    const ends = [3, 2].map((filters) => {
      net.last = from;
      return net.conv(filters, 1).last;
    });
    concatenate(net, [from, ...ends]);
  },
  'concatenation of rows': (net) => {
    const from = net.last;
    net.conv(channelsOf(net), 1);
    concatenate(net, [from, net.last], 1);
    const counts = net.shape.with(1, 4);
    net.add('strided_slice', [], {
      begin: [0, 2, 0, 0],
      strides: [1, 1, 1, 1],
      counts,
      shape: counts,
    });
  },
  'split, one half changed': (net) => {
    net.conv(6, 1);
    const [first = 0, second = 0] = halves(net);
    net.last = second;
    net.add('relu', [], {});
    concatenate(net, [first, net.last]);
  },
  'slice of channels': (net) => {
    net.conv(6, 1);
    const counts = [1, 4, 4, 3];
    const attrs = { begin: [0, 0, 0, 2], strides: [1, 1, 1, 1], counts, shape: counts };
    net.add('strided_slice', [], attrs);
  },
  'factor for each channel': (net) =>
    net.add('mul', [constant(net, [channelsOf(net)])], { activation: 'none' }),
  pad: (net) =>
    net.add('pad', [], { pads: [0, 0, 1, 0, 0, 1, 0, 0] }).add('max_pool2d', [], {
      ...{ kernelH: 2, kernelW: 2, strideH: 1, strideW: 1, activation: 'none' },
      ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
    }),
  'pad of channels': (net) => net.add('pad', [], { pads: [0, 0, 0, 0, 0, 0, 1, 1] }),
  'channels first and back': (net) =>
    net
      .add('transpose', [], { perm: [0, 3, 1, 2] })
      .add('leaky_relu', [], { alpha: 0.5, algorithm: 'magnitude' })
      .add('transpose', [], { perm: [0, 2, 3, 1] }),
  'three heads of attention': (net) => net.attention(3),
  'attention without heads': (net) => net.attention(1),
  'rows as one dimension and back': (net) => {
    const { shape } = net;
    net
      .add('reshape', [], { shape: [1, 16, channelsOf(net)] })
      .add('reshape', [], { shape: [...shape] });
  },
};

const heads: Readonly<Record<string, (net: FloatNetwork) => void>> = {
  flattened: (net) => net.dense(5).dense(3, 'none'),
  'flattened, channels first': (net) =>
    net.add('transpose', [], { perm: [0, 3, 1, 2] }).dense(3, 'none'),
  'mean over the image': (net) => net.mean().dense(3, 'none'),
  'rows of the last dimension': (net) => {
    net.add('reshape', [], { shape: [16, channelsOf(net)] });
    net.dense(3, 'none');
  },
};

/** Whole numbers, so that sums are exact in any order. */
function withIntegers(graph: Graph, seed: number): Graph {
  const random = makeRandom(seed);
  const integer = () => Math.floor(random() * 3) - 1;
  const tensors = graph.tensors.map((tensor) =>
    tensor.data === null
      ? tensor
      : { ...tensor, data: Float32Array.from({ length: tensor.data.length }, integer) },
  );
  return { ...graph, tensors };
}

function grown(names: readonly string[], head: string, seed: number): FloatNetwork {
  const net = new FloatNetwork([4, 4, 3], seed);
  net.conv(4, 3);
  for (const name of names) (parts[name] as (net: FloatNetwork) => void)(net);
  (heads[head] as (net: FloatNetwork) => void)(net);
  return net;
}

/** Groups drawn one by one, as long as every tensor keeps a channel. */
function drawn(graph: Graph, groups: readonly ChannelGroup[], seed: number) {
  const random = makeRandom(seed);
  const share = random();
  const counts = new Map<string, number>();
  return groups.filter(({ slices }) => {
    const after = slices.map(({ tensor, axis, indices }) => {
      const key = `${tensor}/${axis}`;
      const extent = tensorOf(graph, tensor).shape[axis] ?? 1;
      return [key, (counts.get(key) ?? extent) - indices.length] as const;
    });
    if (random() > share || after.some(([, left]) => left < 1)) return false;
    for (const [key, left] of after) counts.set(key, left);
    return true;
  });
}

/** The graph whose layers and summands compute zeros in the channels of these groups. */
function silenced(graph: Graph, groups: readonly ChannelGroup[]): Graph {
  const computing = new Map<TensorId, number>();
  for (const { op, inputs } of graph.nodes) {
    const [, weights, bias] = inputs;
    if (weighted.has(op)) computing.set(weights as TensorId, weighted.get(op) ?? 0);
    if (weighted.has(op)) computing.set(bias as TensorId, 0);
  }
  const tensors = [...graph.tensors];
  for (const { tensor, axis, indices } of groups.flatMap(({ slices }) => slices)) {
    if (computing.get(tensor) !== axis) continue;
    const { shape, data } = tensors[tensor] as { shape: readonly number[]; data: Float32Array };
    const inner = elementCount(shape.slice(axis + 1));
    const zeroed = data.map((value, i) =>
      indices.includes(Math.floor(i / inner) % (shape[axis] ?? 1)) ? 0 : value,
    );
    tensors[tensor] = { ...tensorOf(graph, tensor), data: zeroed };
  }
  return { ...graph, tensors };
}

interface Row {
  readonly edge: string;
  readonly build: (net: FloatNetwork) => void;
  /** How many channels each group takes from each computed tensor, and how many groups there are. */
  readonly groups: readonly string[];
  readonly kept?: readonly RegExp[];
}

const residual = parts['residual sum'] as (net: FloatNetwork) => void;

const rows: readonly Row[] = [
  { edge: 'two layers', build: (net) => net.conv(4).conv(2), groups: ['4: 1'] },
  { edge: 'output of the graph', build: (net) => net.conv(4), groups: [] },
  {
    edge: 'depthwise goes along',
    build: (net) => net.conv(4).depthwise().conv(2),
    groups: ['4: 1 1'],
  },
  {
    edge: 'two depthwise filters for each channel: both go',
    build: (net) => {
      net.conv(4);
      doubled(net);
      net.conv(2);
    },
    groups: ['4: 1 2'],
  },
  {
    edge: 'sum: both sides go together, what is inside goes alone',
    build: (net) => {
      net.conv(4);
      residual(net);
      net.conv(2);
    },
    groups: ['4: 1 1 1', '5: 1'],
  },
  {
    edge: 'sum with the input of the graph keeps all',
    build: (net) => {
      residual(net);
      net.conv(2);
    },
    groups: ['5: 1'],
  },
  {
    edge: 'flatten: a channel is a column of every pixel',
    build: (net) => net.conv(4).dense(3, 'none'),
    groups: ['4: 1 16'],
  },
  {
    edge: 'rows of an image, which nothing flattens before',
    build: (net) => {
      const attrs = { activation: 'none', rounding: 'double', keepDims: false };
      net.conv(4);
      net.add('fully_connected', [constant(net, [3, 64])], attrs);
    },
    groups: ['4: 1'],
  },
  {
    edge: 'concatenation: each side by itself',
    build: (net) => {
      const from = net.last;
      const ends = [3, 2].map((filters) => {
        net.last = from;
        return net.conv(filters, 1).last;
      });
      concatenate(net, ends);
      net.conv(2);
    },
    groups: ['5: 1 1'],
  },
  {
    edge: 'split with halves of a sum: pairs',
    build: (net) => {
      net.conv(6);
      const [first = 0, second = 0] = halves(net);
      net.last = first;
      net.add('add', [second], sum).conv(2);
    },
    groups: ['3: 2 1 1 1'],
  },
  {
    edge: 'heads of attention go whole, with their queries, keys and values',
    build: (net) => net.attention(3).conv(2),
    // Three projections, their reshapes and transposes; scores twice; the sum of values and back.
    groups: ['3: 2 1 1 2 1 1 2 1 1 1 1 1 1 2'],
  },
  {
    edge: 'without heads, channels of queries go with those of keys, and values alone',
    build: (net) => net.attention(1).conv(2),
    groups: ['2: 1 1', '2: 1 1 1'],
  },
  {
    edge: 'scores have no channels that could go',
    build: (net) => {
      const from = net.conv(4).add('reshape', [], { shape: [1, 16, 4] }).last;
      net.add('batch_matmul', [from], { transposeA: false, transposeB: true });
      net.add('reshape', [], { shape: [1, 4, 4, 16] }).conv(2);
    },
    groups: ['4: 1 1'],
  },
  {
    edge: 'a constant matrix keeps its input',
    build: (net) => {
      net
        .conv(4)
        .add('batch_matmul', [constant(net, [4, 5])], noTransposes)
        .conv(2);
    },
    groups: [],
    kept: [/batch_matmul.*: multiplies with a constant/],
  },
  {
    edge: 'one head of values for several of scores',
    build: (net) => {
      const from = net.conv(4).last;
      net.add('reshape', [], { shape: [1, 16, 2, 2] }).add('transpose', [], { perm: [0, 2, 1, 3] });
      const two = net.last;
      net.last = from;
      net.add('reshape', [], { shape: [1, 1, 4, 16] });
      net.last = net.add('batch_matmul', [two], noTransposes).last;
      net.conv(2);
    },
    groups: [],
    kept: [/batch_matmul.*: its operands have channels along two axes/],
  },
  {
    edge: 'softmax along another dimension passes channels on',
    build: (net) => {
      const back = [0, 2, 3, 1];
      net
        .conv(4)
        .add('transpose', [], { perm: [0, 3, 1, 2] })
        .softmax();
      net.add('transpose', [], { perm: back }).conv(2);
    },
    groups: ['4: 1 1 1 1'],
  },
  {
    edge: 'softmax inside keeps its input',
    build: (net) => net.conv(4).softmax().conv(2),
    groups: [],
    kept: [/softmax.*: each output depends on all channels/],
  },
  {
    edge: 'mean over the channels',
    build: (net) =>
      net
        .conv(4)
        .add('mean', [], { axes: [3], keepDims: true, algorithm: 'general' })
        .conv(2),
    groups: [],
    kept: [/mean.*: makes one number of all channels/],
  },
  {
    edge: 'grouped convolution',
    build: (net) => {
      net.conv(4).conv(4).conv(2);
      const weights = net.nodes[1]?.inputs[1] as TensorId;
      net.tensors[weights] = take(tensorOf(net.graph(), weights), 3, [0, 1]);
    },
    groups: [],
    kept: [/conv2d.*: its groups have equal sizes/],
  },
  {
    edge: 'every second channel',
    build: (net) => {
      const counts = [1, 4, 4, 2];
      const attrs = { begin: [0, 0, 0, 0], strides: [1, 1, 1, 2], counts, shape: counts };
      net.conv(4).add('strided_slice', [], attrs).conv(2);
    },
    groups: [],
    kept: [/strided_slice.*: takes every n-th channel/],
  },
  {
    edge: 'a convolution of transposed channels',
    build: (net) =>
      net
        .conv(4)
        .add('transpose', [], { perm: [0, 3, 1, 2] })
        .conv(2)
        .conv(2),
    groups: [],
    kept: [/conv2d.*: its channels are not the last axis/],
  },
  {
    edge: 'a factor for each of the positions that are channels of the other operand',
    build: (net) => {
      const from = net.last;
      const gate = net.conv(1).last;
      net.last = from;
      net.conv(4).add('transpose', [], { perm: [0, 3, 1, 2] });
      net.add('mul', [gate], { activation: 'none' }).add('transpose', [], { perm: [0, 2, 3, 1] });
      net.conv(2);
    },
    groups: [],
    kept: [/mul.*: its operands have channels along two axes/],
  },
  {
    edge: 'sum of channels along two axes',
    build: (net) => {
      net.conv(4);
      const first = net.last;
      net
        .add('transpose', [], { perm: [0, 3, 1, 2] })
        .add('add', [first], sum)
        .conv(2);
    },
    groups: [],
    kept: [/add.*: its operands have channels along two axes/],
  },
  {
    edge: 'gate of one channel: no part of the groups',
    build: (net) => {
      const from = net.conv(4).last;
      net.conv(1, 1).add('mul', [from], { activation: 'none' }).conv(2);
    },
    groups: ['4: 1 1'],
  },
  {
    edge: 'a bias that the last layer has, too, keeps all',
    build: (net) => {
      net.conv(4).dense(3).dense(3, 'none');
      const [first, second] = net.nodes.slice(-2) as [Node, Node];
      const inputs = second.inputs.with(2, first.inputs[2] as TensorId);
      net.nodes[net.nodes.length - 1] = { ...second, inputs };
    },
    groups: ['4: 1 16'],
  },
  {
    edge: 'a bias that is also a factor',
    build: (net) => {
      net.conv(4);
      net.add('mul', [net.nodes[0]?.inputs[2] as TensorId], { activation: 'none' }).conv(2);
    },
    groups: [],
    kept: [/is a constant that is read in two ways/],
  },
];

describe('shrinking', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  const outputs = (graph: Graph, seed: number) => {
    const random = makeRandom(seed);
    const shape = [2, ...tensorOf(graph, 0).shape.slice(1)];
    const x = Float32Array.from(
      { length: elementCount(shape) },
      () => Math.round(random() * 4) - 2,
    );
    return elementsOf(tf, () => runnerOf(tf, graph).run([tf.tensor(x, shape)])[0] as TfTensor);
  };

  for (const { edge, build, groups, kept = [] } of rows) {
    it(`groups: ${edge}`, () => {
      const net = new FloatNetwork([4, 4, 3]);
      build(net);
      const coupling = couplingOf(net.graph());
      const isComputed = (id: TensorId) => tensorOf(net.graph(), id).data === null;
      const kinds = coupling.groups.map(({ slices }) =>
        slices.flatMap(({ tensor, indices }) => (isComputed(tensor) ? [indices.length] : [])),
      );
      const counts = new Map<string, number>();
      for (const kind of kinds) counts.set(kind.join(' '), (counts.get(kind.join(' ')) ?? 0) + 1);
      expect([...counts].map(([kind, count]) => `${count}: ${kind}`)).to.deep.equal(groups);
      const notes = coupling.kept.map(({ where, why }) => `${where}: ${why}`);
      expect(notes).to.have.length(kept.length);
      notes.forEach((note, i) => {
        expect(note).to.match(kept[i] as RegExp);
      });
    });
  }

  it('leaves valid graphs, with the same outputs where removed channels are zero', () => {
    const made = { removed: 0, zeros: 0 };
    const property = fc.property(
      fc.array(fc.constantFrom(...Object.keys(parts)), { minLength: 1, maxLength: 3 }),
      fc.constantFrom(...Object.keys(heads)),
      fc.nat(),
      (names, head, seed) => {
        const net = grown(names, head, 1);
        const { groups } = couplingOf(net.graph());
        const removed = drawn(net.graph(), groups, seed);
        const graph = silenced(withIntegers(net.graph(), seed), removed);
        const small = shrunk(candidate(graph), removed).graph;
        checkModule({ ...net.module(), graphs: [small] }, operators, 'shrink');
        expect(outputs(small, seed)).to.deep.equal(outputs(graph, seed));
        made.removed += removed.length;
        made.zeros += outputs(graph, seed).every((value) => value === 0) ? 1 : 0;
      },
    );
    fc.assert(property, { numRuns: runs(120) });
    expect(made.removed).to.be.above(100);
    expect(made.zeros).to.be.below(40);
  });

  it('masks, scales and unrounded weights follow their weights', () => {
    const net = new FloatNetwork([4, 4, 3], 3).conv(6).depthwise().conv(5).dense(3, 'none');
    const graph = net.graph();
    const masks = new Map(
      parametersOf(graph).map((id) => [
        id,
        Uint8Array.from(tensorOf(graph, id).data as Float32Array, (v) => Number(v > 0)),
      ]),
    );
    const weightsOf = (from: Graph) =>
      from.nodes.flatMap(({ op, inputs }) => {
        const id = inputs[1] as TensorId;
        return weighted.has(op) ? [[id, tensorOf(from, id), scaleAxis({ op })] as const] : [];
      });
    // The first element of each channel as its scale.
    const scales = (from: Graph) =>
      new Map(
        weightsOf(from).map(([id, { shape, data }, axis]) => {
          const inner = elementCount(shape.slice((axis ?? 0) + 1));
          const count = axis === null ? 0 : (shape[axis] ?? 0);
          const own = Array.from({ length: count }, (_, c) => data?.[c * inner] as number);
          return [id, { type: 'int8' as const, axis, scales: own }];
        }),
      );
    const quantization = { activations: new Map(), weights: scales(graph) };
    const { groups } = couplingOf(graph);
    // Those of the first channels stay, so that first elements remain first.
    const removed = groups.filter((_, i) => ![0, 6].includes(i) && i % 2 === 1);
    const unrounded = new Map(
      parametersOf(graph).map((id) => [
        id,
        (tensorOf(graph, id).data as Float32Array).map((value) => 2 * value),
      ]),
    );
    const small = shrunk({ graph, masks, quantization, unrounded }, removed);
    expect(removed).to.have.length(5);
    for (const [id, mask] of small.masks) {
      const values = tensorOf(small.graph, id).data as Float32Array;
      expect([...mask]).to.deep.equal(Array.from(values, (v) => Number(v > 0)));
    }
    for (const [id, values] of small.unrounded ?? []) {
      const halves = tensorOf(small.graph, id).data as Float32Array;
      expect(values).to.deep.equal(halves.map((value) => 2 * value));
    }
    expect(small.unrounded?.size).to.equal(masks.size);
    expect(small.quantization?.weights).to.deep.equal(scales(small.graph));
  });

  it('refuses to remove all channels of a tensor, and to remove none changes nothing', () => {
    const { groups } = couplingOf(twoLayers());
    const start = candidate(twoLayers());
    expect(() => shrunk(start, groups)).to.throw(RangeError, 'no channel of "conv2d_0"');
    expect(shrunk(start, [])).to.deep.equal(start);
  });
});
