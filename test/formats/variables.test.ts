/** Variables of a file: which value each read gives, and what runs begin with. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { builtinCode } from '../../src/compiler/formats/tflite/builtins.js';
import { callOnceOptions, varHandleOptions } from '../../src/compiler/formats/tflite/schema.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import type { BonsaiError } from '../../src/errors.js';
import { optionsOf } from '../support/options.js';
import { encodeModel, type RawModel, type RawOperator, type RawTensor, tensor } from './fixture.js';

const names = ['ADD', 'VAR_HANDLE', 'READ_VARIABLE', 'ASSIGN_VARIABLE', 'CALL_ONCE', 'RELU'];
type Op = readonly [name: string, inputs: number[], outputs: number[]];

/** Tensors of every model: 0 input, 1 handle of "v", 2 handle of "w", 3 to 8 int8 [1, 2]. */
function operatorOf([name, inputs, outputs]: Op): RawOperator {
  const options: Readonly<
    Record<string, Pick<RawOperator, 'builtinOptions' | 'builtinOptionsType'>>
  > = {
    ADD: { builtinOptionsType: 11, builtinOptions: { fields: optionsOf('ADD'), values: {} } },
    VAR_HANDLE: {
      builtinOptionsType: 111,
      builtinOptions: {
        fields: varHandleOptions,
        values: { container: '', sharedName: outputs[0] === 2 ? 'w' : 'v' },
      },
    },
    CALL_ONCE: {
      builtinOptionsType: 103,
      builtinOptions: { fields: callOnceOptions, values: { initSubgraph: 1 } },
    },
  };
  return { opcodeIndex: names.indexOf(name), inputs, outputs, ...options[name] };
}

/** @param initial what CALL_ONCE assigns to "v"; null: there is none */
function modelOf(ops: readonly Op[], output: number, initial: readonly number[] | null): RawModel {
  const values = (name: string, zeroPoint = 0): RawTensor => ({
    ...tensor(name, 'int8', [1, 2]),
    quantization: { scale: [1], zeroPoint: [zeroPoint] },
  });
  const handle = (name: string) => tensor(name, 'resource', []);
  const main = {
    name: 'main',
    tensors: [
      ...[values('input'), handle('v'), handle('w')],
      ...['a', 'b', 'c', 'd', 'e', 'f'].map((name) => values(name)),
    ],
    inputs: [0],
    outputs: [output],
    operators: [
      ...(initial === null ? [] : [operatorOf(['CALL_ONCE', [], []])]),
      ...ops.map(operatorOf),
    ],
  };
  const first = {
    name: 'NoOp',
    tensors: [handle('v'), { ...values('initial'), buffer: 1 }],
    inputs: [],
    outputs: [],
    operators: [operatorOf(['VAR_HANDLE', [], [0]]), operatorOf(['ASSIGN_VARIABLE', [0, 1], []])],
  };
  return {
    version: 3,
    operatorCodes: names.map((name) => ({
      deprecatedBuiltinCode: Math.min(127, builtinCode(name)),
      builtinCode: builtinCode(name),
      version: 1,
    })),
    subgraphs: initial === null ? [main] : [main, first],
    buffers: [{}, { data: new Uint8Array(Int8Array.from(initial ?? []).buffer) }],
  };
}

/** The outputs of runs with the inputs [1, 10], [2, 20], [3, 30], before the passes and after. */
function outputsOf(model: RawModel): readonly (readonly number[])[] {
  const bytes = encodeModel(model);
  const module = importModel(bytes, { name: 'm', where: 'm.tflite', rounding: 'tflm' });
  const [before, after] = [module, runPasses(module, { faithful: false })].map((one) => {
    let states = initialStates(mainGraph(one));
    return [1, 2, 3].map((k) => {
      const evaluation = evaluateGraph(mainGraph(one), [Int8Array.of(k, 10 * k)], states);
      states = evaluation.states;
      return Array.from(evaluation.outputs[0] ?? [], Number);
    });
  });
  expect(after).to.deep.equal(before);
  return before ?? [];
}

