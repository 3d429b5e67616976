/** What each pass changes, and what it leaves alone. */
import { expect } from 'chai';
import { type Graph, type Module, mainGraph, type TensorId } from '../../src/compiler/ir/graph.js';
import { foldZeroPoints } from '../../src/compiler/passes/fold-zero-points.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { perTensorQuant, Random } from '../support/module.js';
import { NetworkBuilder } from '../support/networks.js';

interface Row {
  readonly edge: string;
  /** Gives the outputs. */
  readonly build: (b: NetworkBuilder, x: TensorId) => readonly TensorId[];
  /** The nodes that are left: operators with what they absorbed, and source indices. */
  readonly nodes: readonly string[];
  readonly faithful?: boolean;
}

const q = perTensorQuant(0.1, -20);
const other = perTensorQuant(0.2, 5);
const spatial = { pads: [0, 0, 1, 2, 3, 4, 0, 0] };

const leaky = { alpha: 0.1 };
const probability = { quant: perTensorQuant(1 / 256, -128) };
const softmax = { beta: 1, algorithm: 'fixed' };
const pool = {
  kernelH: 2,
  kernelW: 2,
  strideH: 1,
  strideW: 1,
  padTop: 0,
  padBottom: 0,
  padLeft: 0,
  padRight: 0,
  activation: 'none',
};

