/** Removes nodes and states that no output depends on. */
import { type Graph, type Node, statesOf, type TensorId } from '../ir/graph.js';

/**
 * Backwards from the outputs: a node stays if a node that stays reads one of its outputs. A state
 * stays if its value is read, and then so does the node that changes it.
 */
export function removeDeadNodes(graph: Graph): Graph {
  const needed = new Set<TensorId>(graph.outputs);
  const states = statesOf(graph);
  let nodes: readonly Node[] = [];
  // What a state needs may be another state: the set only grows.
  for (let known = -1; known < needed.size; ) {
    known = needed.size;
    for (const { tensor, next } of states) if (needed.has(tensor)) needed.add(next);
    nodes = neededNodes(graph, needed);
  }
  const kept = states.filter(({ next }) => needed.has(next));
  return { ...graph, nodes, ...(graph.states === undefined ? {} : { states: kept }) };
}

/** The nodes that write a needed tensor; what they read is needed too. */
function neededNodes(graph: Graph, needed: Set<TensorId>): readonly Node[] {
  const nodes = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((id) => needed.has(id))) return false;
    for (const id of node.inputs) if (id !== null) needed.add(id);
    return true;
  });
  return nodes.reverse();
}
