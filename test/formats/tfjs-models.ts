/** Small models of TensorFlow.js that tests damage, and the files of their weights. */

/** Any JSON that a row changes. */
// biome-ignore lint/suspicious/noExplicitAny: rows reach into JSON of any shape.
export type Json = any;

const layer = (class_name: string, config: object = {}) => ({
  class_name,
  config: { name: class_name.toLowerCase(), ...config },
});

/** A dense layer on four inputs, then a convolution over an image of 2 × 2. */
export function layersModel(): Json {
  const weights = [
    { name: 'dense/kernel', shape: [4, 4], dtype: 'float32' },
    { name: 'dense/bias', shape: [4], dtype: 'float32' },
    { name: 'conv2d/kernel', shape: [2, 2, 1, 3], dtype: 'float32' },
  ];
  const layers = [
    { ...layer('InputLayer', { batch_input_shape: [null, 4], dtype: 'float32' }) },
    layer('Dense', { units: 4, activation: 'relu' }),
    layer('Reshape', { target_shape: [2, 2, 1] }),
    layer('Conv2D', { use_bias: false, strides: [1, 1], padding: 'valid' }),
  ];
  return {
    modelTopology: { class_name: 'Sequential', config: { name: 'model', layers } },
    weightsManifest: [{ paths: ['a.bin', 'b.bin'], weights }],
  };
}

/** Two layers that read an input. */
export function functionalModel(): Json {
  const call = (name: string, kind: string, inputs: string[], config = {}) => ({
    ...{ name, ...layer(kind, { ...config, name }) },
    inbound_nodes: inputs.length === 0 ? [] : [inputs.map((input) => [input, 0, 0, {}])],
  });
  const layers = [
    call('x', 'InputLayer', [], { batch_input_shape: [null, 4], dtype: 'float32' }),
    call('a', 'ReLU', ['x']),
    call('b', 'Add', ['a', 'x']),
  ];
  const config = { name: 'm', layers, input_layers: [['x', 0, 0]], output_layers: [['b', 0, 0]] };
  return { modelTopology: { class_name: 'Functional', config }, weightsManifest: [] };
}

export const base64 = (text: string) => ({ s: Buffer.from(text).toString('base64') });

/** x (2 × 2 × 1) → convolution → bias → reshape. */
export function graphModel(): Json {
  const shape = { dim: [-1, 2, 2, 1].map((size) => ({ size: String(size) })) };
  const constant = (name: string) => ({ name, op: 'Const', attr: {} });
  const node = [
    { name: 'x', op: 'Placeholder', attr: { shape: { shape }, dtype: { type: 'DT_FLOAT' } } },
    constant('kernel'),
    constant('bias'),
    constant('shape'),
    {
      ...{ name: 'conv', op: 'Conv2D', input: ['x', 'kernel'] },
      attr: { strides: { list: { i: ['1', '1', '1', '1'] } }, padding: base64('VALID') },
    },
    { name: 'sum', op: 'BiasAdd', input: ['conv', 'bias', '^x'], attr: {} },
    { name: 'out', op: 'Reshape', input: ['sum', 'shape'], attr: {} },
  ];
  const weights = [
    { name: 'kernel', shape: [2, 2, 1, 3], dtype: 'float32' },
    { name: 'bias', shape: [3], dtype: 'float32' },
    { name: 'shape', shape: [2], dtype: 'int32' },
  ];
  const signature = { inputs: { image: { name: 'x:0' } }, outputs: { y: { name: 'out:0' } } };
  const weightsManifest = [{ paths: ['a.bin'], weights }];
  return {
    format: 'graph-model',
    modelTopology: { node, versions: {} },
    weightsManifest,
    signature,
  };
}

const floats = (count: number) =>
  Buffer.from(Float32Array.from({ length: count }, (_, i) => i / 8).buffer);
/** The files of weights of each. */
export const filesOf: ReadonlyMap<() => Json, ReadonlyMap<string, Uint8Array>> = new Map([
  [
    layersModel,
    new Map([
      ['a.bin', floats(20)],
      ['b.bin', floats(12)],
    ]),
  ],
  [functionalModel, new Map()],
  [
    graphModel,
    new Map([['a.bin', Buffer.concat([floats(15), Buffer.from(Int32Array.of(-1, 3).buffer)])]]),
  ],
]);