const tables: Readonly<Record<string, readonly Row[]>> = {
  'fold-constants': [
    {
      edge: 'a chain of constants becomes one constant',
      build: (b, x) => {
        const sum = b.add(b.values([1], q), b.values([1], q));
        return [b.add(x, b.reshape(sum, [1, 1]))];
      },
      nodes: ['add 2'],
    },
    {
      edge: 'an output stays computed: it has to lie in the arena',
      build: (b, x) => [b.add(b.values([4], q), b.values([4], q)), b.add(x, x)],
      nodes: ['add 0', 'add 1'],
    },
    {
      edge: 'faithful: nothing is folded',
      build: (b, x) => [b.add(x, b.add(b.values([1], q), b.values([1], q)))],
      nodes: ['add 0', 'add 1'],
      faithful: true,
    },
  ],
  'drop-reshapes': [
    {
      edge: 'fully_connected flattens by itself',
      build: (b, x) => [b.dense(b.reshape(x, [1, 64]), 3)],
      nodes: ['fully_connected 1'],
    },
    {
      edge: 'fully_connected that keeps dimensions reads its rank',
      build: (b, x) => [b.dense(b.reshape(x, [16, 4]), 3, { keepDims: true })],
      nodes: ['reshape 0', 'fully_connected 1'],
    },
    {
      edge: 'of a chain the last is enough',
      build: (b, x) => [
        b.node('softmax', [b.reshape(b.reshape(x, [64]), [1, 64])], softmax, probability),
      ],
      nodes: ['reshape 1', 'softmax 2'],
    },
    {
      edge: 'there and back again is nothing',
      build: (b, x) => [b.conv2d(b.reshape(b.reshape(x, [64]), [1, 4, 4, 4]), 2)],
      nodes: ['conv2d 2'],
    },
    {
      edge: 'integers are copied between unlike scales: a reader would take them for other values',
      build: (b, x) => [b.dense(b.node('reshape', [x], { shape: [1, 64] }, { quant: other }), 3)],
      nodes: ['reshape 0', 'fully_connected 1'],
    },
    {
      edge: 'an output keeps its shape',
      build: (b, x) => [b.reshape(b.add(x, x), [64])],
      nodes: ['add 0', 'reshape 1'],
    },
  ],
  'fuse-activations': [
    {
      edge: 'relu after a convolution',
      build: (b, x) => [b.node('relu', [b.conv2d(x, 2)])],
      nodes: ['conv2d+relu 0,1'],
    },
    {
      edge: 'the narrower of two',
      build: (b, x) => [b.node('relu6', [b.dense(x, 2, { activation: 'relu' })])],
      nodes: ['fully_connected+relu6 0,1'],
    },
    {
      edge: 'a chain of three',
      build: (b, x) => [b.node('relu', [b.node('relu6', [b.add(x, x)])])],
      nodes: ['add+relu6+relu 0,1,2'],
    },
    {
      edge: '[0, 1] has no name',
      build: (b, x) => [b.node('relu_n1_to_1', [b.conv2d(x, 2, { activation: 'relu' })])],
      nodes: ['conv2d 0', 'relu_n1_to_1 1'],
    },
    {
      edge: 'another scale: the activation requantizes',
      build: (b, x) => [b.node('relu', [b.conv2d(x, 2)], {}, { quant: other })],
      nodes: ['conv2d 0', 'relu 1'],
    },
    {
      edge: 'another reader sees the values before the activation',
      build: (b, x) => {
        const y = b.conv2d(x, 4);
        return [b.add(y, b.node('relu', [y]))];
      },
      nodes: ['conv2d 0', 'relu+add 1,2'],
    },
    {
      edge: 'so does an output',
      build: (b, x) => {
        const y = b.conv2d(x, 4);
        return [y, b.node('relu', [y])];
      },
      nodes: ['conv2d 0', 'relu 1'],
    },
    {
      edge: 'a dead reader sees nothing',
      build: (b, x) => {
        const y = b.conv2d(x, 4);
        b.node('leaky_relu', [y], leaky);
        return [b.node('relu', [y])];
      },
      nodes: ['conv2d+relu 0,2'],
    },
    {
      edge: 'a producer that does not clamp',
      build: (b, x) => [b.node('relu', [b.node('softmax', [x], softmax, probability)])],
      nodes: ['softmax 0', 'relu 1'],
    },
    {
      edge: 'faithful: both stay',
      build: (b, x) => [b.node('relu', [b.conv2d(x, 2)])],
      nodes: ['conv2d 0', 'relu 1'],
      faithful: true,
    },
  ],
  'fuse-pads': [
    {
      edge: 'added to the padding of a convolution',
      build: (b, x) => [b.conv2d(b.node('pad', [x], spatial), 2, { kernel: 3, pad: 1 })],
      nodes: ['conv2d+pad 0,1'],
    },
    {
      edge: 'of a depthwise one, with an activation after',
      build: (b, x) => [b.node('relu', [b.depthwise(b.node('pad', [x], spatial))])],
      nodes: ['depthwise_conv2d+pad+relu 0,1,2'],
    },
    {
      edge: 'an explicit value that is the zero point',
      build: (b, x) => [b.conv2d(b.node('pad', [x], { ...spatial, value: -20 }), 2)],
      nodes: ['conv2d+pad 0,1'],
    },
    {
      edge: 'another value',
      build: (b, x) => [b.conv2d(b.node('pad', [x], { ...spatial, value: 0 }), 2)],
      nodes: ['pad 0', 'conv2d 1'],
    },
    {
      edge: 'channels are no window',
      build: (b, x) => [b.conv2d(b.node('pad', [x], { pads: [0, 0, 1, 1, 1, 1, 0, 1] }), 2)],
      nodes: ['pad 0', 'conv2d 1'],
    },
    {
      edge: 'an average would not count padded elements',
      build: (b, x) => [b.node('average_pool2d', [b.node('pad', [x], spatial)], pool)],
      nodes: ['pad 0', 'average_pool2d 1'],
    },
    {
      edge: 'two readers',
      build: (b, x) => {
        const y = b.node('pad', [x], spatial);
        return [b.conv2d(y, 2), b.conv2d(y, 2)];
      },
      nodes: ['pad 0', 'conv2d 1', 'conv2d 2'],
    },
  ],
  'transpose-conv-to-convolutions': [
    {
      edge: '3×3, stride 2: phases with 4, 2, 2 and 1 taps',
      build: (b, x) => [b.transposed(x, 3, 2, 8)],
      nodes: ['conv2d 0', 'conv2d 0', 'conv2d 0', 'conv2d 0', 'interleave 0'],
    },
    {
      edge: '4×4, stride 2: all phases have as many taps',
      build: (b, x) => [b.transposed(x, 4, 2, 8)],
      nodes: ['conv2d 0', 'interleave 0'],
    },
    {
      edge: 'stride 1 needs no copy',
      build: (b, x) => [b.transposed(x, 3, 1, 6)],
      nodes: ['conv2d 0'],
    },
    {
      edge: 'one column in and a stride as large as the kernel: pixels lie in order',
      build: (b, x) => [b.transposed(b.reshape(x, [1, 1, 1, 64]), 2, 2, 2)],
      nodes: ['reshape 0', 'fully_connected 1', 'reshape 1'],
    },
    {
      edge: 'an activation first becomes part of it',
      build: (b, x) => [b.node('relu', [b.transposed(x, 3, 1, 6)])],
      nodes: ['conv2d+relu 0,1'],
    },
    {
      edge: 'faithful: it stays',
      build: (b, x) => [b.transposed(x, 3, 1, 6)],
      nodes: ['transpose_conv 0'],
      faithful: true,
    },
  ],
  'depthwise-to-convolution': [
    {
      edge: 'one input channel',
      build: (b, x) => [b.depthwise(b.conv2d(x, 1), { multiplier: 2 })],
      nodes: ['conv2d 0', 'conv2d 1'],
    },
    {
      edge: 'one output as well: kernels of convolutions compute several',
      build: (b, x) => [b.depthwise(b.conv2d(x, 1))],
      nodes: ['conv2d 0', 'depthwise_conv2d 1'],
    },
    {
      edge: 'one with many outputs, which take in a sum',
      build: (b, x) => [b.add(x, b.depthwise(b.conv2d(x, 1), { multiplier: 4, pad: 1 }))],
      nodes: ['conv2d 0', 'conv2d+add 1,2'],
    },
    {
      edge: 'two input channels',
      build: (b, x) => [b.depthwise(b.conv2d(x, 2), { multiplier: 4 })],
      nodes: ['conv2d 0', 'depthwise_conv2d 1'],
    },
    {
      edge: 'faithful: it stays',
      build: (b, x) => [b.depthwise(b.conv2d(x, 1), { multiplier: 2 })],
      nodes: ['conv2d 0', 'depthwise_conv2d 1'],
      faithful: true,
    },
  ],
  'convolution-to-row': [
    {
      edge: 'one pixel, 1×1; that it strides has no effect',
      build: (b, x) => [b.conv2d(b.conv2d(b.reshape(x, [1, 1, 1, 64]), 3), 2, { stride: 2 })],
      nodes: ['reshape 0', 'fully_connected 1', 'fully_connected 2'],
    },
    {
      edge: 'its sum with another tensor',
      build: (b, x) => {
        const y = b.reshape(x, [1, 1, 1, 64]);
        return [b.add(y, b.conv2d(y, 64))];
      },
      nodes: ['reshape 0', 'fully_connected+add 1,2'],
    },
    {
      edge: 'two pixels; a window of zeros around one pixel',
      build: (b, x) => [
        b.conv2d(b.reshape(x, [1, 2, 1, 32]), 3),
        b.conv2d(b.reshape(x, [1, 1, 1, 64]), 3, { kernel: 3, pad: 1 }),
      ],
      nodes: ['reshape 0', 'conv2d 1', 'reshape 2', 'conv2d 3'],
    },
    {
      edge: 'faithful: it stays',
      build: (b, x) => [b.conv2d(b.reshape(x, [1, 1, 1, 64]), 3)],
      nodes: ['reshape 0', 'conv2d 1'],
      faithful: true,
    },
  ],
  'compose-lookups': [
    {
      edge: 'a chain of three',
      build: (b, x) => {
        const y = b.node('relu', [b.node('leaky_relu', [x], leaky)], {}, { quant: other });
        return [b.node('logistic', [y], { algorithm: 'fixed' }, probability)];
      },
      nodes: ['leaky_relu+relu+logistic 0,1,2'],
    },
    {
      edge: 'two readers of the first',
      build: (b, x) => {
        const y = b.node('leaky_relu', [x], leaky);
        return [b.node('relu', [y]), b.node('relu6', [y])];
      },
      nodes: ['leaky_relu 0', 'relu 1', 'relu6 2'],
    },
    {
      edge: 'an output of the model between them',
      build: (b, x) => {
        const y = b.node('leaky_relu', [x], leaky);
        return [y, b.node('relu', [y])];
      },
      nodes: ['leaky_relu 0', 'relu 1'],
    },
    {
      edge: 'one that rounds elements by their place',
      build: (b, x) => {
        const vector = b.node('quantize', [x], { algorithm: 'vector' }, { quant: other });
        return [b.node('relu', [b.reshape(vector, [4, 16])])];
      },
      nodes: ['quantize 0', 'reshape 1', 'relu 2'],
    },
  ],
  'fuse-residuals': [
    {
      edge: 'a sum with what the convolution read',
      build: (b, x) => [b.add(x, b.conv2d(x, 4))],
      nodes: ['conv2d+add 0,1'],
    },
    {
      edge: 'the later one of two convolutions, whichever operand it is',
      build: (b, x) => {
        const [y, z] = [b.conv2d(x, 3), b.conv2d(x, 3)];
        return [b.add(z, y)];
      },
      nodes: ['conv2d 0', 'conv2d+add 1,2'],
    },
    {
      edge: 'in the place of the sum: the other operand is computed after the convolution',
      build: (b, x) => {
        const y = b.conv2d(x, 4);
        return [b.add(y, b.node('leaky_relu', [x], leaky))];
      },
      nodes: ['leaky_relu 1', 'conv2d+add 0,2'],
    },
    {
      edge: 'the activation of the convolution and that of the sum',
      build: (b, x) => {
        const y = b.node('relu', [b.conv2d(x, 4)]);
        return [b.node('relu6', [b.add(x, y)])];
      },
      nodes: ['conv2d+relu+add+relu6 0,1,2,3'],
    },
    {
      edge: 'a fully connected layer',
      build: (b, x) => {
        const y = b.dense(b.reshape(x, [4, 16]), 5);
        return [b.add(y, b.dense(y, 5))];
      },
      nodes: ['fully_connected 1', 'fully_connected+add 2,3'],
    },
    {
      edge: 'one sum a convolution',
      build: (b, x) => [b.add(x, b.add(x, b.conv2d(x, 4)))],
      nodes: ['conv2d+add 0,1', 'add 2'],
    },
    {
      edge: 'two readers',
      build: (b, x) => {
        const y = b.conv2d(x, 4);
        return [b.add(x, y), b.node('leaky_relu', [y], leaky)];
      },
      nodes: ['conv2d 0', 'add 1', 'leaky_relu 2'],
    },
    {
      edge: 'both operands',
      build: (b, x) => {
        const y = b.conv2d(x, 4);
        return [b.add(y, y)];
      },
      nodes: ['conv2d 0', 'add 1'],
    },
    {
      edge: 'an output of the model',
      build: (b, x) => {
        const y = b.conv2d(x, 4);
        return [y, b.add(x, y)];
      },
      nodes: ['conv2d 0', 'add 1'],
    },
    {
      edge: 'a constant',
      build: (b, x) => [b.add(b.conv2d(x, 4), b.values([1, 4, 4, 4], q))],
      nodes: ['conv2d 0', 'add 1'],
    },
    {
      edge: 'an operand that repeats',
      build: (b, x) => [b.add(b.conv2d(x, 1), x)],
      nodes: ['conv2d 0', 'add 1'],
    },
  ],
  'remove-dead-nodes': [
    {
      edge: 'a chain that nothing reads',
      build: (b, x) => {
        b.node('relu', [b.node('relu6', [x])]);
        return [b.node('leaky_relu', [x], leaky)];
      },
      nodes: ['leaky_relu 2'],
    },
    {
      edge: 'one of two outputs is enough to stay',
      build: (b, x) => [
        b.nodeAll('split', [x], { axis: 3, count: 2 }, { outputs: 2 })[1] as number,
      ],
      nodes: ['split 0'],
    },
    {
      edge: 'faithful: dead nodes stay',
      build: (b, x) => {
        b.node('relu', [x]);
        return [b.node('leaky_relu', [x], leaky)];
      },
      nodes: ['relu 0', 'leaky_relu 1'],
      faithful: true,
    },
  ],
};

