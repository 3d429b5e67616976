/** The order of nodes in a graph with states. */
import { type Graph, type Node, statesOf, type TensorId } from './graph.js';

/**
 * For each node, the nodes that must run before it: those that write what it reads and, if it
 * changes a state, all others that read the state's value before the change.
 */
export function predecessorsOf(
  graph: Pick<Graph, 'nodes' | 'states'>,
): ReadonlyMap<Node, readonly Node[]> {
  const writers = new Map<TensorId | null, Node>();
  const readers = new Map<TensorId | null, Node[]>();
  for (const node of graph.nodes) {
    for (const id of node.outputs) writers.set(id, node);
    for (const id of node.inputs) readers.set(id, [...(readers.get(id) ?? []), node]);
  }
  const changes = new Map(statesOf(graph).map(({ tensor, next }) => [next, tensor]));
  return new Map(
    graph.nodes.map((node) => {
      const read = node.inputs.flatMap((id) => writers.get(id) ?? []);
      const changed = node.outputs.flatMap((id) => readers.get(changes.get(id) ?? -1) ?? []);
      return [node, [...read, ...changed.filter((other) => other !== node)]];
    }),
  );
}

/**
 * The graph with its nodes in an order that respects states: the given order, with nodes that
 * change a state moved back behind the readers of its old value. null if there is none, because a
 * reader of the old value depends on the new one.
 */
export function inStateOrder(graph: Graph): Graph | null {
  if (statesOf(graph).length === 0) return graph;
  const predecessors = predecessorsOf(graph);
  const found = new Map<Node, 'open' | 'done'>();
  const nodes: Node[] = [];
  // An explicit stack: a chain of nodes may be longer than the call stack is deep.
  const stack = graph.nodes.toReversed();
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    const missing = (predecessors.get(node) ?? []).filter((other) => found.get(other) !== 'done');
    if (found.get(node) === 'done') {
      stack.pop();
    } else if (missing.length === 0) {
      found.set(node, 'done');
      nodes.push(node);
      stack.pop();
    } else if (missing.some((other) => found.get(other) === 'open')) {
      return null;
    } else {
      found.set(node, 'open');
      stack.push(...missing.toReversed());
    }
  }
  return { ...graph, nodes };
}
