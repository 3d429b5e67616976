/** Windows in variables: which become a push, and that the bits of all runs stay. */
import { expect } from 'chai';
import { checkModule } from '../../src/compiler/ir/check.js';
import {
  elementCount,
  type Module,
  mainGraph,
  type TensorId,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import { operators } from '../../src/compiler/ops/index.js';
import { fuseWindows } from '../../src/compiler/passes/fuse-windows.js';
import { eachGraph } from '../../src/compiler/passes/rewrite.js';
import { GraphBuilder, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';

/** What is left of `x` from `begin` on, `count` rows along `axis`. */
function rowsOf(
  b: GraphBuilder,
  x: TensorId,
  axis: number,
  begin: number,
  count: number,
): TensorId {
  const shape = b.shape(x);
  const counts = shape.with(axis, count);
  const attrs = {
    ...{ begin: shape.map((_, d) => (d === axis ? begin : 0)), counts, shape: counts },
    strides: shape.map(() => 1),
  };
  return b.node('strided_slice', [x], attrs);
}

const joined = (b: GraphBuilder, parts: readonly TensorId[], axis: number) =>
  b.node('concatenation', [...parts], { axis, activation: 'none' });

interface Row {
  readonly edge: string;
  readonly shape: readonly number[];
  readonly axis?: number;
  readonly frames: number;
  /** Adds the window and the change of the state; returns outputs. */
  readonly body: (b: GraphBuilder, state: TensorId, x: TensorId, axis: number) => TensorId[];
  readonly isFused: boolean;
}

/** The whole window after the frames, and the last rows of it as the state. */
const longer: Row['body'] = (b, state, x, axis) => {
  const whole = joined(b, [state, x], axis);
  const [rows = 0, added = 0] = [b.shape(state)[axis], b.shape(x)[axis]];
  b.changes(state, b.node('assign', [state, rowsOf(b, whole, axis, added, rows)]));
  return [b.node('relu', [whole])];
};

/** The window without its oldest rows, and the frames. */
const same: Row['body'] = (b, state, x, axis) => {
  const [rows = 0, added = 0] = [b.shape(state)[axis], b.shape(x)[axis]];
  const whole = joined(b, [rowsOf(b, state, axis, added, rows - added), x], axis);
  b.changes(state, b.node('assign', [state, whole]));
  return [b.node('relu', [whole])];
};

const rows: readonly Row[] = [
  {
    edge: 'the state is the end of the window',
    shape: [1, 4, 1, 3],
    frames: 1,
    body: longer,
    isFused: true,
  },
  { edge: 'several frames', shape: [1, 2, 1, 4], frames: 3, body: longer, isFused: true },
  {
    edge: 'blocks: time is the last dimension',
    shape: [2, 3, 4],
    axis: 2,
    frames: 2,
    body: longer,
    isFused: true,
  },
  { edge: 'the state is the window', shape: [1, 4, 1, 3], frames: 1, body: same, isFused: true },
  {
    edge: 'the state is the window, blocks',
    shape: [2, 4, 3],
    axis: 1,
    frames: 2,
    body: same,
    isFused: true,
  },
  {
    edge: 'the state is read elsewhere too',
    ...{ shape: [1, 4, 1, 3], frames: 1, isFused: false },
    body: (b, state, x, axis) => [b.node('relu', [state]), ...longer(b, state, x, axis)],
  },
  {
    edge: 'the window is an output itself',
    ...{ shape: [1, 4, 1, 3], frames: 1, isFused: false },
    body: (b, state, x, axis) => {
      const whole = joined(b, [state, x], axis);
      b.changes(state, b.node('assign', [state, rowsOf(b, whole, axis, 1, 4)]));
      return [whole];
    },
  },
  {
    edge: 'the oldest rows stay',
    ...{ shape: [1, 4, 1, 3], frames: 1, isFused: false },
    body: (b, state, x, axis) => {
      const whole = joined(b, [state, x], axis);
      b.changes(state, b.node('assign', [state, rowsOf(b, whole, axis, 0, 4)]));
      return [b.node('relu', [whole])];
    },
  },
  {
    edge: 'the frames come first',
    ...{ shape: [1, 4, 1, 3], frames: 1, isFused: false },
    body: (b, state, x, axis) => {
      const whole = joined(b, [x, state], axis);
      b.changes(state, b.node('assign', [state, rowsOf(b, whole, axis, 1, 4)]));
      return [b.node('relu', [whole])];
    },
  },
];

function moduleOf({ shape, axis = 1, frames, body }: Row, seed: number): Module {
  const b = new GraphBuilder();
  const x = b.input(shape.with(axis, frames));
  const state = b.state(new Random(seed).int8(elementCount(shape)), shape);
  return b.module(body(b, state, x, axis));
}

function outputsOf(module: Module) {
  const graph = mainGraph(module);
  let states = initialStates(graph);
  const random = new Random(2);
  const [input] = graph.inputs.map((id) => elementCount(graph.tensors[id]?.shape ?? []));
  return Array.from({ length: 7 }, () => {
    const result = evaluateGraph(graph, [random.int8(input ?? 0)], states);
    states = result.states;
    return result.outputs;
  });
}

describe('passes/fuse-windows', () => {
  for (const [seed, row] of rows.entries()) {
    it(`${row.isFused ? 'one push' : 'stays'}: ${row.edge}`, () => {
      const module = moduleOf(row, seed);
      const fused = eachGraph(fuseWindows)(module);
      checkModule(fused, operators, 'fuse-windows');
      const ops = mainGraph(fused).nodes.map(({ op }) => op);
      expect(ops.includes('push')).to.equal(row.isFused);
      if (row.isFused) expect(ops).to.not.include.members(['assign']);
      expect(outputsOf(fused)).to.deep.equal(outputsOf(module));
    });
  }

  it('in C gives the bits of evaluate', () =>
    expectSameBits(
      rows.map((row, seed) => eachGraph(fuseWindows)(moduleOf(row, seed))),
      { runs: 6 },
    ));
});
