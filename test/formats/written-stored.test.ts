/**
 * What a written file has besides what the importer reads: runtimes that work shapes out themselves
 * need it, and reading the file back does not check it.
 */
import { expect } from 'chai';
import { decode } from '../../src/compiler/formats/flatbuffer.js';
import { bufferBytes, operatorName, readModel } from '../../src/compiler/formats/tflite/read.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import type { Attrs, Module, TensorId } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';
import { optionsOf } from '../support/options.js';

/** The operators of a file: each with its options, and its inputs: data ('data') or constants. */
function storedIn(module: Module) {
  const raw = readModel(writeTflite(module), 'written');
  const [subgraph] = raw.subgraphs;
  if (subgraph === undefined) throw new RangeError('no subgraph');
  return subgraph.operators.map((operator) => {
    const name = operatorName(raw, operator);
    const { builtinOptions } = operator;
    const fields = optionsOf(name);
    const options = builtinOptions === null ? {} : decode(builtinOptions, fields);
    const inputs = Array.from(operator.inputs, (id) => {
      const tensor = subgraph.tensors[id];
      if (tensor === undefined) return 'absent';
      const bytes = bufferBytes(raw, tensor.buffer);
      if (bytes === null) return 'data';
      const values = tensor.type === int32 ? new Int32Array(bytes.slice().buffer) : bytes;
      return { shape: [...tensor.shape], values: [...values] };
    });
    return { name, options: plain(options), inputs };
  });
}

const int32 = 2;

/** Vectors of a file as arrays. */
function plain(options: object): object {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null ? Array.from(value as number[]) : value,
    ]),
  );
}

function moduleOf(
  op: string,
  shape: readonly number[],
  attrs: Attrs,
  rest: { readonly outputs?: number; readonly shapes?: readonly (readonly number[])[] } = {},
): Module {
  const b = new GraphBuilder();
  return b.module(b.nodeAll(op, [b.input(shape, perTensorQuant(0.5, 3))], attrs, rest));
}

const vector = (...values: number[]) => ({ shape: [values.length], values });
const scalar = (value: number) => ({ shape: [], values: [value] });
const data = 'data';

const rows: readonly (readonly [
  edge: string,
  module: Module,
  wanted: ReturnType<typeof storedIn>[number],
])[] = [
  [
    'SQUEEZE: the second of two ones',
    moduleOf('squeeze', [1, 4, 1, 3], { shape: [1, 4, 3] }),
    { name: 'SQUEEZE', options: { squeezeDims: [2] }, inputs: [data] },
  ],
  [
    'all ones',
    moduleOf('squeeze', [1, 4, 1, 3, 1], { shape: [4, 3] }),
    { name: 'SQUEEZE', options: { squeezeDims: [0, 2, 4] }, inputs: [data] },
  ],
  [
    'none: there is none',
    moduleOf('squeeze', [4, 3], { shape: [4, 3] }),
    { name: 'SQUEEZE', options: { squeezeDims: [] }, inputs: [data] },
  ],
  [
    'EXPAND_DIMS: behind the last',
    moduleOf('expand_dims', [4, 3], { shape: [4, 3, 1] }),
    { name: 'EXPAND_DIMS', options: {}, inputs: [data, scalar(2)] },
  ],
  [
    'between',
    moduleOf('expand_dims', [4, 3], { shape: [4, 1, 3] }),
    { name: 'EXPAND_DIMS', options: {}, inputs: [data, scalar(1)] },
  ],
  [
    'before the first',
    moduleOf('expand_dims', [4, 3], { shape: [1, 4, 3] }),
    { name: 'EXPAND_DIMS', options: {}, inputs: [data, scalar(0)] },
  ],
  [
    'RESHAPE: its shape as an input and as an option',
    moduleOf('reshape', [4, 3], { shape: [2, 6] }),
    { name: 'RESHAPE', options: { newShape: [2, 6] }, inputs: [data, vector(2, 6)] },
  ],
  [
    'MEAN: the shape is without the dimension',
    moduleOf('mean', [2, 3, 4], { axes: [1], keepDims: false, algorithm: 'general' }),
    { name: 'MEAN', options: { keepDims: false }, inputs: [data, vector(1)] },
  ],
  [
    'SPLIT: its axis comes first',
    moduleOf('split', [2, 6], { axis: 1, count: 3 }, { outputs: 3 }),
    { name: 'SPLIT', options: { numSplits: 3 }, inputs: [scalar(1), data] },
  ],
  [
    'SPLIT_V: its sizes, then its axis',
    moduleOf('split', [2, 6], { axis: 1, count: 2, sizes: [1, 5] }, { outputs: 2 }),
    { name: 'SPLIT_V', options: { numSplits: 2 }, inputs: [data, vector(1, 5), scalar(1)] },
  ],
  [
    'PAD: a row of two amounts for each dimension',
    moduleOf('pad', [2, 3], { pads: [1, 0, 0, 2] }, { shapes: [[3, 5]] }),
    { name: 'PAD', options: {}, inputs: [data, { shape: [2, 2], values: [1, 0, 0, 2] }] },
  ],
  [
    'PADV2: its value is of the type of the data',
    moduleOf('pad', [2, 3], { pads: [1, 0, 0, 2], value: 7 }, { shapes: [[3, 5]] }),
    {
      ...{ name: 'PADV2', options: {} },
      inputs: [data, { shape: [2, 2], values: [1, 0, 0, 2] }, scalar(7)],
    },
  ],
  [
    'RESIZE_NEAREST_NEIGHBOR: height and width',
    moduleOf(
      'resize_nearest_neighbor',
      [1, 2, 3, 4],
      { alignCorners: true, halfPixelCenters: false },
      { shapes: [[1, 5, 6, 4]] },
    ),
    {
      ...{ name: 'RESIZE_NEAREST_NEIGHBOR', inputs: [data, vector(5, 6)] },
      options: { alignCorners: true, halfPixelCenters: false },
    },
  ],
  [
    'TRANSPOSE',
    moduleOf('transpose', [2, 3, 4], { perm: [2, 0, 1] }, { shapes: [[4, 2, 3]] }),
    { name: 'TRANSPOSE', options: {}, inputs: [data, vector(2, 0, 1)] },
  ],
];

