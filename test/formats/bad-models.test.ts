/** Bad input: one clear BonsaiError with exit status 2, whatever the bytes. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import fc from 'fast-check';
import { importModel } from '../../src/compiler/formats/index.js';
import { builtinCode } from '../../src/compiler/formats/tflite/builtins.js';
import { BonsaiError } from '../../src/errors.js';
import { optionsOf } from '../support/options.js';
import { runs } from '../support/runs.js';
import { skip } from '../support/skip.js';
import {
  at,
  changed,
  conv,
  dense,
  encodeModel,
  type RawModel,
  type RawSubgraph,
  smallModel,
  softmax,
  tensor,
  typeCode,
  withDataOutside,
} from './fixture.js';

function load(bytes: Uint8Array): void {
  importModel(bytes, { name: 'bad', where: 'bad.tflite', rounding: 'tflm' });
}

function failure(bytes: Uint8Array): BonsaiError {
  try {
    load(bytes);
  } catch (error) {
    if (error instanceof BonsaiError) return error;
    throw error;
  }
  throw new Error('was imported');
}

const good = encodeModel(smallModel());
const text = (content: string) => Buffer.from(content, 'latin1');

/** The good file with its 32-bit word at `offset` replaced. */
function patched(offset: number, word: number): Uint8Array {
  const bytes = good.slice();
  new DataView(bytes.buffer).setInt32(offset, word, true);
  return bytes;
}

type Change = (model: RawModel, main: RawSubgraph) => void;
type Row = readonly [edge: string, code: string, says: RegExp, change: Change];

const set =
  (index: number, values: object): Change =>
  (_, main) =>
    Object.assign(at(main.tensors, index), values);
const quantized =
  (index: number, values: object): Change =>
  (_, main) =>
    Object.assign(at(main.tensors, index).quantization ?? {}, values);
const option =
  (operator: number, values: object): Change =>
  (_, main) =>
    Object.assign(at(main.operators, operator).builtinOptions?.values ?? {}, values);
const inputs =
  (operator: number, ids: number[]): Change =>
  (_, main) =>
    Object.assign(at(main.operators, operator), { inputs: ids });

/** Operator 3 becomes `name`. */
const renamed =
  (name: string, code = builtinCode(name)): Change =>
  (model) =>
    Object.assign(at(model.operatorCodes, softmax), {
      builtinCode: code,
      deprecatedBuiltinCode: Math.min(code, 127),
    });

