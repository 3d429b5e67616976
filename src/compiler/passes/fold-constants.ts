/** Evaluates at compile time the nodes that depend on constants alone. */
import { BonsaiError } from '../../errors.js';
import {
  at,
  elementCount,
  type Graph,
  isConstant,
  type Node,
  type NodeView,
  resultsOf,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { computedTypes, typesOf } from '../ir/op.js';
import { opOf } from '../ops/index.js';

/** Elements and products that constants of a model may take to compute: a base, and so many for each of its own. */
const room = { base: 2 ** 22, perElement: 256 };

function roomFor({ tensors, nodes }: Graph): number {
  const own = tensors.reduce((sum, { data }) => sum + (data?.length ?? 0), nodes.length);
  return room.base + room.perElement * own;
}

function workOf(view: NodeView): number {
  const all = [...view.inputs, ...view.outputs];
  const elements = all.reduce((sum, tensor) => sum + elementCount(tensor?.shape ?? []), 0);
  return elements + opOf(view.node).macs(view);
}

function tooMuch(node: Node): BonsaiError {
  const message = 'computes constants that are far larger than those of the file';
  return new BonsaiError('too-large', at(node), message, 'compute them in the application');
}

/**
 * A node whose inputs are all constant is replaced by the tensors that it evaluates to. Nodes that
 * write a graph output or a state stay, since these have places in memory; nodes of types that their
 * operator does not take stay, since nothing evaluates them.
 *
 * @throws BonsaiError 'too-large' where a small file would compute large constants
 */
export function foldConstants(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  let left = roomFor(graph);
  const outputs = new Set(resultsOf(graph));
  const folded = (node: Node): boolean => {
    const view = viewOf({ ...graph, tensors }, node);
    const types = typesOf(opOf(node));
    const exact = computedTypes(view).every((type) => types.includes(type));
    const known = view.inputs.length > 0 && view.inputs.every((t) => t === null || isConstant(t));
    if (node.graphs !== undefined || !exact || !known || node.outputs.some((id) => outputs.has(id)))
      return false;
    left -= workOf(view);
    if (left < 0) throw tooMuch(node);
    const inputs = view.inputs.map((tensor) => tensor?.data ?? null);
    const results = opOf(node).evaluate(view, inputs);
    node.outputs.forEach((id, position) => {
      const data = results[position];
      if (data !== undefined) tensors[id] = { ...tensorOf(graph, id), data };
    });
    return true;
  };
  const nodes = graph.nodes.filter((node) => !folded(node));
  return { ...graph, tensors, nodes };
}
