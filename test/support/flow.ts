/** Random graphs whose nodes own graphs, and a plain evaluator of these. */
import {
  type Graph,
  type Module,
  mainGraph,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../../src/compiler/ir/graph.js';
import { opOf } from '../../src/compiler/ops/index.js';
import { GraphBuilder, perTensorQuant, type Random } from './module.js';

/** Runs a graph as its nodes say: a branch, or turn after turn. */
export function evaluateOwned(graph: Graph, inputs: readonly TensorData[]): readonly TensorData[] {
  const values = new Map<TensorId, TensorData>(
    graph.inputs.map((id, i) => [id, inputs[i] as TensorData]),
  );
  const elementsOf = (id: TensorId) => values.get(id) ?? (tensorOf(graph, id).data as TensorData);
  for (const node of graph.nodes) {
    const given = node.inputs.map((id) => (id === null ? null : elementsOf(id)));
    const [first, second] = node.graphs ?? [];
    const all = given as readonly TensorData[];
    let results: readonly TensorData[];
    if (first === undefined || second === undefined) {
      results = opOf(node).evaluate(viewOf(graph, node), given);
    } else if (node.op === 'if') {
      results = evaluateOwned(all[0]?.[0] ? first : second, all.slice(1));
    } else {
      results = all;
      while (evaluateOwned(first, results)[0]?.[0]) results = evaluateOwned(second, results);
    }
    node.outputs.forEach((id, i) => {
      values.set(id, results[i] as TensorData);
    });
  }
  return graph.outputs.map(elementsOf);
}

const quant = perTensorQuant(0.5, 3);
const shape = [1, 6];
const kinds = {
  value: { shape, quant, dtype: 'int8' },
  flag: { shape: [1], quant: null, dtype: 'bool' },
  counter: { shape: [1], quant: null, dtype: 'int32' },
} as const;
type Kind = keyof typeof kinds;

/** The graph that is being made, and its tensors of each kind. */
class Growing {
  readonly builder = new GraphBuilder();
  readonly tensors: Record<Kind, TensorId[]> = { value: [], flag: [], counter: [] };
  readonly inputs: readonly TensorId[];

  constructor(
    private readonly random: Random,
    readonly given: readonly Kind[],
  ) {
    this.inputs = given.map((kind, i) => {
      const { shape, quant, dtype } = kinds[kind];
      const id = this.builder.input(shape, quant, `${kind}_${i}`, dtype);
      this.tensors[kind].push(id);
      return id;
    });
  }

  any(kind: Kind): TensorId {
    return this.random.pick(this.tensors[kind]);
  }

  /** A node like its first input. */
  node(kind: Kind, op: string, inputs: readonly TensorId[], attrs = {}): TensorId {
    const { quant, dtype } = kinds[kind];
    const id = this.builder.node(op, inputs, attrs, { quant, dtype });
    this.tensors[kind].push(id);
    return id;
  }

  constant(data: TensorData, kind: Kind): TensorId {
    const { shape, quant, dtype } = kinds[kind];
    return this.builder.constant(data, shape, quant, dtype);
  }

  owner(
    op: string,
    inputs: readonly TensorId[],
    outputs: readonly Kind[],
    attrs: { readonly turns?: number },
    graphs: readonly Graph[],
  ): readonly TensorId[] {
    const shapes = outputs.map((kind) => kinds[kind].shape);
    const ids = this.builder.nodeAll(op, inputs, { ...attrs }, { shapes, graphs });
    outputs.forEach((kind, i) => {
      this.builder.retype(ids[i] as TensorId, kinds[kind]);
      this.tensors[kind].push(ids[i] as TensorId);
    });
    return ids;
  }

  graph(outputs: readonly TensorId[]): Graph {
    return mainGraph(this.builder.module(outputs));
  }
}

/** A random module with branches and loops in each other. All kinds are inputs of all graphs. */
export function growFlow(random: Random): Module {
  const growing = new Growing(random, ['value', 'value', 'flag', 'flag']);
  grow(growing, random, 3);
  const outputs = [growing.any('value'), growing.node('value', 'neg', [growing.any('value')])];
  const apart = outputs.map((id) => growing.node('value', 'relu', [id]));
  return growing.builder.module(apart);
}

/** Adds a few nodes, which own graphs as long as `depth` is above 0. */
function grow(growing: Growing, random: Random, depth: number): void {
  for (let left = random.integer(1, 4); left > 0; left -= 1) {
    const kind = random.integer(0, depth > 0 ? 6 : 4);
    if (kind === 0) growing.node('value', 'neg', [growing.any('value')]);
    if (kind === 1) growing.node('value', 'minimum', [growing.any('value'), growing.any('value')]);
    if (kind === 2) {
      const operands = [growing.any('value'), growing.any('value')];
      growing.node('value', 'add', operands, { activation: 'none' });
    }
    if (kind === 3) growing.node('value', 'reshape', [growing.any('value')], { shape });
    if (kind === 4) growing.node('flag', 'logical_not', [growing.any('flag')]);
    if (kind === 5) growBranch(growing, random, depth - 1);
    if (kind === 6) growLoop(growing, random, depth - 1);
  }
}

/** What a graph gives: mostly what it has computed, but also its inputs and constants, and twice the same. */
function results(growing: Growing, random: Random, outputs: readonly Kind[]): readonly TensorId[] {
  return outputs.map((kind) => {
    if (kind === 'value' && random.integer(0, 5) === 0) {
      return growing.constant(random.int8(6), 'value');
    }
    return growing.any(kind);
  });
}

function growBranch(growing: Growing, random: Random, depth: number): void {
  const given = ['value', 'flag', 'value'] as const;
  const outputs = random.pick([['value'], ['value', 'value'], ['value', 'flag']] as const);
  const graphs = [0, 1].map(() => {
    const inner = new Growing(random, given);
    if (random.integer(0, 3) > 0) grow(inner, random, depth);
    return inner.graph(results(inner, random, outputs));
  });
  const inputs = [growing.any('flag'), ...given.map((kind) => growing.any(kind))];
  growing.owner('if', inputs, outputs, {}, graphs);
}

function growLoop(growing: Growing, random: Random, depth: number): void {
  const carried = ['counter', 'value', 'value', 'flag'] as const;
  const turns = random.integer(0, 4);
  const condition = new Growing(random, carried);
  const limit = condition.constant(Int32Array.of(turns), 'counter');
  const isLess = [condition.inputs[0] as TensorId, limit];
  let goesOn = condition.node('flag', 'compare', isLess, { relation: 'less' });
  if (random.integer(0, 1) === 0) {
    const operands = [goesOn, condition.inputs[3] as TensorId];
    goesOn = condition.node('flag', 'logical', operands, { function: 'and' });
  }
  const body = new Growing(random, carried);
  grow(body, random, depth);
  const step = [body.inputs[0] as TensorId, body.constant(Int32Array.of(1), 'counter')];
  const next = body.node('counter', 'add', step, { activation: 'none' });
  const others = results(body, random, ['value', 'value', 'flag']);
  const graphs = [condition.graph([goesOn]), body.graph([next, ...others])];
  const begin = growing.constant(Int32Array.of(0), 'counter');
  const inputs = [begin, growing.any('value'), growing.any('value'), growing.any('flag')];
  growing.owner('while', inputs, carried, { turns }, graphs);
}