const models: readonly Row[] = [
  ['no subgraph', 'corrupt-model', /no subgraph/, (model) => model.subgraphs.splice(0)],
  [
    'another version of the schema',
    'not-a-model',
    /version 2/,
    (model) => Object.assign(model, { version: 2 }),
  ],
  ['no operators', 'bad-graph', /no operators/, (_, main) => main.operators.splice(0)],
  ['no inputs', 'bad-graph', /no inputs/, (_, main) => main.inputs.splice(0)],
  ['no outputs', 'bad-graph', /no outputs/, (_, main) => main.outputs.splice(0)],
  [
    'an operator that is not supported',
    'unsupported-operator',
    /operator 3 \(LOCAL_RESPONSE_NORMALIZATION\) "output".*LOCAL_RESPONSE_NORMALIZATION/,
    renamed('LOCAL_RESPONSE_NORMALIZATION'),
  ],
  ['a code beyond 8 bits', 'unsupported-operator', /ATAN2/, renamed('ATAN2')],
  ['a code that nobody knows', 'unsupported-operator', /operator code 9999/, renamed('', 9999)],
  [
    'a custom operator',
    'unsupported-operator',
    /CUSTOM "Flex"/,
    (model, main) => {
      renamed('CUSTOM')(model, main);
      Object.assign(at(model.operatorCodes, softmax), { customCode: 'Flex' });
    },
  ],
  ...(
    [
      ['a recurrent layer', 'BIDIRECTIONAL_SEQUENCE_LSTM', /two UNIDIRECTIONAL_SEQUENCE_LSTM/],
      ['an operator like many', 'WHERE', /bonsaic operators/],
    ] as const
  ).map(
    ([edge, name, hint]): Row => [
      `${edge}, which may have no output`,
      'unsupported-operator',
      new RegExp(`${name} is not supported → .*${hint.source}`),
      (model, main) => {
        renamed(name)(model, main);
        at(main.operators, softmax).outputs.splice(0);
        main.outputs.splice(0, 1, 8);
      },
    ],
  ),
  ...(
    [
      ['edgetpu-custom-op', /before edgetpu_compiler/],
      ['ethos-u', /before Vela/],
      ['TFLite_Detection_PostProcess', /end the network before it/],
      ['SignalWindow', /in the application/],
      ['Foo', /custom operators/],
    ] as const
  ).map(
    ([customCode, hint]): Row => [
      `the custom operator ${customCode}`,
      'unsupported-operator',
      new RegExp(`${customCode}.* → .*${hint.source}`),
      (model, main) => {
        renamed('CUSTOM')(model, main);
        Object.assign(at(model.operatorCodes, softmax), { customCode });
      },
    ],
  ),
  [
    'an unknown operator of floats',
    'unsupported-operator',
    /fully to int8, without ATAN2/,
    (model, main) => {
      renamed('ATAN2')(model, main);
      Object.assign(at(main.tensors, 9), { type: typeCode('float32') });
    },
  ],
  [
    'an operator code outside the list',
    'corrupt-model',
    /operator code 77/,
    (_, main) => Object.assign(at(main.operators, 0), { opcodeIndex: 77 }),
  ],
  [
    'the options of another operator',
    'corrupt-model',
    /options of another/,
    (_, main) => Object.assign(at(main.operators, conv), { builtinOptionsType: 9 }),
  ],
  [
    'a tensor index beyond the list',
    'bad-graph',
    /operator 0 .*tensor 99/,
    inputs(conv, [99, 1, 2]),
  ],
  ['a negative tensor index', 'bad-graph', /tensor -7/, inputs(conv, [-7, 1, 2])],
  ['an output index beyond the list', 'bad-graph', /tensor 10/, (_, main) => main.outputs.push(10)],
  ['a required input left out', 'bad-graph', /no input 1/, inputs(conv, [0, -1, 2])],
  ['no inputs at all', 'bad-graph', /no input 0/, inputs(softmax, [])],
  [
    'an operator without output',
    'bad-graph',
    /no output/,
    (_, main) => at(main.operators, 3).outputs.splice(0),
  ],
  ['a cyclic graph', 'bad-graph', /reads tensor .*before operator 3/, inputs(dense, [9, 6, 7])],
  ['an operator that reads its own output', 'bad-graph', /reads/, inputs(softmax, [9])],
  [
    'a tensor that nothing writes',
    'bad-graph',
    /nothing writes/,
    (_, main) => {
      main.tensors.push(tensor('orphan', 'int8', [1, 48]));
      inputs(dense, [10, 6, 7])({} as RawModel, main);
    },
  ],
  [
    'a tensor written twice',
    'bad-graph',
    /written already/,
    (_, main) => at(main.operators, softmax).outputs.splice(0, 1, 8),
  ],
  [
    'a constant written',
    'bad-graph',
    /constant/,
    (_, main) => at(main.operators, softmax).outputs.splice(0, 1, 6),
  ],
  ['an input listed twice', 'bad-graph', /written already/, (_, main) => main.inputs.push(0)],
  ['an input that is a constant', 'bad-graph', /constant/, (_, main) => main.inputs.push(1)],

  ['wrong rank of an activation', 'bad-shape', /3 dimensions/, set(0, { shape: [4, 4, 2] })],
  ['wrong rank of weights', 'bad-shape', /dimensions/, set(1, { shape: [27, 2] })],
  [
    'another output shape than the operator has',
    'bad-shape',
    /declared \[1, 4, 5, 3\]/,
    set(3, { shape: [1, 4, 5, 3] }),
  ],
  ['a reshape to another count', 'bad-shape', /operator 1/, set(5, { shape: [1, 47] })],
  ['a dynamic extent', 'bad-shape', /dynamic/, set(0, { shape: [1, -1, 4, 2] })],
  ['an extent of 0', 'bad-shape', /\[1, 0, 4, 2\]/, set(0, { shape: [1, 0, 4, 2] })],
  [
    'a dynamic image in the signature of the shape',
    'bad-shape',
    /dynamic/,
    set(0, { shape: [1, 1, 4, 2], shapeSignature: [1, -1, -1, 2] }),
  ],
  ['nine dimensions', 'bad-shape', /9 dimensions/, set(0, { shape: [1, 1, 1, 1, 1, 1, 4, 4, 2] })],
  ['an activation of absurd size', 'too-large', /bytes/, set(0, { shape: [1, 40000, 40000, 2] })],
  [
    'extents whose product no number holds',
    'too-large',
    /memory/,
    set(0, { shape: [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1, 2] }),
  ],
  [
    'weights of absurd size',
    'corrupt-model',
    /54 bytes of data/,
    set(1, { shape: [2 ** 20, 3, 3, 2] }),
  ],
  [
    'fewer weights than the shape says',
    'corrupt-model',
    /54 bytes/,
    set(1, { shape: [3, 3, 3, 3] }),
  ],
  [
    'an axis of no integers',
    'unsupported-type',
    /axes: float32/,
    (model, main) => {
      renamed('MEAN')(model, main);
      main.tensors.push(tensor('axes', 'float32', [1], model.buffers.length));
      model.buffers.push({ data: new Uint8Array(Float32Array.of(Number.NaN).buffer) });
      inputs(softmax, [8, 10])(model, main);
      delete at(main.operators, softmax).builtinOptionsType;
    },
  ],

  [
    'no quantization',
    'bad-quantization',
    /tensor 0 "input"/,
    (_, main) => delete at(main.tensors, 0).quantization,
  ],
  ['no scale', 'bad-quantization', /no scale/, quantized(0, { scale: [] })],
  ['no zero point', 'bad-quantization', /0 zero points/, quantized(0, { zeroPoint: [] })],
  ['a zero scale', 'bad-quantization', /scale 0/, quantized(0, { scale: [0] })],
  ['a negative scale', 'bad-quantization', /scale -1/, quantized(8, { scale: [-1] })],
  ['a scale that is no number', 'bad-quantization', /NaN/, quantized(6, { scale: [Number.NaN] })],
  ['an infinite scale', 'bad-quantization', /Infinity/, quantized(9, { scale: [Infinity] })],
  ['one bad scale of several', 'bad-quantization', /scale 0/, quantized(1, { scale: [1, 0, 1] })],
  [
    'a zero point above int8',
    'bad-quantization',
    /zero point 128/,
    quantized(0, { zeroPoint: [128] }),
  ],
  [
    'a zero point below int8',
    'bad-quantization',
    /zero point -129/,
    quantized(0, { zeroPoint: [-129] }),
  ],
  [
    'a zero point of 63 bits',
    'bad-quantization',
    /zero point/,
    quantized(0, { zeroPoint: [2 ** 62] }),
  ],
  [
    'fewer scales than channels',
    'bad-quantization',
    /2 scales for 3/,
    quantized(1, { scale: [1, 1], zeroPoint: [0, 0] }),
  ],
  [
    'scales along a dimension that is not there',
    'bad-quantization',
    /dimension 4/,
    quantized(1, { quantizedDimension: 4 }),
  ],
  [
    'scales along a negative dimension',
    'bad-quantization',
    /dimension -1/,
    quantized(1, { quantizedDimension: -1 }),
  ],
  [
    'zero points for some channels',
    'bad-quantization',
    /2 zero points for 3/,
    quantized(1, { zeroPoint: [0, 0] }),
  ],
  ['quantization in blocks', 'unsupported-attribute', /blocks/, quantized(1, { detailsType: 2 })],

  [
    'a negative stride',
    'unsupported-attribute',
    /operator 0 .*strideH is -1/,
    option(conv, { strideH: -1 }),
  ],
  ['a stride of 0', 'unsupported-attribute', /strideW is 0/, option(conv, { strideW: 0 })],
  [
    'a negative dilation',
    'unsupported-attribute',
    /dilationH is -2/,
    option(conv, { dilationH: -2 }),
  ],
  [
    'options left out, so that strides are 0',
    'unsupported-attribute',
    /stride/,
    (_, main) => {
      delete at(main.operators, conv).builtinOptions;
      delete at(main.operators, conv).builtinOptionsType;
    },
  ],
  [
    'a padding that nobody knows',
    'unsupported-attribute',
    /padding 2/,
    option(conv, { padding: 2 }),
  ],
  [
    'an activation that nobody knows',
    'unsupported-attribute',
    /activation 17/,
    option(conv, { activation: 17 }),
  ],
  ['shuffled weights', 'unsupported-attribute', /shuffled/, option(dense, { weightsFormat: 1 })],
  [
    'a pool of no size',
    'unsupported-attribute',
    /kernelH is 0/,
    (model, main) => {
      renamed('MAX_POOL_2D')(model, main);
      Object.assign(at(main.operators, softmax), {
        inputs: [0],
        builtinOptionsType: 5,
        builtinOptions: { fields: optionsOf('MAX_POOL_2D'), values: { strideH: 1, strideW: 1 } },
      });
    },
  ],
  ['a kernel larger than the image', 'bad-shape', /./, option(conv, { padding: 1, dilationH: 9 })],
  ['sparse weights', 'unsupported-attribute', /sparse/, set(1, { sparsity: {} })],
  ['a type that cannot be', 'unsupported-type', /element type 99/, set(8, { type: 99 })],
  [
    'a type without kernels',
    'unsupported-type',
    /complex64/,
    set(8, { type: typeCode('complex64') }),
  ],
  [
    '16-bit activations',
    'unsupported-type',
    /./,
    (_, main) => {
      for (const i of [8, 9])
        Object.assign(at(main.tensors, i), {
          type: typeCode('int16'),
          quantization: { scale: [1], zeroPoint: [0] },
        });
    },
  ],
  ['a buffer outside the list', 'corrupt-model', /buffer 42/, set(1, { buffer: 42 })],
  [
    'data after the file',
    'truncated-model',
    /ends at byte/,
    (model) => model.buffers.splice(1, 1, { offset: 2 ** 40, size: 54 }),
  ],
  [
    'float data added to int8',
    'unsupported-type',
    /./,
    (model, main) => {
      renamed('ADD')(model, main);
      main.tensors.push(tensor('c', 'int32', [1, 5], 5));
      inputs(softmax, [8, 10])(model, main);
      Object.assign(at(main.operators, softmax), {
        builtinOptionsType: 11,
        builtinOptions: { fields: optionsOf('ADD'), values: {} },
      });
    },
  ],
];