describe('write: what other runtimes read', () => {
  for (const [edge, module, wanted] of rows) {
    it(edge, () => expect(storedIn(module)).to.deep.equal([wanted]));
  }

  /** 1×1, two channels to two, without a bias. */
  const layer = (attrs: Attrs = {}, skip?: (b: GraphBuilder) => TensorId, data?: Int8Array) => {
    const b = new GraphBuilder();
    const weights = b.constant(data ?? Int8Array.of(1, 2, 3, 4), [2, 1, 1, 2], quant);
    const all = [b.input([1, 1, 1, 2]), weights, null, ...(skip === undefined ? [] : [skip(b)])];
    const window = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
    const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
    const rest = { activation: 'none', rounding: 'double', ...attrs };
    return b.module([b.node('conv2d', all, { ...window, ...pads, ...rest })]);
  };
  const quant = perTensorQuant(0.02, 0);
  const weights = { shape: [2, 1, 1, 2], values: [1, 2, 3, 4] };

  it('int4, which no operator here reads: two in a byte, the first one low', () => {
    const b = new GraphBuilder();
    b.constant(Int8Array.of(1, -8, 7), [3], quant);
    const module = b.module([b.node('relu', [b.input([2])])]);
    const graphs = module.graphs.map((graph) => ({
      ...graph,
      tensors: graph.tensors.map((tensor) =>
        tensor.data === null ? tensor : { ...tensor, dtype: 'int4' as const },
      ),
    }));
    const raw = readModel(writeTflite({ ...module, graphs }), 'written');
    const buffers = raw.subgraphs[0]?.tensors.map((tensor) => bufferBytes(raw, tensor.buffer));
    expect(buffers?.map((bytes) => bytes && [...bytes])).to.deep.equal([[0x81, 0x07], null, null]);
  });

  it('an absent bias at the end is no input', () => {
    expect(storedIn(layer()).map(({ inputs }) => inputs)).to.deep.equal([[data, weights]]);
  });

  it('keeps one before a residual, which another operator adds', () => {
    const residual = { midScale: 0.25, midZeroPoint: -4, addActivation: 'relu' };
    const module = layer(residual, (b) => b.input([1, 1, 1, 2]));
    const stored = storedIn(module).map(({ name, inputs }) => [name, inputs]);
    expect(stored).to.deep.equal([
      ['CONV_2D', [data, weights]],
      ['ADD', [data, data]],
    ]);
  });
});
