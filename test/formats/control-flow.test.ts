/** IF and WHILE: laid out, or kept with their subgraphs, or a clear error. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { encode } from '../../src/compiler/formats/flatbuffer-writer.js';
import { importModel } from '../../src/compiler/formats/index.js';
import {
  identifier,
  ifOptions,
  modelFields,
  whileOptions,
} from '../../src/compiler/formats/tflite/schema.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { refusalOf } from '../../src/errors.js';
import { expectSameBits } from '../support/native.js';
import { optionsOf } from '../support/options.js';
import { defaults } from '../support/plan.js';
import { bytesOf, codeOf, type RawModel, type RawSubgraph, tensor, typeCode } from './fixture.js';

const codes = [
  ...['WHILE', 'IF', 'LESS', 'ADD', 'NEG', 'LOGICAL_AND', 'VAR_HANDLE', 'GREATER_EQUAL'],
  ...['DEQUANTIZE', 'ZEROS_LIKE', 'RESHAPE'],
];
const operator = (name: string, inputs: number[], outputs: number[], type = 0, values = {}) => ({
  ...{ opcodeIndex: codes.indexOf(name), inputs, outputs },
  ...(type === 0
    ? {}
    : {
        builtinOptionsType: type,
        builtinOptions: {
          fields: { 11: optionsOf('ADD'), 92: ifOptions, 93: whileOptions }[type] ?? {},
          values,
        },
      }),
});

const counter = (name: string, buffer = 0) => tensor(name, 'int32', [], buffer);
const value = (name: string) => tensor(name, 'int8', [1, 4]);

/** Buffers of constants: 1 to 4 hold 0, 1, 3 and true. */
const buffers = () => [
  {},
  ...[0, 1, 3].map((each) => ({ data: bytesOf([each]) })),
  { data: Uint8Array.of(1) },
];

/**
 * `for (i = 0; i < 3; i += 1) x = -x`: subgraph 0 loops (tensors: x, i, results), 1 is the condition, 2
 * the body.
 */
function loopModel(change: (model: RawModel, all: readonly RawSubgraph[]) => void = () => {}) {
  const subgraphs: RawSubgraph[] = [
    {
      name: 'main',
      tensors: [value('x'), counter('i', 1), counter('turns'), value('y')],
      ...{ inputs: [0], outputs: [3] },
      operators: [operator('WHILE', [1, 0], [2, 3], 93, { condSubgraph: 1, bodySubgraph: 2 })],
    },
    {
      name: 'condition',
      tensors: [counter('i'), value('x'), counter('limit', 3), tensor('goes', 'bool', [])],
      ...{ inputs: [0, 1], outputs: [3], operators: [operator('LESS', [0, 2], [3])] },
    },
    {
      name: 'body',
      tensors: [counter('i'), value('x'), counter('one', 2), counter('next'), value('minus')],
      ...{ inputs: [0, 1], outputs: [3, 4] },
      operators: [operator('ADD', [0, 2], [3], 11), operator('NEG', [1], [4])],
    },
  ];
  const model: RawModel = {
    version: 3,
    operatorCodes: codes.map(codeOf),
    subgraphs,
    buffers: buffers(),
  };
  change(model, subgraphs);
  return encode(modelFields, model, identifier, 4096);
}

const load = (bytes: Uint8Array, rounding: 'tflm' | 'tflite' = 'tflm'): Module =>
  importModel(bytes, { name: 'm', where: 'm.tflite', rounding });

/** The loop with 100 turns, which are too many to lay out. */
const longModel = (change: Parameters<typeof loopModel>[0] = () => {}) =>
  loopModel((model, all) => {
    model.buffers.splice(3, 1, { data: bytesOf([100]) });
    change(model, all);
  });

