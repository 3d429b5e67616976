/** while (WHILE): runs a graph again and again, each time on the outputs of the time before. */
import { BonsaiError } from '../../errors.js';
import {
  at,
  elementCount,
  type Graph,
  type Node,
  type Tensor,
  type TensorId,
  tensorOf,
} from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { CompareAttrs, Relation } from './compare.js';
import {
  graphsOf,
  inputsOf,
  outputsOf,
  owner,
  requireAlike,
  requireCondition,
} from './shape/graphs.js';
import { isReshape } from './shape/same-elements.js';

/** Graphs: the condition, and the body. */
export interface WhileAttrs {
  /** The most turns that are possible; −1: no bound is known. */
  readonly turns: number;
}

export const loop = {
  ...owner,
  name: 'while',
  infer: (view) => view.outputs.map(({ shape }) => shape),
  check(view) {
    const [condition, body] = graphsOf(view, 2) as readonly [Graph, Graph];
    requireAlike(view, 'its outputs', view.inputs, view.outputs);
    requireAlike(view, 'the inputs of its condition', view.inputs, inputsOf(condition));
    requireAlike(view, 'the inputs of its body', view.inputs, inputsOf(body));
    requireAlike(view, 'the outputs of its body', view.inputs, outputsOf(body));
    const results = outputsOf(condition);
    requireCondition(view, results.length === 1 ? results[0] : null);
    if (view.attrs.turns >= 0) return;
    const message = 'has no bound: the number of its turns depends on the input of the model';
    const hint = 'stop at a constant number of turns too (i < 100), or loop in the application';
    throw new BonsaiError('unsupported-attribute', at(view.node), message, hint);
  },
} satisfies OpDef<WhileAttrs>;

/**
 * The most turns of a loop, from a counter: the condition demands, maybe besides other things, that
 * it is on one side of a constant, and each turn moves it towards that by a constant. null: the loop
 * has no such counter.
 *
 * @param initial what the loop begins with
 */
export function mostTurns(
  initial: readonly (Tensor | null)[],
  condition: Graph,
  body: Graph,
): number | null {
  const bounds = demands(condition, condition.outputs[0] ?? -1).flatMap(
    ({ relation, counter, limit }) => {
      const begin = integerOf(initial[counter] ?? null);
      const step = stepOf(body, counter);
      if (begin === null || step === null) return [];
      const turns = turnsUntil(relation, begin, step, limit);
      return turns === null ? [] : [turns];
    },
  );
  return bounds.length === 0 ? null : Math.min(...bounds);
}

/** The turns while `begin + k · step` keeps to a relation with `limit`; null: they may not end. */
function turnsUntil(relation: Relation, begin: number, step: number, limit: number): number | null {
  const isRising = relation === 'less' || relation === 'less_equal';
  const isFalling = relation === 'greater' || relation === 'greater_equal';
  if (!((isRising && step > 0) || (isFalling && step < 0))) return null;
  const distance = isRising ? limit - begin : begin - limit;
  const isStrict = relation === 'less' || relation === 'greater';
  const open = isStrict ? distance : distance + 1;
  // No counter may wrap: the last value that is compared is at most a step beyond the limit.
  if (Math.abs(limit) + Math.abs(step) > 2 ** 31 - 1) return null;
  return Math.max(0, Math.ceil(open / Math.abs(step)));
}

interface Demand {
  /** Of the counter to the limit. */
  readonly relation: Relation;
  /** Position of the counter among the inputs. */
  readonly counter: number;
  readonly limit: number;
}

const swapped: Readonly<Record<Relation, Relation>> = {
  equal: 'equal',
  greater: 'less',
  greater_equal: 'less_equal',
  less: 'greater',
  less_equal: 'greater_equal',
  not_equal: 'not_equal',
};

/** What must hold of inputs, as comparisons with constants, for a tensor to be true. */
function demands(graph: Graph, id: TensorId, before = graph.nodes.length): readonly Demand[] {
  // Of earlier nodes only: the order of nodes is not yet checked, and a node may read what it makes.
  const index = graph.nodes.slice(0, before).findIndex(({ outputs }) => outputs.includes(id));
  const writer = graph.nodes[index];
  if (writer === undefined) return [];
  const [a = null, b = null] = writer.inputs;
  if (isReshape(writer)) return demands(graph, a ?? -1, index);
  if (writer.op === 'logical' && writer.attrs.function === 'and') {
    return [a, b].flatMap((operand) => demands(graph, operand ?? -1, index));
  }
  if (writer.op !== 'compare') return [];
  const { relation } = (writer as Node<object> as Node<CompareAttrs>).attrs;
  return [...demandOf(graph, relation, a, b), ...demandOf(graph, swapped[relation], b, a)];
}

function demandOf(
  graph: Graph,
  relation: Relation,
  left: TensorId | null,
  right: TensorId | null,
): readonly Demand[] {
  const counter = graph.inputs.indexOf(left ?? -1);
  const limit = right === null ? null : integerOf(tensorOf(graph, right));
  return counter < 0 || limit === null ? [] : [{ relation, counter, limit }];
}

/** What a turn adds to an input; null: no constant. */
function stepOf(body: Graph, counter: number): number | null {
  const writer = body.nodes.find(({ outputs }) => outputs.includes(body.outputs[counter] ?? -1));
  const [a = null, b = null] = writer?.inputs ?? [];
  const isCounter = (id: TensorId | null) => id !== null && id === body.inputs[counter];
  const constant = (id: TensorId | null) => (id === null ? null : integerOf(tensorOf(body, id)));
  if (writer?.op === 'add' && isCounter(b)) return constant(a);
  if (!isCounter(a)) return null;
  const by = constant(b);
  if (writer?.op === 'add') return by;
  return writer?.op === 'sub' && by !== null ? -by : null;
}

/** A constant int32 with one element. */
function integerOf(tensor: Tensor | null): number | null {
  if (tensor?.data == null || tensor.dtype !== 'int32' || elementCount(tensor.shape) !== 1)
    return null;
  return Number(tensor.data[0]);
}