const handle: Op = ['VAR_HANDLE', [], [1]];
const rows: readonly (readonly [
  edge: string,
  ops: readonly Op[],
  output: number,
  initial: readonly number[] | null,
  expected: readonly (readonly number[])[],
])[] = [
  [
    'a sum over runs, from the values of CALL_ONCE',
    [handle, ['READ_VARIABLE', [1], [3]], ['ADD', [3, 0], [4]], ['ASSIGN_VARIABLE', [1, 4], []]],
    ...([
      4,
      [5, 7],
      [
        [6, 17],
        [8, 37],
        [11, 67],
      ],
    ] as const),
  ],
  [
    'without CALL_ONCE from the zero point, as TFLM',
    [handle, ['READ_VARIABLE', [1], [3]], ['ADD', [3, 0], [4]], ['ASSIGN_VARIABLE', [1, 4], []]],
    ...([
      4,
      null,
      [
        [1, 10],
        [3, 30],
        [6, 60],
      ],
    ] as const),
  ],
  [
    'the value of the run before, read before it is assigned and used after',
    [handle, ['READ_VARIABLE', [1], [3]], ['ASSIGN_VARIABLE', [1, 0], []], ['RELU', [3], [4]]],
    ...([
      4,
      [5, 7],
      [
        [5, 7],
        [1, 10],
        [2, 20],
      ],
    ] as const),
  ],
  [
    'a read after an assignment gives what was assigned',
    [
      ...[handle, ['ASSIGN_VARIABLE', [1, 0], []] as Op, ['READ_VARIABLE', [1], [3]] as Op],
      ['RELU', [3], [4]],
    ],
    ...([
      4,
      [5, 7],
      [
        [1, 10],
        [2, 20],
        [3, 30],
      ],
    ] as const),
  ],
  [
    'old and new value in one sum: the old one needs memory of its own',
    [
      ...[handle, ['READ_VARIABLE', [1], [3]] as Op, ['ADD', [3, 0], [4]] as Op],
      ...([
        ['ASSIGN_VARIABLE', [1, 4], []],
        ['READ_VARIABLE', [1], [5]],
      ] as Op[]),
      ['ADD', [3, 5], [6]],
    ],
    ...([
      6,
      [5, 7],
      [
        [11, 24],
        [14, 54],
        [19, 104],
      ],
    ] as const),
  ],
  [
    'the variable itself as output',
    [handle, ['READ_VARIABLE', [1], [3]], ['ASSIGN_VARIABLE', [1, 0], []]],
    ...([
      3,
      [5, 7],
      [
        [5, 7],
        [1, 10],
        [2, 20],
      ],
    ] as const),
  ],
  [
    'two handles of one variable, and another variable',
    [
      ...[handle, ['VAR_HANDLE', [], [2]] as Op, ['READ_VARIABLE', [2], [3]] as Op],
      ...([
        ['READ_VARIABLE', [1], [4]],
        ['ADD', [3, 4], [5]],
      ] as Op[]),
      ...([
        ['ASSIGN_VARIABLE', [2, 0], []],
        ['ASSIGN_VARIABLE', [1, 3], []],
      ] as Op[]),
    ],
    ...([
      5,
      [5, 7],
      [
        [5, 7],
        [1, 10],
        [3, 30],
      ],
    ] as const),
  ],
  [
    'a variable that nothing assigns is a constant',
    [handle, ['READ_VARIABLE', [1], [3]], ['ADD', [3, 0], [4]]],
    ...([
      4,
      [5, 7],
      [
        [6, 17],
        [7, 27],
        [8, 37],
      ],
    ] as const),
  ],
];

describe('import: variables of TFLite', () => {
  for (const [edge, ops, output, initial, expected] of rows) {
    it(edge, () => expect(outputsOf(modelOf(ops, output, initial))).to.deep.equal(expected));
  }

  const refused: readonly (readonly [edge: string, says: RegExp, model: () => RawModel])[] = [
    [
      'a read of what is no variable',
      /refers to no variable/,
      () =>
        modelOf(
          [
            ['READ_VARIABLE', [1], [3]],
            ['RELU', [3], [4]],
          ],
          4,
          null,
        ),
    ],
    [
      'CALL_ONCE of a missing subgraph',
      /missing subgraph/,
      () => {
        const model = modelOf([['RELU', [0], [4]]], 4, [1, 2]);
        return { ...model, subgraphs: model.subgraphs.slice(0, 1) };
      },
    ],
    [
      'CALL_ONCE that calls itself',
      /calls a subgraph that calls one/,
      () => {
        const model = modelOf([['RELU', [0], [4]]], 4, [1, 2]);
        model.subgraphs[1]?.operators.push(operatorOf(['CALL_ONCE', [], []]));
        return model;
      },
    ],
    [
      'a value of another shape',
      /assigns int8\[1,3\] to int8\[1,2\]/,
      () => {
        const model = modelOf(
          [
            ...[handle, ['READ_VARIABLE', [1], [3]] as Op, ['RELU', [3], [4]] as Op],
            ['ASSIGN_VARIABLE', [1, 5], []],
          ],
          4,
          null,
        );
        const [main] = model.subgraphs;
        if (main !== undefined) main.tensors[5] = { ...tensor('c', 'int8', [1, 3]), buffer: 1 };
        model.buffers[1] = { data: Uint8Array.of(1, 2, 3) };
        return model;
      },
    ],
    ...(
      [
        ['VAR_HANDLE', /has no variable/, null],
        ['CALL_ONCE', /has no subgraph/, [1, 2]],
      ] as const
    ).flatMap(([name, says, initial]) =>
      (['builtinOptions', 'builtinOptionsType'] as const).map((lost): (typeof refused)[number] => [
        `${name} without its ${lost}`,
        says,
        () => {
          const model = modelOf([handle, ['READ_VARIABLE', [1], [3]]], 3, initial);
          delete model.subgraphs[0]?.operators[0]?.[lost];
          return model;
        },
      ]),
    ),
  ];
  for (const [edge, says, model] of refused) {
    it(`refuses ${edge}`, () => {
      const options = { name: 'm', where: 'm.tflite', rounding: 'tflm' } as const;
      expect(() => importModel(encodeModel(model()), options))
        .to.throw(says)
        .with.property('name', 'BonsaiError' satisfies BonsaiError['name']);
    });
  }
});
