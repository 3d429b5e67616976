/** Bad models of TensorFlow.js: one clear BonsaiError with exit status 2. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { BonsaiError } from '../../src/errors.js';
import { Random } from '../support/module.js';
import { runs } from '../support/runs.js';
import type { Saved } from './tfjs.js';
import {
  base64,
  filesOf,
  functionalModel,
  graphModel,
  type Json,
  layersModel,
} from './tfjs-models.js';

function load({ json, files }: Saved): void {
  importModel(json, {
    ...{ name: 'bad', where: 'model.json', rounding: 'tflm' },
    beside(name) {
      const file = files.get(name);
      if (file === undefined) {
        throw new BonsaiError('usage', name, 'cannot be read: no such file', 'check the path');
      }
      return file;
    },
  });
}

function failure(saved: Saved): BonsaiError | null {
  try {
    load(saved);
    return null;
  } catch (error) {
    if (error instanceof BonsaiError) return error;
    throw error;
  }
}

type Change = (model: Json) => void;
type Row = readonly [edge: string, make: () => Json, change: Change, code: string, says: RegExp];

const weights = (model: Json) => model.weightsManifest[0].weights;
const inLayer =
  (index: number, values: object): Change =>
  (model) =>
    Object.assign(model.modelTopology.config.layers[index].config, values);
const node =
  (index: number, values: object): Change =>
  (model) =>
    Object.assign(model.modelTopology.node[index], values);
const attr =
  (index: number, values: object): Change =>
  (model) =>
    Object.assign(model.modelTopology.node[index].attr, values);

const rows: readonly Row[] = [
  // The file and its shards.
  [
    'topology is text',
    layersModel,
    (m) => {
      m.modelTopology = 'x';
    },
    'corrupt-model',
    /"x" where an object belongs/,
  ],
  [
    'no class',
    layersModel,
    (m) => {
      delete m.modelTopology.class_name;
    },
    'corrupt-model',
    /class_name is nothing/,
  ],
  [
    'another container',
    layersModel,
    (m) => {
      m.modelTopology.class_name = 'MyModel';
    },
    'unsupported-operator',
    /"MyModel" is not supported/,
  ],
  [
    'a manifest that is no list',
    layersModel,
    (m) => {
      m.weightsManifest = 5;
    },
    'corrupt-model',
    /weightsManifest is 5/,
  ],
  [
    'a missing shard',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths[1] = 'c.bin';
    },
    'truncated-model',
    /cannot be read.*model\.json has its weights there/,
  ],
  [
    'half a million shards',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths = Array(500_000).fill('a.bin');
    },
    'too-large',
    /names more than 4096 files of weights/,
  ],
  [
    'one shard more than any model has, in two groups',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths = Array(4096).fill('a.bin');
      m.weightsManifest[0].weights = [{ name: 'w', shape: [4096, 20], dtype: 'float32' }];
      m.weightsManifest.push({ paths: ['a.bin'], weights: [] });
    },
    'too-large',
    /names more than 4096 files of weights/,
  ],
  [
    'as many shards as a model may have, with too few weights',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths = Array(4096).fill('a.bin');
    },
    'corrupt-model',
    /its shards have 327680 bytes, its weights 128/,
  ],
  [
    'a shard too few',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths.pop();
    },
    'truncated-model',
    /needs bytes 80 to 128 of its shards, which have 80/,
  ],
  [
    'a shard too many',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths.push('a.bin');
    },
    'corrupt-model',
    /shards have 208 bytes, its weights 128/,
  ],
  [
    'a shard elsewhere',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths[0] = '../a.bin';
    },
    'corrupt-model',
    /only files of its own folder/,
  ],
  [
    'a shard by absolute path',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths[0] = '/etc/passwd';
    },
    'corrupt-model',
    /only files of its own folder/,
  ],
  [
    'a shard by address',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths[0] = 'https://a/b';
    },
    'corrupt-model',
    /only files of its own folder/,
  ],
  [
    'a shard that is a number',
    layersModel,
    (m) => {
      m.weightsManifest[0].paths[0] = 5;
    },
    'corrupt-model',
    /names the weights 5/,
  ],
  [
    'an unknown type',
    layersModel,
    (m) => {
      weights(m)[0].dtype = 'complex64';
    },
    'unsupported-type',
    /"complex64"/,
  ],
  [
    'text as weights',
    layersModel,
    (m) => {
      weights(m)[0].dtype = 'string';
    },
    'unsupported-type',
    /"string"/,
  ],
  [
    'an unknown quantization',
    layersModel,
    (m) => {
      weights(m)[0].quantization = { dtype: 'uint4', scale: 1, min: 0 };
    },
    'unsupported-type',
    /"uint4"/,
  ],
  [
    'quantization without a scale',
    layersModel,
    (m) => {
      weights(m)[0].quantization = { dtype: 'uint8', min: 0 };
    },
    'corrupt-model',
    /scale is nothing/,
  ],
  [
    'a huge declared shape',
    layersModel,
    (m) => {
      weights(m)[0].shape = [2 ** 30, 2 ** 20];
    },
    'truncated-model',
    /shards, which have 128/,
  ],
  [
    'a shape beyond integers',
    layersModel,
    (m) => {
      weights(m)[0].shape = [2 ** 40, 2 ** 40];
    },
    'corrupt-model',
    /has the shape/,
  ],
  [
    'a negative extent',
    layersModel,
    (m) => {
      weights(m)[0].shape = [-4, -4];
    },
    'corrupt-model',
    /has the shape/,
  ],
  [
    'integers as weights',
    layersModel,
    (m) => {
      weights(m)[0].dtype = 'int32';
    },
    'unsupported-type',
    /"dense\/kernel" holds integers/,
  ],
  [
    'a weight of another rank',
    layersModel,
    (m) => {
      weights(m)[0].shape = [16];
    },
    'bad-shape',
    /has the shape \[16\], must have 2/,
  ],
  [
    'a weight of another size',
    layersModel,
    (m) => {
      weights(m)[0].shape = [2, 8];
    },
    'bad-shape',
    /does not fit weights for 2/,
  ],
  [
    'a bias of another size',
    layersModel,
    (m) => {
      weights(m)[1].shape = [2];
      weights(m)[2].shape = [2, 7];
    },
    'bad-shape',
    /./,
  ],
  [
    'a missing weight',
    layersModel,
    (m) => {
      weights(m)[2].name = 'other/kernel';
    },
    'corrupt-model',
    /no weight "conv2d\/kernel"/,
  ],
  // Layers.
  [
    'an unknown layer',
    layersModel,
    (m) => {
      m.modelTopology.config.layers[1].class_name = 'Magic';
    },
    'unsupported-operator',
    /the layer "Magic" is not supported/,
  ],
  [
    'a recurrent layer',
    layersModel,
    (m) => {
      m.modelTopology.config.layers[1].class_name = 'LSTM';
    },
    'unsupported-operator',
    /the layer "LSTM"/,
  ],
  [
    'a layer by the name of a property',
    layersModel,
    (m) => {
      m.modelTopology.config.layers[1].class_name = 'constructor';
    },
    'unsupported-operator',
    /"constructor"/,
  ],
  [
    'no layers',
    layersModel,
    (m) => {
      m.modelTopology.config.layers = [];
    },
    'corrupt-model',
    /has no layers/,
  ],
  [
    'a layer that is null',
    layersModel,
    (m) => {
      m.modelTopology.config.layers[1] = null;
    },
    'corrupt-model',
    /null where an object belongs/,
  ],
  [
    'no shape of the input',
    layersModel,
    inLayer(0, { batch_input_shape: null }),
    'bad-shape',
    /declares no shape/,
  ],
  [
    'a dynamic shape',
    layersModel,
    inLayer(0, { batch_input_shape: [null, null, 4] }),
    'bad-shape',
    /dynamic shape \[null,null,4\]/,
  ],
  [
    'an extent of 0',
    layersModel,
    inLayer(0, { batch_input_shape: [null, 0] }),
    'bad-shape',
    /dynamic shape/,
  ],
  [
    'a huge input',
    layersModel,
    inLayer(0, { batch_input_shape: [null, 2 ** 28, 4] }),
    'too-large',
    /at most 67108864/,
  ],
  [
    'an input of integers',
    layersModel,
    inLayer(0, { dtype: 'int32' }),
    'unsupported-type',
    /input of int32/,
  ],
  [
    'an unknown activation',
    layersModel,
    inLayer(1, { activation: 'elu' }),
    'unsupported-attribute',
    /activation elu/,
  ],
  [
    'an activation that is a number',
    layersModel,
    inLayer(1, { activation: 3 }),
    'corrupt-model',
    /activation is 3/,
  ],
  [
    'channels first',
    layersModel,
    inLayer(3, { data_format: 'channels_first' }),
    'unsupported-attribute',
    /channels_first/,
  ],
  [
    'an unknown padding',
    layersModel,
    inLayer(3, { padding: 'reflect' }),
    'unsupported-attribute',
    /"reflect"/,
  ],
  [
    'a stride of 0',
    layersModel,
    inLayer(3, { strides: [0, 1] }),
    'unsupported-attribute',
    /strides 0,1/,
  ],
  [
    'strides of text',
    layersModel,
    inLayer(3, { strides: ['1'] }),
    'corrupt-model',
    /strides is \["1"\]/,
  ],
  [
    'a window that does not fit',
    layersModel,
    inLayer(3, { dilation_rate: [5, 5] }),
    'bad-shape',
    /does not fit/,
  ],
  [
    'a reshape of other size',
    layersModel,
    inLayer(2, { target_shape: [3, -1, 1] }),
    'bad-shape',
    /cannot become/,
  ],
  [
    'a reshape of two unknowns',
    layersModel,
    inLayer(2, { target_shape: [-1, -1, 1] }),
    'bad-shape',
    /cannot become/,
  ],
  [
    'layers without end, one in another',
    layersModel,
    (m) => {
      let inner = m.modelTopology;
      for (let i = 0; i < 200; i += 1)
        inner = { class_name: 'Sequential', config: { name: `m${i}`, layers: [inner] } };
      m.modelTopology = inner;
    },
    'corrupt-model',
    /one in another/,
  ],
  [
    'a cycle',
    functionalModel,
    (m) => {
      m.modelTopology.config.layers[1].inbound_nodes[0][0][0] = 'b';
    },
    'bad-graph',
    /depends on it/,
  ],
  [
    'a layer that reads itself',
    functionalModel,
    (m) => {
      m.modelTopology.config.layers[1].inbound_nodes[0][0][0] = 'a';
    },
    'bad-graph',
    /depends on it/,
  ],
  [
    'a layer that is not there',
    functionalModel,
    (m) => {
      m.modelTopology.config.layers[1].inbound_nodes[0][0][0] = 'z';
    },
    'bad-graph',
    /nothing computes/,
  ],
  [
    'an output that is not there',
    functionalModel,
    (m) => {
      m.modelTopology.config.output_layers = [['z', 0, 0]];
    },
    'corrupt-model',
    /no output of the layer "z"/,
  ],
  [
    'an input that is not there',
    functionalModel,
    (m) => {
      m.modelTopology.config.input_layers = [['z', 0, 0]];
    },
    'corrupt-model',
    /no layer "z"/,
  ],
  [
    'a second output of a layer',
    functionalModel,
    (m) => {
      m.modelTopology.config.layers[2].inbound_nodes[0][0][2] = 1;
    },
    'corrupt-model',
    /reads output 1/,
  ],
  [
    'references of numbers',
    functionalModel,
    (m) => {
      m.modelTopology.config.layers[2].inbound_nodes[0] = [[1, 2, 3]];
    },
    'corrupt-model',
    /refers to \[1,2,3\]/,
  ],
  [
    'one input for Add',
    functionalModel,
    (m) => {
      m.modelTopology.config.layers[2].inbound_nodes[0].pop();
    },
    'bad-graph',
    /fewer than 2 inputs/,
  ],
  [
    'no outputs',
    functionalModel,
    (m) => {
      m.modelTopology.config.output_layers = [];
    },
    'bad-graph',
    /no outputs?/,
  ],
  // Graphs.
  [
    'graph: an unknown operator',
    graphModel,
    node(4, { op: 'Magic' }),
    'unsupported-operator',
    /the operator Magic is not supported/,
  ],
  [
    'graph: an operator by the name of a property',
    graphModel,
    node(4, { op: 'toString' }),
    'unsupported-operator',
    /toString/,
  ],
  ['graph: a cycle', graphModel, node(4, { input: ['out', 'kernel'] }), 'bad-graph', /cycle/],
  [
    'graph: an input that is no node',
    graphModel,
    node(4, { input: ['z', 'kernel'] }),
    'bad-graph',
    /reads "z", which is no node/,
  ],
  ['graph: too few inputs', graphModel, node(4, { input: ['x'] }), 'bad-graph', /has no input 1/],
  [
    'graph: a second output',
    graphModel,
    node(5, { input: ['conv:1', 'bias'] }),
    'bad-graph',
    /no input 0/,
  ],
  [
    'graph: weights that are computed',
    graphModel,
    node(4, { input: ['x', 'x'] }),
    'unsupported-attribute',
    /input 1 must be a constant/,
  ],
  [
    'graph: a constant without weights',
    graphModel,
    (m) => {
      weights(m)[0].name = 'other';
    },
    'bad-graph',
    /no weight in the manifest/,
  ],
  [
    'graph: integers where floats belong',
    graphModel,
    node(6, { op: 'Add' }),
    'unsupported-type',
    /holds integers/,
  ],
  [
    'graph: a dynamic shape',
    graphModel,
    attr(0, {
      shape: { shape: { dim: [{ size: '-1' }, { size: '-1' }, { size: '2' }, { size: '1' }] } },
    }),
    'bad-shape',
    /dynamic shape \[-1,-1,2,1\]/,
  ],
  [
    'graph: an unknown rank',
    graphModel,
    attr(0, { shape: { shape: { unknownRank: true } } }),
    'bad-shape',
    /without a shape/,
  ],
  ['graph: no shape', graphModel, attr(0, { shape: null }), 'bad-shape', /without a shape/],
  [
    'graph: an extent beyond integers',
    graphModel,
    attr(0, { shape: { shape: { dim: [{ size: '99999999999999999999' }] } } }),
    'corrupt-model',
    /shape is/,
  ],
  [
    'graph: NCHW',
    graphModel,
    attr(4, { data_format: base64('NCHW') }),
    'unsupported-attribute',
    /NCHW/,
  ],
  [
    'graph: a text that is not base64',
    graphModel,
    attr(4, { data_format: { s: 'NHW%' } }),
    'corrupt-model',
    /data_format/,
  ],
  [
    'graph: strides over the batch',
    graphModel,
    attr(4, { strides: { list: { i: ['2', '1', '1', '1'] } } }),
    'unsupported-attribute',
    /strides \[2,1,1,1\]/,
  ],
  [
    'graph: an unknown padding',
    graphModel,
    attr(4, { padding: base64('FULL') }),
    'unsupported-attribute',
    /"FULL"/,
  ],
  [
    'graph: an attribute that is text',
    graphModel,
    attr(4, { strides: 'x' }),
    'corrupt-model',
    /"x" where an object belongs/,
  ],
  [
    'graph: an unknown fused activation',
    graphModel,
    attr(4, { fused_ops: { list: { s: [Buffer.from('Elu').toString('base64')] } } }),
    'unsupported-attribute',
    /activation elu/,
  ],
  [
    'graph: an output that is no node',
    graphModel,
    (m) => {
      m.signature.outputs.y.name = 'z:0';
    },
    'bad-graph',
    /outputs of the model reads? "z"|reads "z"/,
  ],
  [
    'graph: an output that is a constant',
    graphModel,
    (m) => {
      m.signature.outputs.y.name = 'bias:0';
    },
    'bad-graph',
    /not computed from an input/,
  ],
  [
    'graph: no nodes',
    graphModel,
    (m) => {
      m.modelTopology.node = [];
      m.signature = undefined;
    },
    'bad-graph',
    /has no nodes/,
  ],
  [
    'graph: a node that is null',
    graphModel,
    (m) => {
      m.modelTopology.node[2] = null;
    },
    'corrupt-model',
    /null where an object/,
  ],
  [
    'graph: a reshape of other size',
    graphModel,
    node(6, { input: ['sum', 'kernel'] }),
    'unsupported-attribute',
    /holds/,
  ],
];

/** All places of a value: paths of keys. */
function placesIn(value: Json, path: readonly (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  const keys = Array.isArray(value) ? value.map((_: Json, i: number) => i) : Object.keys(value);
  return [
    [...path],
    ...keys.flatMap((key: string | number) => placesIn(value[key], [...path, key])),
  ];
}

const others = [
  null,
  0,
  -1,
  1,
  2,
  1e9,
  2 ** 53,
  0.5,
  '',
  'x',
  '-1',
  'relu',
  true,
  [],
  {},
  [1],
  [[]],
  [null],
  { a: 1 },
];

describe('bad models of TensorFlow.js', () => {
  it('the good ones are read', () => {
    for (const [make, files] of filesOf) load({ json: Buffer.from(JSON.stringify(make())), files });
  });

  for (const [edge, make, change, code, says] of rows) {
    it(edge, () => {
      const model = make();
      change(model);
      const json = Buffer.from(JSON.stringify(model));
      const error = failure({ json, files: filesOf.get(make) ?? new Map() });
      expect(error?.message ?? 'was read').to.match(says);
      expect(error?.code).to.equal(code);
      expect(error?.hint, 'what to do next').not.to.equal('');
    });
  }

  for (const [edge, text, code] of [
    ['half a file', JSON.stringify(layersModel()).slice(0, 300), 'corrupt-model'],
    ['JSON of another kind', '{"pairs": []}', 'not-a-model'],
    ['deep brackets', `{"modelTopology": ${'['.repeat(1e5)}`, 'corrupt-model'],
    [
      'deep objects',
      `{"modelTopology": ${'{"config":'.repeat(3e4)}1${'}'.repeat(3e4)}}`,
      'corrupt-model',
    ],
    ['a byte order mark', `\ufeff${JSON.stringify(layersModel())}`, null],
  ] as const) {
    it(edge, () => {
      const files = filesOf.get(layersModel) ?? new Map();
      expect(failure({ json: Buffer.from(text), files })?.code ?? null).to.equal(code);
    });
  }

  it('any change of one field, or of bytes, is read or refused', () => {
    const seed = Date.now();
    const random = new Random(seed);
    let refused = 0;
    const count = runs(3000);
    for (let run = 0; run < count; run += 1) {
      const [make, files] = random.pick([...filesOf]);
      const model = make();
      const changes = random.integer(1, 2);
      for (let i = 0; i < changes; i += 1) {
        const path = random.pick(placesIn(model).filter(({ length }) => length > 0));
        const last = path.pop() as string | number;
        const parent = path.reduce((value: Json, key) => value?.[key], model);
        if (parent === null || typeof parent !== 'object') continue;
        if (random.integer(0, 5) === 0) delete parent[last];
        // A copy: a later change may lie within it.
        else parent[last] = structuredClone(random.pick(others));
      }
      const text = Buffer.from(JSON.stringify(model));
      if (random.integer(0, 9) === 0)
        text[random.integer(0, text.length - 1)] = random.integer(32, 126);
      try {
        refused += failure({ json: text, files }) === null ? 0 : 1;
      } catch (error) {
        throw new Error(`seed ${seed}: ${text}`, { cause: error });
      }
    }
    expect(refused, `seed ${seed}`).to.be.within(count / 4, count);
  });
});
