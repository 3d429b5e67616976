/** Evaluates at compile time the nodes that depend on constants alone. */
import { type Graph, isConstant, type Node, resultsOf, tensorOf, viewOf } from '../ir/graph.js';
import { computedTypes, typesOf } from '../ir/op.js';
import { opOf } from '../ops/index.js';

/**
 * A node whose inputs are all constant is replaced by the tensors that it evaluates to. Nodes that
 * write a graph output or a state stay, since these have places in memory; nodes of types that their
 * operator does not take stay, since nothing evaluates them.
 */
export function foldConstants(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const outputs = new Set(resultsOf(graph));
  const folded = (node: Node): boolean => {
    const view = viewOf({ ...graph, tensors }, node);
    const types = typesOf(opOf(node));
    const exact = computedTypes(view).every((type) => types.includes(type));
    const known = view.inputs.length > 0 && view.inputs.every((t) => t === null || isConstant(t));
    if (node.graphs !== undefined || !exact || !known || node.outputs.some((id) => outputs.has(id)))
      return false;
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
