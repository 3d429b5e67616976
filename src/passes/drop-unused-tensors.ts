/** Removes tensors that nothing refers to, and renumbers the rest without gaps. */
import type { Graph, Module, TensorId } from '../ir/graph.js';

export function dropUnusedTensors(module: Module): Module {
  const [main] = module.graphs;
  const states = module.states.map((state) => state.tensor);
  const renumbered = module.graphs.map((graph) => renumber(graph, graph === main ? states : []));
  return {
    ...module,
    graphs: renumbered.map(({ graph }) => graph),
    states: module.states.map((state) => ({
      ...state,
      tensor: renumbered[0]?.ids.get(state.tensor) ?? state.tensor,
    })),
  };
}

/** The graph without tensors that neither it nor `roots` refer to, and the new ids of the others. */
export function renumber(graph: Graph, roots: readonly TensorId[]) {
  const named = new Set<TensorId | null>([...graph.inputs, ...graph.outputs, ...roots]);
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
    },
  };
}
