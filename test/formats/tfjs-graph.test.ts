/** Graph models: what is imported computes what TensorFlow.js's own reader of graphs computes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import { expect } from 'chai';
import { elementCount, type Shape } from '../../src/compiler/ir/graph.js';
import { loadBackend, type Tf, type TfTensor } from '../../src/compress/tensorflow.js';
import { BonsaiError } from '../../src/errors.js';
import { Random } from '../support/module.js';
import { difference, imported, inputsFor, mainGraph, run, type Saved } from './tfjs.js';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const s = (text: string) => ({ s: base64(text) });
const i = (...values: number[]) => ({ list: { i: values.map(String) } });
const f = (value: number) => ({ f: value });
const b = (value: boolean) => ({ b: value });
const type = { T: { type: 'DT_FLOAT' } };

type Attrs = Readonly<Record<string, object>>;
/** An operator with its inputs by name, in the order of execution; the last is the output. */
type Step = readonly [name: string, op: string, inputs: readonly string[], attrs?: Attrs];
type Constant = { readonly shape: Shape; readonly data?: readonly number[] };

interface Small {
  readonly input: Shape;
  readonly constants?: Readonly<Record<string, Constant>>;
  readonly steps: readonly Step[];
}

/** model.json and its weights: random, or the given integers. */
function saved({ input, constants = {}, steps }: Small, seed: number): Saved {
  const random = new Random(seed);
  const dim = input.map((size, d) => ({ size: String(d === 0 ? -1 : size) }));
  const names = Object.keys(constants);
  const dtype = { dtype: { type: 'DT_FLOAT' } };
  const node = [
    { name: 'x', op: 'Placeholder', attr: { ...dtype, shape: { shape: { dim } } } },
    ...names.map((name) => ({ name, op: 'Const', attr: dtype })),
    ...steps.map(([name, op, inputs, attr]) => ({
      name,
      op,
      input: inputs,
      attr: { ...type, ...attr },
    })),
  ];
  const weights = Object.entries(constants).map(([name, { shape, data }]) => ({
    ...{ name, shape: [...shape], dtype: data === undefined ? 'float32' : 'int32' },
  }));
  const bytes = Object.entries(constants).map(([name, { shape, data }]) => {
    if (data !== undefined) return Buffer.from(Int32Array.from(data).buffer);
    const [low, high] = /variance/.test(name) ? [50, 400] : [-200, 200];
    const values = { length: elementCount(shape) };
    return Buffer.from(Float32Array.from(values, () => random.integer(low, high) / 200).buffer);
  });
  const last = steps.at(-1)?.[0];
  const json = {
    format: 'graph-model',
    modelTopology: { node, library: {}, versions: { producer: 1 } },
    weightsManifest: [{ paths: ['w.bin'], weights }],
    signature: { inputs: { x: { name: 'x:0' } }, outputs: { y: { name: `${last}:0` } } },
  };
  return {
    json: Buffer.from(JSON.stringify(json)),
    files: new Map([['w.bin', Buffer.concat(bytes)]]),
  };
}

async function predicted(
  tf: Tf,
  { json, files }: Saved,
  inputs: readonly TfTensor[],
): Promise<TfTensor> {
  const { modelTopology, weightsManifest, signature } = JSON.parse(Buffer.from(json).toString());
  const bytes = Buffer.concat([...files.values()]);
  const model = await loadGraphModel(
    tf.io.fromMemory({
      ...{ modelTopology, signature, format: 'graph-model' },
      weightSpecs: weightsManifest[0].weights,
      weightData: new Uint8Array(bytes).buffer,
    }),
  );
  return model.execute(inputs[0] as never) as never;
}

type Row = readonly [edge: string, small: Small, ops?: readonly string[]];
const one = (
  input: Shape,
  op: string,
  attrs: Attrs = {},
  constants: Small['constants'] = {},
): Small => ({
  ...{ input, constants },
  steps: [['y', op, ['x', ...Object.keys(constants)], attrs]],
});