const files: readonly (readonly [
  edge: string,
  code: string,
  says: RegExp,
  bytes: () => Uint8Array,
])[] = [
  ['empty', 'not-a-model', /only 0 bytes/, () => new Uint8Array()],
  ['seven bytes', 'not-a-model', /only 7/, () => good.subarray(0, 7)],
  ['JSON', 'not-a-model', /JSON/, () => text('{"pairs": []}')],
  ['a Keras file', 'not-a-model', /HDF5/, () => text('\x89HDF\r\n\x1a\n\0\0\0\0')],
  ['a zip archive', 'not-a-model', /zip/, () => text('PK\x03\x04............')],
  [
    'a Git LFS pointer',
    'not-a-model',
    /LFS/,
    () => text('version https://git-lfs.github.com/spec/v1\n'),
  ],
  ['another FlatBuffers format', 'not-a-model', /TFL3/, () => text('\x10\0\0\0ABCD............')],
  ['the mark and nothing else', 'truncated-model', /ends after 8/, () => good.slice(0, 8)],
  ['a root outside', 'truncated-model', /byte/, () => patched(0, 0x7fffff00)],
  [
    'a root whose header lies before the file',
    'corrupt-model',
    /before its beginning/,
    () => {
      const root = new DataView(good.buffer, good.byteOffset).getInt32(0, true);
      return patched(root, 0x7fffffff);
    },
  ],
  [
    'a root whose header lies after the file',
    'truncated-model',
    /byte/,
    () => {
      const root = new DataView(good.buffer, good.byteOffset).getInt32(0, true);
      return patched(root, -0x7fffffff);
    },
  ],
  [
    'data cut off after the flatbuffer',
    'truncated-model',
    /ends at byte/,
    () => {
      const file = withDataOutside(smallModel());
      return file.subarray(0, file.length - 100);
    },
  ],
];