/** The model with an IF in place of the loop; `condition` is a buffer of a bool, 0: an input. */
const branchModel = (condition: number, change: Parameters<typeof loopModel>[0] = () => {}) =>
  loopModel((model, all) => {
    const [main, then, other] = all;
    main?.tensors.splice(1, 1, tensor('condition', 'bool', [], condition));
    if (condition === 0) main?.inputs.push(1);
    const options = { thenSubgraph: 1, elseSubgraph: 2 };
    main?.operators.splice(0, 1, operator('IF', [1, 0], [3], 92, options));
    const branch = { inputs: [0], tensors: [value('x'), value('y')], outputs: [1] };
    Object.assign(then ?? {}, { ...branch, operators: [operator('NEG', [0], [1])] });
    Object.assign(other ?? {}, { ...branch, operators: [operator('ADD', [0, 0], [1], 11)] });
    for (const each of [then, other]) Object.assign(each ?? {}, copyOf(branch));
    change(model, all);
  });

/** Lists of their own. */
const copyOf = <T extends Readonly<Record<string, readonly unknown[]>>>(lists: T) =>
  Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, [...list]]));

describe('control flow', () => {
  const input = Int8Array.of(1, -2, 30, -40);
  const outputOf = (bytes: Uint8Array) => evaluateGraph(mainGraph(load(bytes)), [input]).outputs[0];

  it('a loop with a counter becomes its turns, and the counter goes', () => {
    const graph = mainGraph(load(loopModel()));
    expect(graph.nodes.map(({ op }) => op)).to.deep.equal(['neg', 'neg', 'neg']);
    expect([...(outputOf(loopModel()) as Int8Array)]).to.deep.equal([-1, 2, -30, 40]);
    expect(load(loopModel()).outputNames).to.deep.equal(['y']);
  });

  it('a branch with a constant condition becomes the branch that it takes', () => {
    const taken = [4, 1].map((condition) => mainGraph(load(branchModel(condition))).nodes[0]?.op);
    expect(taken).to.deep.equal(['neg', 'add']);
  });

  it('a branch whose condition is an input is a node with both graphs', () => {
    const graph = mainGraph(load(branchModel(0)));
    const [node] = graph.nodes;
    expect(node?.graphs?.map(({ nodes }) => nodes.map(({ op }) => op))).to.deep.equal([
      ['neg'],
      ['add'],
    ]);
    const outputs = [1, 0].map((condition) => {
      return [...(evaluateGraph(graph, [input, Uint8Array.of(condition)]).outputs[0] ?? [])];
    });
    expect(outputs).to.deep.equal([
      [-1, 2, -30, 40],
      [2, -4, 60, -80],
    ]);
  });

  it('a loop of many turns stays one, with its counter', () => {
    const graph = mainGraph(load(longModel()));
    expect(graph.nodes.map(({ op, attrs }) => [op, attrs.turns])).to.deep.equal([['while', 100]]);
    expect([...(evaluateGraph(graph, [input]).outputs[0] ?? [])]).to.deep.equal([...input]);
  });

  /** x = x + c in each turn, where the importer computes c. */
  const computed: readonly [edge: string, change: Parameters<typeof loopModel>[0]][] = [
    [
      'weights stored as float16',
      (model, all) => {
        const [main, condition, body] = all as [RawSubgraph, RawSubgraph, RawSubgraph];
        const real = { type: typeCode('float32'), quantization: undefined };
        for (const { tensors } of [main, condition, body]) {
          for (const each of tensors) if (each.shape.length === 2) Object.assign(each, real);
        }
        const half = model.buffers.push({ data: new Uint8Array(8) }) - 1;
        body.tensors.push(tensor('c', 'float32', [1, 4]), tensor('c16', 'float16', [1, 4], half));
        body.operators[1] = operator('DEQUANTIZE', [6], [5]);
        body.operators.push(operator('ADD', [1, 5], [4], 11));
      },
    ],
    [
      'zeros',
      (_, [, , body]) => {
        body?.tensors.push(value('c'));
        body?.operators.splice(1, 1, operator('ZEROS_LIKE', [1], [5]));
        body?.operators.push(operator('ADD', [1, 5], [4], 11));
      },
    ],
  ];
  for (const [edge, change] of computed) {
    it(`a loop of many turns stays one with ${edge} in its body`, () => {
      const { nodes } = mainGraph(load(longModel(change)));
      const [, body] = nodes[0]?.graphs ?? [];
      const found = [nodes, body?.nodes ?? []].map((all) => all.map(({ op }) => op));
      expect(found).to.deep.equal([['while'], ['add', 'add']]);
    });
  }

  it('what follows a branch that is kept stays behind it', () => {
    const bytes = branchModel(0, (_, [main]) => {
      main?.tensors.push(value('z'));
      main?.operators.push(operator('NEG', [3], [main.tensors.length - 1]));
      main?.outputs.splice(0, 1, main.tensors.length - 1);
    });
    const graph = mainGraph(load(bytes));
    expect(graph.nodes.map(({ op }) => op)).to.deep.equal(['if', 'neg']);
    const [output] = evaluateGraph(graph, [input, Uint8Array.of(1)]).outputs;
    expect([...(output ?? [])]).to.deep.equal([...input]);
  });

  /** x = x + c in each turn, where c is a constant of the body, or of the caller, who passes it on. */
  const added = (isPassed: boolean): Parameters<typeof loopModel>[0] => {
    return (model, all) => {
      const buffer = model.buffers.push({ data: Uint8Array.of(1, 2, 3, 4) }) - 1;
      const [main, condition, body] = all as [RawSubgraph, RawSubgraph, RawSubgraph];
      for (const each of isPassed ? [main, condition, body] : [body]) {
        const isOwner = each === main || !isPassed;
        each.tensors.push({ ...value('c'), buffer: isOwner ? buffer : 0 });
      }
      body.operators[1] = operator('ADD', [1, 5], [4], 11);
      if (!isPassed) return;
      main.tensors.push(value('c again'));
      main.operators[0]?.inputs.push(4);
      main.operators[0]?.outputs.push(5);
      condition.inputs.push(4);
      body.inputs.push(5);
      body.outputs.push(5);
    };
  };

  it('the turns of a loop that is laid out share their constants', () => {
    const { nodes, tensors } = mainGraph(load(loopModel(added(false))));
    expect(nodes.map(({ op }) => op)).to.deep.equal(['add', 'add', 'add']);
    expect(tensors.filter(({ data }) => data !== null)).to.have.length(1);
  });

  it('a constant that a loop passes on is none of its values', () => {
    const [loop] = mainGraph(load(longModel(added(true)))).nodes;
    expect(loop?.op).to.equal('while');
    // The counter and x.
    expect(loop?.inputs).to.have.length(2);
  });

  it('24 operators are laid out, 25 are a loop', () => {
    const opsOf = (turns: number) =>
      mainGraph(
        load(loopModel((model) => model.buffers.splice(3, 1, { data: bytesOf([turns]) }))),
      ).nodes.map(({ op }) => op);
    expect(opsOf(24)).to.deep.equal(new Array(24).fill('neg'));
    expect(opsOf(25)).to.deep.equal(['while']);
  });

  it('what is trained has no loops', () => {
    const options = { name: 'm', where: 'm.tflite', rounding: 'tflm', loops: 'laid out' } as const;
    const { nodes } = mainGraph(importModel(longModel(), options));
    expect(nodes.map(({ op }) => op)).to.deep.equal(new Array(100).fill('neg'));
  });

  it('a condition that also depends on the input ends a loop before its bound', () => {
    const bytes = longModel((_, [main, condition, body]) => {
      const bool = (name: string) => tensor(name, 'bool', []);
      main?.tensors.push(bool('open'), bool('left'));
      main?.inputs.push(4);
      main?.operators[0]?.inputs.push(4);
      main?.operators[0]?.outputs.push(5);
      condition?.tensors.push(bool('open'), bool('both'));
      condition?.inputs.push(4);
      condition?.operators.push(operator('LOGICAL_AND', [4, 3], [5]));
      condition?.outputs.splice(0, 1, 5);
      // It goes on as long as the counter is at least 1: never after the first turn.
      body?.tensors.push(bool('open'), bool('next'));
      body?.inputs.push(5);
      body?.operators.push(operator('GREATER_EQUAL', [0, 2], [6]));
      body?.outputs.push(6);
    });
    const graph = mainGraph(load(bytes));
    expect(graph.nodes[0]?.attrs).to.deep.equal({ turns: 100 });
    const run = (open: number) => [
      ...(evaluateGraph(graph, [input, Uint8Array.of(open)]).outputs[0] ?? []),
    ];
    expect([run(0), run(1)]).to.deep.equal([[...input], [-1, 2, -30, 40]]);
  });

  type Change = Parameters<typeof loopModel>[0];
  const calls =
    (subgraph: number): Change =>
    (_, all) =>
      all[2]?.operators.splice(
        1,
        1,
        operator('WHILE', [0, 1], [3, 4], 93, { condSubgraph: 1, bodySubgraph: subgraph }),
      );
  const refused: readonly (readonly [edge: string, code: string, says: RegExp, Uint8Array])[] = [
    ['a body that calls itself', 'bad-graph', /calls subgraph 2 "body"/, loopModel(calls(2))],
    ['a body that calls the main graph', 'bad-graph', /calls subgraph 0/, loopModel(calls(0))],
    ['a subgraph that is missing', 'corrupt-model', /missing subgraph/, loopModel(calls(9))],
    ['a negative subgraph', 'corrupt-model', /missing subgraph/, loopModel(calls(-1))],
    [
      'a loop without a bound',
      'unsupported-attribute',
      /WHILE.* has no bound/,
      loopModel((_, [main]) => {
        main?.inputs.push(1);
        Object.assign(main?.tensors[1] ?? {}, { buffer: 0 });
      }),
    ],
    [
      'a loop without an end',
      'too-large',
      /more than \d+ operators/,
      loopModel((_, all) => all[2]?.operators.splice(0, 1, operator('ADD', [2, 2], [3], 11))),
    ],
    [
      'a constant in more elements than any memory has',
      'corrupt-model',
      /far more data than it contains/,
      loopModel((model, all) => {
        const body = all[2] as RawSubgraph;
        const buffer = model.buffers.push({ data: bytesOf([2 ** 31 - 1]) }) - 1;
        body.tensors.push(tensor('shape', 'int32', [1], buffer), tensor('many', 'int32', [1]));
        body.operators.push(operator('RESHAPE', [2, 5], [6]));
      }),
    ],
    [
      'a loop without an end whose body is empty',
      'too-large',
      /more than \d+ operators/,
      loopModel((_, all) => {
        all[2]?.operators.splice(0);
        all[2]?.outputs.splice(0, 2, 0, 1);
      }),
    ],
    [
      'a loop without an end around another one',
      'too-large',
      /more than \d+ operators/,
      loopModel((_, all) => {
        const [, condition, body] = all as [RawSubgraph, RawSubgraph, RawSubgraph];
        const copy = (subgraph: RawSubgraph) => ({ ...subgraph, tensors: [...subgraph.tensors] });
        (all as RawSubgraph[]).push(copy(condition), copy(body));
        const options = { condSubgraph: 3, bodySubgraph: 4 };
        body.tensors.push(counter('zero', 1), counter('again'));
        body.operators = [
          operator('WHILE', [5, 1], [3, 4], 93, options),
          operator('ADD', [5, 5], [6], 11),
        ];
        body.outputs = [6, 4];
      }),
    ],
    [
      'another number of inputs',
      'bad-graph',
      /gives 2 inputs to a subgraph with 1/,
      loopModel((_, all) => all[2]?.inputs.splice(1)),
    ],
    [
      'no subgraphs in its options',
      'corrupt-model',
      /no subgraphs/,
      loopModel((_, [main]) => main?.operators.splice(0, 1, operator('WHILE', [1, 0], [2, 3]))),
    ],
    [
      'a branch that calls the main graph',
      'bad-graph',
      /calls subgraph 0/,
      branchModel(0, (_, all) => {
        const options = { thenSubgraph: 0, elseSubgraph: 0 };
        all[1]?.tensors.push(tensor('condition', 'bool', []));
        all[1]?.operators.splice(0, 1, operator('IF', [2, 0], [1], 92, options));
      }),
    ],
    [
      'branches with another number of outputs',
      'bad-graph',
      /has 2 tensors as the outputs of its else branch; it needs 1/,
      branchModel(0, (_, all) => all[2]?.outputs.push(0)),
    ],
    [
      'another number of inputs of a branch',
      'bad-graph',
      /gives 1 inputs to a subgraph with 2/,
      branchModel(0, (_, all) => all[1]?.inputs.push(0)),
    ],
    [
      'a condition of numbers',
      'bad-graph',
      /its condition is int32\[\]; it must be one bool/,
      branchModel(0, (_, [main]) => main?.tensors.splice(1, 1, counter('condition'))),
    ],
    [
      'a branch that remembers',
      'unsupported-operator',
      /VAR_HANDLE.* remembers within IF or WHILE/,
      branchModel(0, (_, all) => all[1]?.operators.push(operator('VAR_HANDLE', [], [1]))),
    ],
    [
      'a counter that moves away from its limit',
      'too-large',
      /more than \d+ operators/,
      longModel((model) => model.buffers.splice(2, 1, { data: bytesOf([-1]) })),
    ],
    [
      'a counter that wraps before it reaches its limit',
      'too-large',
      /more than \d+ operators/,
      loopModel((model) => {
        model.buffers.splice(2, 2, { data: bytesOf([10]) }, { data: bytesOf([2 ** 31 - 2]) });
      }),
    ],
    [
      'a limit that is computed',
      'unsupported-attribute',
      /WHILE.* has no bound/,
      longModel((_, [main, condition, body]) => {
        main?.tensors.push(counter('limit'), counter('end'));
        main?.inputs.push(4);
        main?.operators[0]?.inputs.push(4);
        main?.operators[0]?.outputs.push(5);
        condition?.inputs.push(2);
        Object.assign(condition?.tensors[2] ?? {}, { buffer: 0 });
        body?.tensors.push(counter('limit'));
        body?.inputs.push(5);
        body?.outputs.push(5);
      }),
    ],
    [
      'a condition that reads what it makes',
      'bad-graph',
      /reads/,
      loopModel((_, all) => {
        const condition = all[1] as RawSubgraph;
        condition.operators = [operator('RESHAPE', [3], [3])];
      }),
    ],
    [
      'a body of strings',
      'unsupported-type',
      /string/,
      loopModel((_, all) => Object.assign(all[2]?.tensors[4] ?? {}, { type: 5 })),
    ],
  ];
  for (const [edge, code, says, bytes] of refused) {
    it(`refuses ${edge}`, () => {
      const error = refusalOf(() => load(bytes));
      expect([error?.code, error?.exitStatus]).to.deep.equal([code, 2]);
      expect(`${error?.where} ${error?.message}`).to.match(says);
      expect(error?.hint).not.to.equal('');
    });
  }

  const folder = fileURLToPath(new URL('../corpus/control-flow/', import.meta.url));
  const names = readdirSync(folder).flatMap((file) => /^(.*)\.tflite$/.exec(file)?.[1] ?? []);
  for (const name of names) {
    it(`${name}, as TensorFlow converts it: the bits of both runtimes, and in C`, async () => {
      const bytes = readFileSync(`${folder}${name}.tflite`);
      const vectors = JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8'));
      for (const rounding of ['tflm', 'tflite'] as const) {
        const graph = mainGraph(load(bytes, rounding));
        if (typeof vectors[rounding] === 'string') continue;
        vectors.inputs.forEach((values: number[], i: number) => {
          const [made] = evaluateGraph(graph, [Int8Array.from(values)]).outputs;
          expect([...(made as Int8Array)], rounding).to.deep.equal(vectors[rounding][i]);
        });
      }
      const options = { ...defaults, faithful: false };
      const plan = (module: Module) =>
        makePlan(module, analyse(mainGraph(module)), loadTarget('rp2040'), options);
      await expectSameBits([runPasses(load(bytes), { faithful: false })], { plan });
    });
  }
});