function* windows(): Iterable<Row> {
  for (const [height, width] of [
    [8, 8],
    [7, 9],
  ] as const) {
    for (const padding of ['SAME', 'VALID']) {
      for (const stride of [1, 2, 3]) {
        const input = [1, height, width, 2];
        const strides = i(1, stride, stride, 1);
        const name = `[${input}] ${padding} stride ${stride}`;
        const window = { strides, dilations: i(1, 1, 1, 1), padding: s(padding) };
        const pool = { ...window, ksize: i(1, 3, 2, 1) };
        yield [
          `Conv2D ${name}`,
          one(input, 'Conv2D', window, { kernel: { shape: [3, 2, 2, 4] } }),
          ['conv2d'],
        ];
        yield [
          `DepthwiseConv2dNative ${name}`,
          one(input, 'DepthwiseConv2dNative', window, { kernel: { shape: [3, 3, 2, 2] } }),
          ['depthwise_conv2d'],
        ];
        yield [`MaxPool ${name}`, one(input, 'MaxPool', pool), ['max_pool2d']];
        yield [`AvgPool ${name}`, one(input, 'AvgPool', pool), ['average_pool2d']];
      }
    }
  }
}

const image = [1, 5, 6, 3];
const valid = { strides: i(1, 1, 1, 1), dilations: i(1, 1, 1, 1), padding: s('VALID') };
const kernel = { shape: [3, 3, 3, 4] };
const fusedOps = (...names: string[]) => ({
  fused_ops: { list: { s: names.map(base64) } },
  num_args: { i: '1' },
});
const channels = { shape: [3] };
const integers = (...data: number[]): Constant => ({ shape: [data.length], data });
const number = (value: number): Constant => ({ shape: [], data: [value] });
const statistics = { gamma: channels, beta: channels, mean: channels, variance: channels };

