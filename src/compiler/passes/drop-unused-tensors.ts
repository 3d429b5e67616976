/** Removes tensors that nothing refers to, and renumbers the rest without gaps. */
import { type Graph, resultsOf, sourcesOf, statesOf, type TensorId } from '../ir/graph.js';

export function dropUnusedTensors(graph: Graph): Graph {
  return renumber(graph).graph;
}

/** The graph without tensors that it does not refer to, and the new ids of the others. */
export function renumber(graph: Graph) {
  const named = new Set<TensorId | null>([...sourcesOf(graph), ...resultsOf(graph)]);
  for (const node of graph.nodes) for (const id of [...node.inputs, ...node.outputs]) named.add(id);
  const ids = new Map<TensorId, TensorId>();
  const tensors = graph.tensors.filter((_, id) => {
    if (named.has(id)) ids.set(id, ids.size);
    return named.has(id);
  });
  const at = (id: TensorId): TensorId => ids.get(id) ?? id;
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((id) => (id === null ? null : at(id))),
    outputs: node.outputs.map(at),
  }));
  return {
    ids,
    graph: {
      ...graph,
      tensors,
      nodes,
      inputs: graph.inputs.map(at),
      outputs: graph.outputs.map(at),
      states: statesOf(graph).map((state) => ({
        ...state,
        tensor: at(state.tensor),
        next: at(state.next),
      })),
    },
  };
}