describe('import: bad models', () => {
  it('the model that the rows change is good', () => load(good));

  for (const [edge, code, says, change] of models) {
    it(edge, () => {
      const error = failure(changed(change));
      expect(`${error.where}: ${error.message} → ${error.hint}`).to.match(says);
      expect([error.code, error.exitStatus]).to.deep.equal([code, 2]);
      expect(error.hint).to.not.equal('');
    });
  }

  for (const [edge, code, says, bytes] of files) {
    it(`file: ${edge}`, () => {
      const error = failure(bytes());
      expect(error.message).to.match(says);
      expect([error.code, error.where]).to.deep.equal([code, 'bad.tflite']);
      expect(error.hint).to.not.equal('');
    });
  }

  it('cut anywhere, the file is refused', () => {
    for (let length = 0; length < good.length; length += 3) {
      const { code } = failure(good.slice(0, length));
      expect(['not-a-model', 'truncated-model', 'corrupt-model']).to.include(code);
    }
  });

  it('a million references to one table end early', () => {
    const count = 2 ** 20;
    const vector = 28;
    const table = vector + 4 + 4 * count + 4;
    const file = new Uint8Array(table + 4);
    const view = new DataView(file.buffer);
    file.set(text('TFL3'), 4);
    view.setUint32(0, 20, true);
    // The root's header: 10 bytes, of a table of 8 whose field 2 (subgraphs) is at 4.
    [10, 8, 0, 0, 4].forEach((half, i) => {
      view.setUint16(8 + 2 * i, half, true);
    });
    view.setInt32(20, 20 - 8, true);
    view.setUint32(24, vector - 24, true);
    view.setUint32(vector, count, true);
    for (let at = vector + 4; at < table - 4; at += 4) view.setUint32(at, table - at, true);
    view.setUint32(table - 4, 4 | (4 << 16), true);
    view.setInt32(table, 4, true);
    const { code, message } = failure(file);
    expect([code, message]).to.deep.equal([
      'corrupt-model',
      'its parts overlap: it describes far more data than it contains',
    ]);
  });
});