function build(make: Row['build']): Module {
  const b = new NetworkBuilder(new Random(7));
  return b.module(make(b, b.input([1, 4, 4, 4], q)));
}

function nodesOf({ nodes }: Graph): readonly string[] {
  return nodes.map(({ op, fused, ops }) => `${[op, ...fused].join('+')} ${ops.join()}`);
}

for (const [pass, rows] of Object.entries(tables)) {
  describe(pass, () => {
    for (const { edge, build: make, nodes, faithful = false } of rows) {
      it(edge, () => {
        expect(nodesOf(mainGraph(runPasses(build(make), { faithful })))).to.deep.equal(nodes);
      });
    }
  });
}

interface FoldRow {
  readonly edge: string;
  readonly zp: number;
  readonly w: readonly number[];
  readonly b: readonly number[] | null;
  readonly want: readonly number[];
}

describe('fold-zero-points', () => {
  const folded = (zeroPoint: number, weights: Int8Array, bias: Int32Array | null) => {
    const b = new NetworkBuilder();
    const depth = weights.length / 2;
    const x = b.input([1, depth], perTensorQuant(0.5, zeroPoint));
    const w = b.constant(weights, [2, depth], perTensorQuant(0.25, 0));
    const inputs = [x, w, bias === null ? null : b.constant(bias)];
    const y = b.node('fully_connected', inputs, { activation: 'none', rounding: 'double' });
    const graph = mainGraph(runPasses(b.module([y]), { faithful: false }));
    const [node] = graph.nodes;
    const id = node?.inputs[2];
    return {
      isFolded: node?.attrs.zeroPointFolded === true,
      bias: id == null ? null : graph.tensors[id],
    };
  };
  const rows: readonly FoldRow[] = [
    { edge: 'b − zp·Σw', zp: 3, w: [1, 2, -4, 5], b: [10, 20], want: [1, 17] },
    { edge: 'a negative zero point', zp: -128, w: [127, 127, 1, 0], b: [0, 0], want: [32512, 128] },
    { edge: 'no bias', zp: 3, w: [1, 2, -4, 5], b: null, want: [-9, -3] },
    { edge: 'zero point 0', zp: 0, w: [1, 2, -4, 5], b: [1, 2], want: [1, 2] },
    {
      edge: 'one below the first sum that could leave int32',
      zp: 0,
      w: [1, 0, 0, 0],
      b: [2 ** 31 - 129, 0],
      want: [2 ** 31 - 129, 0],
    },
  ];
  for (const { edge, zp, w, b, want } of rows) {
    it(edge, () => {
      const { bias, isFolded } = folded(zp, Int8Array.from(w), b && Int32Array.from(b));
      expect(isFolded).to.equal(true);
      expect(bias?.data).to.deep.equal(Int32Array.from(want));
    });
  }

  it('gives a missing bias the scale of the products', () => {
    const { bias } = folded(1, Int8Array.of(1, 2), null);
    expect(bias?.quant).to.deep.equal({ scales: [0.125], zeroPoints: [0], axis: null });
  });

  it('leaves alone what could overflow', () => {
    // A bias that large is refused on import, so the pass is called by itself.
    const b = new NetworkBuilder();
    const x = b.input([1, 1], perTensorQuant(0.5, -100));
    const y = b.dense(x, 1);
    const graph = mainGraph(b.module([y]));
    const huge = graph.tensors.map((tensor) =>
      tensor.dtype === 'int32' ? { ...tensor, data: Int32Array.of(2 ** 31 - 1) } : tensor,
    );
    expect(foldZeroPoints({ ...graph, tensors: huge }).nodes).to.deep.equal(graph.nodes);
  });

  it('gives two layers that share a bias one each', () => {
    const b = new NetworkBuilder();
    const x = b.input([1, 1], perTensorQuant(0.5, -100));
    const w = b.constant(Int8Array.of(3), [1, 1], perTensorQuant(0.25, 0));
    const bias = b.constant(Int32Array.of(5));
    const attrs = { activation: 'none', rounding: 'double' };
    const hidden = b.node('fully_connected', [x, w, bias], attrs, { quant: other });
    const y = b.node('fully_connected', [hidden, w, bias], attrs);
    const graph = mainGraph(runPasses(b.module([y]), { faithful: true }));
    const biases = graph.nodes.map((node) => graph.tensors[node.inputs[2] ?? -1]?.data?.[0]);
    expect(biases).to.deep.equal([305, -10]);
  });
});

describe('drop-unused-tensors', () => {
  it('numbers what is left without gaps', () => {
    const module = build((b, x) => {
      b.constant(Int8Array.of(1));
      return [b.dense(b.reshape(x, [1, 64]), 3)];
    });
    const { tensors, inputs, outputs, nodes } = mainGraph(runPasses(module, { faithful: false }));
    expect(tensors).to.have.length(4);
    expect(inputs).to.deep.equal([0]);
    expect(outputs.map((id) => tensors[id]?.name)).to.deep.equal(['fully_connected_1/out_0']);
    expect(nodes[0]?.inputs.map((id) => tensors[id ?? -1]?.dtype)).to.deep.equal([
      'int8',
      'int8',
      'int32',
    ]);
  });

  it('keeps an input that nothing reads', () => {
    const b = new NetworkBuilder();
    const [x] = [b.input([1, 2]), b.input([1, 2])];
    const graph = mainGraph(runPasses(b.module([b.node('relu', [x])]), { faithful: false }));
    expect(graph.inputs).to.deep.equal([0, 1]);
  });
});
