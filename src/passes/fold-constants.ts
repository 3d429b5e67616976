/** Evaluates at compile time the nodes that depend on constants alone. */
import { type Graph, isConstant, type Node, resultsOf, tensorOf, viewOf } from '../ir/graph.js';
import { opOf } from '../ops/index.js';

/**
 * A node whose inputs are all constant is replaced by the tensors that it evaluates to. Nodes that
 * write a graph output or a state stay, since these have places in memory; float nodes stay, since only
 * integer operators are exact.
 */
export function foldConstants(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const outputs = new Set(resultsOf(graph));
  const folded = (node: Node): boolean => {
    const view = viewOf({ ...graph, tensors }, node);
    const exact = view.outputs.every((tensor) => tensor.dtype === 'int8');
    const known = view.inputs.length > 0 && view.inputs.every((t) => t === null || isConstant(t));
    if (!exact || !known || node.outputs.some((id) => outputs.has(id))) return false;
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