describe('import: mutated models', () => {
  const extremes = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 0x7fff, 0xffff, 255, 65536, 4, 16, -4];
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  type Mutation = (bytes: Uint8Array) => Uint8Array;
  const word =
    (at: number, value: number): Mutation =>
    (bytes) => {
      const offset = Math.floor((at * bytes.length) / 4) * 4;
      if (offset + 4 <= bytes.length) {
        new DataView(bytes.buffer, bytes.byteOffset).setInt32(offset, value, true);
      }
      return bytes;
    };
  const mutation: fc.Arbitrary<Mutation> = fc.oneof(
    fc.tuple(place, fc.nat(7)).map(
      ([at, bit]): Mutation =>
        (bytes) => {
          const offset = Math.floor(at * bytes.length);
          bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
          return bytes;
        },
    ),
    fc.tuple(place, fc.constantFrom(...extremes)).map(([at, value]) => word(at, value)),
    fc.tuple(place, fc.integer({ min: -64, max: 64 })).map(([at, value]) => word(at, value)),
    fc.tuple(place, place, fc.nat(64)).map(
      ([from, to, length]): Mutation =>
        (bytes) => {
          const start = Math.floor(from * bytes.length);
          return bytes.copyWithin(Math.floor(to * bytes.length), start, start + length);
        },
    ),
    place.map(
      (at): Mutation =>
        (bytes) =>
          bytes.slice(0, Math.floor(at * bytes.length)),
    ),
  );

  const shared = fileURLToPath(new URL('../../../shared/models/kws.tflite', import.meta.url));
  const sources: readonly (readonly [
    name: string,
    runs: number,
    bytes: () => Uint8Array | null,
  ])[] = [
    ['the small model', 3000, () => good],
    ['the small model, data outside', 1000, () => withDataOutside(smallModel())],
    ['kws', 300, () => (existsSync(shared) ? readFileSync(shared) : null)],
  ];
  for (const [name, numRuns, source] of sources) {
    it(`${name}: a BonsaiError or a valid module`, function () {
      const original = source();
      if (original === null) return skip(this, 'the shared models are not here');
      fc.assert(
        fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
          const bytes = mutations.reduce<Uint8Array>(
            (file, mutate) => mutate(file),
            Uint8Array.from(original),
          );
          try {
            load(bytes);
          } catch (error) {
            if (!(error instanceof BonsaiError)) throw error;
            expect(error.exitStatus).to.equal(2);
          }
        }),
        { numRuns: runs(numRuns) },
      );
    });
  }
});
