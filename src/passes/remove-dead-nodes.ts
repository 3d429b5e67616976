/** Removes nodes that no output depends on. */
import type { Graph, TensorId } from '../ir/graph.js';

/** Backwards from the outputs: a node stays if a node that stays reads one of its outputs. */
export function removeDeadNodes(graph: Graph): Graph {
  const needed = new Set<TensorId>(graph.outputs);
  const nodes = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((id) => needed.has(id))) return false;
    for (const id of node.inputs) if (id !== null) needed.add(id);
    return true;
  });
  return { ...graph, nodes: nodes.reverse() };
}
