/** The interval of nodes over which each tensor's value is needed. */
import { type Graph, resultsOf, sourcesOf, type TensorId } from '../ir/graph.js';

/** Node indices, inclusive. */
export interface Interval {
  /** The node that writes it; −1 for a graph input or a state. */
  readonly first: number;
  /** The last node that reads it, `first` if none does; nodes.length for a graph output. */
  readonly last: number;
}

/** The interval of every tensor that a run computes or is given; constants have none. */
export function liveness(graph: Graph): ReadonlyMap<TensorId, Interval> {
  const first = new Map<TensorId, number>();
  const last = new Map<TensorId, number>();
  for (const id of sourcesOf(graph)) first.set(id, -1);
  graph.nodes.forEach((node, index) => {
    for (const id of node.inputs) if (id !== null) last.set(id, index);
    for (const id of node.outputs) first.set(id, index);
  });
  for (const id of resultsOf(graph)) last.set(id, graph.nodes.length);
  return new Map(
    [...first].map(([id, start]) => [id, { first: start, last: last.get(id) ?? start }]),
  );
}