const rows: readonly Row[] = [
  ...windows(),
  [
    'Conv2D dilated',
    one([1, 9, 9, 3], 'Conv2D', { ...valid, dilations: i(1, 2, 3, 1) }, { kernel }),
    ['conv2d'],
  ],
  [
    'Conv2D with explicit padding',
    one(
      image,
      'Conv2D',
      {
        strides: i(1, 2, 2, 1),
        dilations: i(1, 1, 1, 1),
        padding: s('EXPLICIT'),
        explicit_paddings: i(0, 0, 1, 0, 2, 3, 0, 0),
      },
      { kernel },
    ),
    ['conv2d'],
  ],
  ...['Relu', 'Relu6'].map(
    (name): Row => [
      `_FusedConv2D with ${name}`,
      one(
        image,
        '_FusedConv2D',
        { ...valid, ...fusedOps('BiasAdd', name) },
        { kernel, bias: { shape: [4] } },
      ),
      ['conv2d'],
    ],
  ),
  [
    '_FusedConv2D with a bias',
    one(
      image,
      '_FusedConv2D',
      { ...valid, ...fusedOps('BiasAdd') },
      { kernel, bias: { shape: [4] } },
    ),
    ['conv2d'],
  ],
  [
    '_FusedConv2D with LeakyRelu',
    one(
      image,
      '_FusedConv2D',
      { ...valid, ...fusedOps('BiasAdd', 'LeakyRelu'), leakyrelu_alpha: f(0.3) },
      { kernel, bias: { shape: [4] } },
    ),
    ['conv2d', 'leaky_relu'],
  ],
  [
    'FusedDepthwiseConv2dNative',
    one(
      image,
      'FusedDepthwiseConv2dNative',
      { ...valid, ...fusedOps('BiasAdd', 'Relu6') },
      { kernel: { shape: [3, 3, 3, 1] }, bias: channels },
    ),
    ['depthwise_conv2d'],
  ],
  ['MatMul', one([1, 5], 'MatMul', {}, { kernel: { shape: [5, 3] } }), ['fully_connected']],
  [
    'MatMul of transposed weights',
    one([1, 5], 'MatMul', { transpose_b: b(true) }, { kernel: { shape: [3, 5] } }),
    ['fully_connected'],
  ],
  [
    '_FusedMatMul with Relu',
    one([1, 5], '_FusedMatMul', fusedOps('BiasAdd', 'Relu'), {
      kernel: { shape: [5, 3] },
      bias: channels,
    }),
    ['fully_connected'],
  ],
  [
    'FusedBatchNormV3 alone',
    one(image, 'FusedBatchNormV3', { epsilon: f(0.01), is_training: b(false) }, statistics),
    ['mul', 'add'],
  ],
  [
    'convolution, BiasAdd, FusedBatchNormV3, Relu become one',
    {
      input: image,
      constants: { kernel: { shape: [2, 2, 3, 3] }, bias: channels, ...statistics },
      steps: [
        ['a', 'Conv2D', ['x', 'kernel'], valid],
        ['b', 'BiasAdd', ['a', 'bias']],
        [
          'c',
          'FusedBatchNormV3',
          ['b', 'gamma', 'beta', 'mean', 'variance'],
          { epsilon: f(0.01), is_training: b(false) },
        ],
        ['y', 'Relu', ['c']],
      ],
    },
    ['conv2d'],
  ],
  [
    'factors and terms of other forms are folded too',
    {
      input: image,
      constants: {
        kernel: { shape: [1, 1, 3, 3] },
        factor: { shape: [1, 1, 1, 3] },
        term: { shape: [] },
        less: channels,
      },
      steps: [
        ['a', 'Conv2D', ['x', 'kernel'], valid],
        ['b', 'Mul', ['factor', 'a']],
        ['c', 'AddV2', ['b', 'term']],
        ['y', 'Sub', ['c', 'less']],
      ],
    },
    ['conv2d'],
  ],
  [
    'a constant less a convolution is not',
    {
      input: image,
      constants: { kernel: { shape: [1, 1, 3, 3] }, term: channels },
      steps: [
        ['a', 'Conv2D', ['x', 'kernel'], valid],
        ['y', 'Sub', ['term', 'a']],
      ],
    },
    ['conv2d', 'sub'],
  ],
  [
    'a value for each pixel is not',
    {
      input: image,
      constants: { kernel: { shape: [1, 1, 3, 3] }, term: { shape: [1, 5, 6, 1] } },
      steps: [
        ['a', 'Conv2D', ['x', 'kernel'], valid],
        ['y', 'AddV2', ['a', 'term']],
      ],
    },
    ['conv2d', 'add'],
  ],
  [
    'a sum that two read keeps its activation apart',
    {
      input: image,
      constants: {},
      steps: [
        ['a', 'AddV2', ['x', 'x']],
        ['r', 'Relu', ['a']],
        ['y', 'Mul', ['r', 'a']],
      ],
    },
    ['add', 'relu', 'mul'],
  ],
  ...['Relu', 'Relu6', 'Sigmoid', 'Tanh', 'Softmax', 'Identity', 'Neg'].map(
    (op): Row => [
      op,
      {
        input: [1, 7],
        steps: [
          ['a', op, ['x']],
          ['y', 'AddV2', ['a', 'x']],
        ],
      },
    ],
  ),
  ['LeakyRelu', one([1, 7], 'LeakyRelu', { alpha: f(0.1) }), ['leaky_relu']],
  ['BiasAdd at the input', one([1, 7], 'BiasAdd', {}, { bias: { shape: [7] } }), ['add']],
  ['RealDiv by a constant', one(image, 'RealDiv', {}, { variance: channels }), ['mul']],
  [
    'Mean over height and width',
    one(image, 'Mean', { keep_dims: b(false) }, { axes: integers(1, 2) }),
    ['mean'],
  ],
  [
    'Mean, axes from the end, kept',
    one(image, 'Mean', { keep_dims: b(true) }, { axes: integers(-2, -3) }),
    ['mean'],
  ],
  [
    'Max over height and width',
    one(image, 'Max', { keep_dims: b(false) }, { axes: integers(1, 2) }),
    ['max_pool2d', 'reshape'],
  ],
  [
    'Pad',
    one(image, 'Pad', {}, { sides: { shape: [4, 2], data: [0, 0, 1, 2, 0, 3, 0, 0] } }),
    ['pad'],
  ],
  ['Reshape with −1', one(image, 'Reshape', {}, { shape: integers(-1, 90) }), ['reshape']],
  ['Squeeze', one([1, 5, 1, 3], 'Squeeze', { squeeze_dims: i(2) }), ['reshape']],
  ['Squeeze from the end', one([1, 5, 1, 3], 'Squeeze', { squeeze_dims: i(-2) }), ['reshape']],
  ['ExpandDims from the end', one([1, 5, 3], 'ExpandDims', {}, { axis: number(-2) }), ['reshape']],
  ['Transpose', one([1, 5, 3], 'Transpose', {}, { perm: integers(0, 2, 1) }), ['transpose']],
  [
    'ResizeNearestNeighbor',
    one(
      image,
      'ResizeNearestNeighbor',
      { half_pixel_centers: b(false), align_corners: b(false) },
      { size: integers(10, 9) },
    ),
    ['resize_nearest_neighbor'],
  ],
  [
    'ConcatV2 with a constant axis from the end',
    {
      input: image,
      constants: { axis: number(-1) },
      steps: [
        ['a', 'Relu', ['x']],
        ['y', 'ConcatV2', ['a', 'x', 'axis']],
      ],
    },
    ['relu', 'concatenation'],
  ],
  [
    'a shape that is put together from that of the input',
    {
      input: image,
      constants: { zero: integers(0), one: integers(1), rest: number(90) },
      steps: [
        ['s', 'Shape', ['x']],
        ['n', 'StridedSlice', ['s', 'zero', 'one', 'one'], { shrink_axis_mask: { i: '1' } }],
        ['p', 'Pack', ['n', 'rest']],
        ['y', 'Reshape', ['x', 'p']],
      ],
    },
    ['reshape'],
  ],
  [
    'all of a shape, between masks',
    {
      input: image,
      constants: { flat: integers(-1, 90), one: integers(1), two: integers(2) },
      steps: [
        ['s', 'Shape', ['x']],
        [
          'all',
          'StridedSlice',
          ['s', 'two', 'one', 'one'],
          { begin_mask: { i: '1' }, end_mask: { i: '1' } },
        ],
        ['f', 'Reshape', ['x', 'flat']],
        ['r', 'Relu', ['f']],
        ['y', 'Reshape', ['r', 'all']],
      ],
    },
    ['reshape', 'relu', 'reshape'],
  ],
  [
    'the last extent of a shape, counted from its end',
    {
      input: image,
      constants: { last: integers(-1), zero: integers(0), one: integers(1), rest: number(30) },
      steps: [
        ['s', 'Shape', ['x']],
        ['n', 'StridedSlice', ['s', 'zero', 'one', 'one'], { shrink_axis_mask: { i: '1' } }],
        ['c', 'StridedSlice', ['s', 'last', 'zero', 'one'], { shrink_axis_mask: { i: '1' } }],
        ['p', 'Pack', ['n', 'rest', 'c']],
        ['y', 'Reshape', ['x', 'p']],
      ],
    },
    ['reshape'],
  ],
  [
    'PadV2 with zeros',
    one(
      image,
      'PadV2',
      {},
      { sides: { shape: [4, 2], data: [0, 0, 1, 2, 0, 3, 0, 0] }, zero: number(0) },
    ),
    ['pad'],
  ],
];

