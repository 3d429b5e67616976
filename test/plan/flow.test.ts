/** Branches and loops in one arena: edges of lifetimes and copies, and what each costs. */
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import {
  type Graph,
  type Module,
  mainGraph,
  type Tensor,
  type TensorId,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { flattened } from '../../src/compiler/ops/flatten.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { expectSameBitsOnBoard } from '../support/board.js';
import { evaluateOwned } from '../support/flow.js';
import { GraphBuilder, perTensorQuant, randomInputs } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { defaults } from '../support/plan.js';

const quant = perTensorQuant(0.5, 3);
const values = 64;
const shape = [1, values];
const add = { activation: 'none' };

type Make = (b: GraphBuilder, values: readonly TensorId[]) => readonly TensorId[];

function graphOf(inputs: number, make: Make, counter = false): Graph {
  const b = new GraphBuilder();
  const first = counter ? [b.input([], null, 'counter', 'int32')] : [];
  const ids = Array.from({ length: inputs }, () => b.input(shape, quant));
  return mainGraph(b.module(make(b, [...first, ...ids])));
}

/** y = condition ? then(x) : other(x); all of y are outputs, together with a reader of x before. */
function branching(inputs: number, then: Make, other: Make): Module {
  const b = new GraphBuilder();
  const condition = b.input([1], null, 'condition', 'bool');
  const ids = Array.from({ length: inputs }, () => b.node('neg', [b.input(shape, quant)]));
  const graphs = [graphOf(inputs, then), graphOf(inputs, other)];
  const shapes = mainGraph({ graphs: [graphs[0] as Graph] } as never).outputs.map(() => shape);
  const options = { shapes, quant, dtype: 'int8', graphs } as const;
  const results = b.nodeAll('if', [condition, ...ids], {}, options);
  return b.module(results.map((id) => b.node('relu', [id])));
}

/** `turns` times x = body(x), and a counter beside it; each x begins with a function of an input. */
function looping(inputs: number, turns: number, body: Make, begins = 'neg'): Module {
  const b = new GraphBuilder();
  const ids = Array.from({ length: inputs }, () => b.node(begins, [b.input(shape, quant)]));
  const condition = graphOf(
    inputs,
    (inner, [counter = 0]) => {
      const limit = inner.constant(Int32Array.of(turns), []);
      const options = { quant: null, dtype: 'bool' } as const;
      return [inner.node('compare', [counter, limit], { relation: 'less' }, options)];
    },
    true,
  );
  const step: Make = (inner, [counter = 0, ...others]) => {
    const one = inner.constant(Int32Array.of(1), []);
    return [inner.node('add', [counter, one], add, { quant: null }), ...body(inner, others)];
  };
  const graphs = [condition, graphOf(inputs, step, true)];
  const shapes = [[], ...ids.map(() => shape)];
  const begin = b.constant(Int32Array.of(0), []);
  const options = { shapes, quant, dtype: 'int8', graphs } as const;
  const [counter = 0, ...results] = b.nodeAll('while', [begin, ...ids], { turns }, options);
  b.retype(counter, { dtype: 'int32', quant: null });
  return b.module(results.map((id) => b.node('relu', [id])));
}

const constant = (b: GraphBuilder, value: number) =>
  b.constant(new Int8Array(values).fill(value), shape, quant);

/** Copies are nodes that bring results to their places, besides what a loop begins with. */
const rows: readonly (readonly [edge: string, module: Module, copies: number])[] = [
  [
    'a branch that gives its input, one that gives a constant',
    branching(
      1,
      (_, [x = 0]) => [x],
      (b) => [constant(b, 9)],
    ),
    2,
  ],
  [
    'a branch that gives one tensor twice',
    branching(
      2,
      (b, [x = 0, y = 0]) => [b.node('neg', [y]), x],
      (b, [x = 0]) => {
        const z = b.node('neg', [x]);
        return [z, z];
      },
    ),
    2,
  ],
  [
    'an input that the first branch reads after its first result',
    branching(
      2,
      (b, [x = 0, y = 0]) => {
        const z = b.node('neg', [x]);
        return [z, b.node('add', [b.node('neg', [y]), y], add)];
      },
      (b, [x = 0, y = 0]) => [b.node('neg', [y]), b.node('neg', [x])],
    ),
    0,
  ],
  ['no turn', looping(1, 0, (b, [x = 0]) => [b.node('neg', [x])]), 1],
  [
    'a result in the place of the value',
    looping(1, 3, (b, [x = 0]) => [b.node('neg', [b.node('neg', [x])])]),
    0,
  ],
  [
    'a value that is read after a tensor of the same turn is written',
    looping(1, 3, (b, [x = 0]) => {
      const y = b.node('neg', [x]);
      const z = b.node('minimum', [x, y]);
      return [b.node('add', [z, y], add)];
    }),
    0,
  ],
  ['two values change places', looping(2, 3, (_, [x = 0, y = 0]) => [y, x]), 4],
  [
    'values that move on, one place a turn',
    looping(3, 5, (b, [x = 0, y = 0]) => [b.node('neg', [x]), x, y]),
    5,
  ],
  [
    'a value by another name',
    looping(2, 3, (b, [, y = 0]) => [b.node('reshape', [y], { shape }), b.node('neg', [y])]),
    3,
  ],
  [
    'one tensor for two values',
    looping(2, 3, (b, [x = 0, y = 0]) => {
      const sum = b.node('add', [x, y], add);
      return [sum, sum];
    }),
    2,
  ],
  [
    'one tensor for two values that its node does not read',
    looping(2, 3, (b, [x = 0, y = 0]) => {
      const negative = b.node('neg', [b.node('add', [x, y], add)]);
      return [negative, negative];
    }),
    2,
  ],
  [
    'a value that is read by another name after the next one is made',
    looping(2, 3, (b, [x = 0, y = 0]) => {
      const [pairs, next] = [b.node('reshape', [x], { shape: [2, 32] }), b.node('neg', [y])];
      const least = b.node('minimum', [pairs, b.node('reshape', [next], { shape: [2, 32] })]);
      return [next, b.node('reshape', [least], { shape })];
    }),
    2,
  ],
  [
    'what stays is not carried',
    looping(2, 3, (b, [x = 0, y = 0]) => [b.node('add', [x, y], add), y]),
    1,
  ],
];

const target = loadTarget('rp2040');
const planned = (module: Module, faithful = false) =>
  makePlan(module, analyse(mainGraph(module)), target, { ...defaults, faithful });

describe('plan: branches and loops', () => {
  for (const [edge, module, copies] of rows) {
    it(edge, async () => {
      const passed = runPasses(module, { faithful: false });
      for (const seed of [1, 2]) {
        const inputs = randomInputs(module, seed);
        const expected = evaluateOwned(mainGraph(module), inputs);
        expect(evaluateGraph(mainGraph(passed), inputs).outputs).to.deep.equal(expected);
      }
      const { nodes, flow } = flattened(mainGraph(module));
      const copiers = nodes.filter(
        ({ op, outputs: [id = -1] }) =>
          op === 'assign' || (op === 'reshape' && flow?.places.has(id)),
      );
      // A loop copies what it begins with, and assigns its counter.
      const carried = flow?.sections.flatMap(({ loop }) => loop?.carried ?? []).length ?? 0;
      expect(copiers.length - (carried > 0 ? carried + 1 : 0)).to.equal(copies);
      await expectSameBits([passed], { plan: planned, runs: 4 });
      const plain = runPasses(module, { faithful: true });
      await expectSameBits([plain], { plan: (one) => planned(one, true), runs: 4 });
    });
  }

  for (const name of ['rp2040', 'stm32f405']) {
    it(`the same bits on the simulated ${name}, with each step's checksum`, async () => {
      const modules = rows.map(([, module]) => runPasses(module, { faithful: false }));
      await expectSameBitsOnBoard(modules, name, { planned: true });
    });
  }

  it('the result of a branch may lie in the input that no other step reads', () => {
    const module = branching(
      1,
      (b, [x = 0]) => [b.node('neg', [x])],
      (b) => [constant(b, 9)],
    );
    const { plan } = planned(runPasses(module, { faithful: false }));
    // The condition is a byte.
    expect(plan.arenaBytes).to.equal(values + 4);
  });

  it('what is proved of a value that falls by 8 in each turn holds in the last one', () => {
    const falling: Make = (b, [x = 0]) => [b.node('add', [x, constant(b, -5)], add)];
    const graph = flattened(mainGraph(looping(1, 9, falling, 'relu')));
    const facts = analyse(graph);
    const { tensors } = evaluateGraph(graph, [new Int8Array(values).fill(3)]);
    const least = (all: ArrayLike<number | bigint>) => Math.min(...Array.from(all, Number));
    for (const [id, data] of tensors) {
      expect(least(data)).to.be.at.least(least(facts.range(graph.tensors[id] as Tensor).min));
    }
    expect(Math.min(...[...tensors.values()].map(least))).to.equal(3 - 9 * 8);
  });

  it('a loop costs as many turns as are possible', () => {
    const countOf = (turns: number) =>
      planned(
        runPasses(
          looping(1, turns, (b, [x = 0]) => [b.node('neg', [x])]),
          { faithful: false },
        ),
      ).plan.steps.map(({ alternatives }) => alternatives[0]?.count ?? 0);
    const [two, eight] = [2, 8].map(countOf) as [number[], number[]];
    // The copies before the loop, the condition, the sum, the body; then what follows the loop.
    expect(eight.map((count, i) => count / (two[i] ?? 1))).to.include(4);
    expect(eight.at(-1)).to.equal(two.at(-1));
  });
});
