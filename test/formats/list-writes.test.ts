/** Writes of a row into a list, as TensorFlow converts TensorListSetItem. */
import { expect } from 'chai';
import { encode } from '../../src/compiler/formats/flatbuffer-writer.js';
import { importModel } from '../../src/compiler/formats/index.js';
import { builtinCode } from '../../src/compiler/formats/tflite/builtins.js';
import { identifier, modelFields } from '../../src/compiler/formats/tflite/schema.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { refusalOf } from '../../src/errors.js';
import { optionsOf } from '../support/options.js';
import { type RawModel, tensor } from './fixture.js';

const codes = ['ADD', 'RESHAPE', 'CONCATENATION', 'SLICE'];
const operator = (name: string, inputs: number[], outputs: number[]) => {
  const builtinOptionsType = { ADD: 11, CONCATENATION: 10 }[name];
  const fields = optionsOf(name);
  const builtinOptions = { fields, values: {} as Record<string, unknown> };
  const options = builtinOptionsType === undefined ? {} : { builtinOptionsType, builtinOptions };
  return { opcodeIndex: codes.indexOf(name), inputs, outputs, ...options };
};

const constants = {
  one: [1],
  minus: [-1, -1],
  zeros: [0, 0],
  origin: [0, 0, 0],
  rest: [-1, -1, -1],
};
const names = Object.keys(constants);

/** list[i] = row: tensors 0 to 2 are i, the list and the row, 3 to 7 the constants, 8 to 15 computed. */
function fileOf(change: (model: RawModel) => void): Uint8Array {
  const model: RawModel = {
    version: 3,
    operatorCodes: codes.map((name) => ({
      ...{ builtinCode: builtinCode(name), deprecatedBuiltinCode: builtinCode(name) },
    })),
    subgraphs: [
      {
        name: 'main',
        tensors: [
          tensor('i', 'int32', []),
          tensor('list', 'int8', [3, 1, 2]),
          tensor('row', 'int8', [1, 1, 2]),
          ...Object.entries(constants).map(([name, { length }], i) =>
            tensor(name, 'int32', [length], i + 1),
          ),
          tensor('next', 'int32', []),
          ...['index', 'second'].map((name) => tensor(name, 'int32', [1])),
          ...['size', 'begin'].map((name) => tensor(name, 'int32', [3])),
          ...['before', 'after'].map((name) => tensor(name, 'int8', [1, 1, 2])),
          tensor('written', 'int8', [3, 1, 2]),
        ],
        ...{ inputs: [0, 1, 2], outputs: [15] },
        operators: [
          operator('ADD', [0, 3], [8]),
          operator('RESHAPE', [0, 3], [9]),
          operator('CONCATENATION', [9, 4], [11]),
          operator('SLICE', [1, 6, 11], [13]),
          operator('RESHAPE', [8, 3], [10]),
          operator('CONCATENATION', [10, 5], [12]),
          operator('SLICE', [1, 12, 7], [14]),
          operator('CONCATENATION', [13, 2, 14], [15]),
        ],
      },
    ],
    buffers: [{}, ...Object.values(constants).map((values) => bufferOf(values))],
  };
  change(model);
  return encode(modelFields, model, identifier, 4096);
}

const bufferOf = (values: readonly number[]) => ({
  data: new Uint8Array(Int32Array.from(values).buffer),
});

const load = (change: (model: RawModel) => void = () => {}) =>
  importModel(fileOf(change), { name: 'm', where: 'm.tflite', rounding: 'tflm' });

describe('writes into lists', () => {
  it('are one update at the index', () => {
    const graph = mainGraph(runPasses(load(), { faithful: false }));
    expect(graph.nodes.map(({ op }) => op)).to.have.members([
      ...['reshape', 'concatenation', 'dynamic_update_slice'],
    ]);
    const inputs = [Int8Array.of(1, 2, 3, 4, 5, 6), Int8Array.of(-7, -8)];
    const written = [0, 1, 2].map((i) => [
      ...(evaluateGraph(graph, [Int32Array.of(i), ...inputs]).outputs[0] as Int8Array),
    ]);
    expect(written).to.deep.equal([
      [-7, -8, 3, 4, 5, 6],
      [1, 2, -7, -8, 5, 6],
      [1, 2, 3, 4, -7, -8],
    ]);
  });

  /** Writes at index 1, and the operators that are left. */
  const taken: readonly (readonly [string, (model: RawModel) => void, readonly string[]])[] = [
    [
      'an axis counted from the last dimension',
      (m) => {
        Object.assign(m.subgraphs[0]?.operators[7]?.builtinOptions?.values ?? {}, { axis: -3 });
      },
      ['reshape', 'concatenation', 'dynamic_update_slice'],
    ],
    [
      'an index that is a constant',
      (m) => {
        const [main] = m.subgraphs;
        const buffer = m.buffers.push(bufferOf([1])) - 1;
        Object.assign(main?.tensors[9] ?? {}, { buffer });
        main?.inputs.shift();
        main?.operators.splice(0, 2, operator('ADD', [9, 3], [8]));
      },
      ['concatenation', 'dynamic_update_slice'],
    ],
  ];
  for (const [edge, change, ops] of taken) {
    it(`are one update with ${edge}`, () => {
      const graph = mainGraph(load(change));
      expect(graph.nodes.map(({ op }) => op)).to.have.members([...ops]);
      const index = graph.inputs.length === 3 ? [Int32Array.of(1)] : [];
      const inputs = [...index, Int8Array.of(1, 2, 3, 4, 5, 6), Int8Array.of(-7, -8)];
      expect([...(evaluateGraph(graph, inputs).outputs[0] as Int8Array)]).to.deep.equal([
        ...[1, 2, -7, -8, 5, 6],
      ]);
    });
  }

  const constant = (name: keyof typeof constants, values: readonly number[]) => (m: RawModel) => {
    m.buffers[1 + names.indexOf(name)] = bufferOf(values);
  };
  const reads = (at: number, inputs: number[]) => (m: RawModel) => {
    Object.assign(m.subgraphs[0]?.operators[at] ?? {}, { inputs });
  };
  const others: readonly (readonly [string, (model: RawModel) => void])[] = [
    ['rows that begin two after the index', constant('one', [2])],
    ['rows before from the second one on', constant('origin', [1, 0, 0])],
    ['a part of each row before', constant('minus', [-1, 1])],
    ['a part of each row after', constant('zeros', [0, 1])],
    ['one row after', constant('rest', [1, -1, -1])],
    [
      'rows of two lists',
      (m) => {
        m.subgraphs[0]?.tensors.push(tensor('other', 'int8', [3, 1, 2]));
        m.subgraphs[0]?.inputs.push(16);
        reads(6, [16, 12, 7])(m);
      },
    ],
    ['another number after the index', reads(0, [3, 3])],
    [
      'the number after the index at most 6',
      (m) => {
        Object.assign(m.subgraphs[0]?.operators[0]?.builtinOptions?.values ?? {}, {
          activation: 3,
        });
      },
    ],
    ['two rows', (m) => m.subgraphs[0]?.tensors.splice(2, 1, tensor('row', 'int8', [2, 1, 2]))],
  ];
  for (const [edge, change] of others) {
    it(`are none with ${edge}, whose slices are refused`, () => {
      const fault = refusalOf(() => load(change));
      expect(fault?.where, edge).to.contain('(SLICE)');
    });
  }
});