const sides = (...data: number[]): Constant => ({ shape: [data.length / 2, 2], data });
const refused: readonly (readonly [edge: string, small: Small, says: RegExp])[] = [
  ['an axis behind the last', one(image, 'Mean', {}, { axes: integers(1, 4) }), /axes \[1,4\] are/],
  [
    'an axis before the first',
    one(image, 'Mean', {}, { axes: integers(1, -5) }),
    /axes \[1,-5\] are/,
  ],
  ['sides of too few dimensions', one(image, 'Pad', {}, { sides: sides(0, 0, 1, 2) }), /pads \[/],
  [
    'a negative side',
    one(image, 'Pad', {}, { sides: sides(0, 0, 1, -1, 0, 0, 0, 0) }),
    /pads \[0,0,1,-1/,
  ],
  [
    'sides of ones',
    one(image, 'PadV2', {}, { sides: sides(0, 0, 1, 1, 0, 0, 0, 0), value: number(1) }),
    /with 1/,
  ],
  [
    'a dimension behind the last and one more',
    one(image, 'ExpandDims', {}, { axis: number(5) }),
    /has the axis 5/,
  ],
];

describe('graph models of TensorFlow.js', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  rows.forEach(([edge, small, ops], row) => {
    it(edge, async () => {
      const files = saved(small, row + 1);
      const graph = mainGraph(imported(files));
      if (ops !== undefined) expect(graph.nodes.map(({ op }) => op)).to.deep.equal(ops);
      for (const batch of [1, 2]) {
        const inputs = inputsFor(tf, graph, batch, row + 1);
        const [output] = run(tf, graph, inputs);
        expect(difference(output as TfTensor, await predicted(tf, files, inputs))).to.be.below(
          1e-5,
        );
      }
    });
  });

  it('the signature may lie in a signature', () => {
    const { json, files } = saved(one([1, 7], 'Relu'), 1);
    const model = JSON.parse(Buffer.from(json).toString());
    model.signature.outputs = { deeper: { name: 'y:0' } };
    model.signature = { signature: model.signature };
    const { outputNames } = imported({ json: Buffer.from(JSON.stringify(model)), files });
    expect(outputNames).to.deep.equal(['deeper']);
  });

  for (const [edge, small, says] of refused) {
    it(`refuses ${edge}`, () => {
      expect(() => imported(saved(small, 1))).to.throw(BonsaiError, says);
    });
  }

  const folder = (name: string) => new URL(`./tfjs-graph/${name}/`, import.meta.url);
  const read = (name: string, file: string) =>
    readFileSync(fileURLToPath(new URL(file, folder(name))));
  for (const [name, ops, tolerance] of [
    ['images', 12, 1e-5],
    ['steps', 16, 1e-5],
    ['images_float16', 12, 1e-2],
    ['images_uint16', 12, 1e-2],
    ['images_uint8', 12, 0.5],
  ] as const) {
    it(`${name}, as the converter writes it, predicts what Keras predicts`, async () => {
      const shard = 'group1-shard1of1.bin';
      const files = {
        json: read(name, 'model.json'),
        files: new Map([[shard, read(name, shard)]]),
      };
      const module = imported(files);
      const graph = mainGraph(module);
      expect(module.inputNames).to.deep.equal([name === 'steps' ? 'input_2' : 'input_1']);
      expect(module.outputNames).to.deep.equal(['output_0']);
      expect(graph.nodes.length).to.be.at.most(ops);
      const { x, y } = JSON.parse(read(name, 'predicted.json').toString());
      const [, ...shape] = graph.tensors[graph.inputs[0] ?? 0]?.shape ?? [];
      const input = tf.tensor(x, [2, ...shape]);
      const [output] = run(tf, graph, [input]);
      const wanted = tf.tensor(y, output?.shape as number[]);
      expect(difference(output as TfTensor, wanted)).to.be.below(tolerance);
      // TensorFlow.js computes the same from the same quantized weights; WebAssembly has no tanh
      // inside of a product.
      if (name === 'steps') return;
      expect(difference(output as TfTensor, await predicted(tf, files, [input]))).to.be.below(1e-5);
    });
  }
});
