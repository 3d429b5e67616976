/** Replaces two consecutive look-ups by one: their composition is again a table of 256 values. */
import { type Graph, type Node, type Tensor, type TensorId, viewOf } from '../ir/graph.js';
import { opOf } from '../ops/index.js';
import { absorb, appendTensor, useCounts } from './rewrite.js';

export function composeLookups(graph: Graph): Graph {
  const uses = useCounts(graph);
  const tensors = [...graph.tensors];
  const producers = new Map<TensorId, number>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const [input] = node.inputs;
    const index = input == null || uses[input] !== 1 ? undefined : producers.get(input);
    const producer = index === undefined ? undefined : nodes[index];
    const composed = producer === undefined ? null : compose(tensors, graph, producer, node);
    // It takes the producer's place, since readers of the second look-up come after both.
    const place = composed === null || index === undefined ? nodes.length : index;
    nodes[place] = composed ?? node;
    for (const id of node.outputs) producers.set(id, place);
  }
  return { ...graph, tensors, nodes };
}

function compose(tensors: Tensor[], graph: Graph, first: Node, second: Node): Node | null {
  const [inner, outer] = [first, second].map((node) => lookupOf({ ...graph, tensors }, node));
  if (inner == null || outer == null) return null;
  const data = inner.map((value) => outer[value + 128] as number);
  const name = `${first.name}/values`;
  const table: Tensor = { name, dtype: 'int8', shape: [256], quant: null, data, source: null };
  return {
    ...first,
    ...absorb(first, second),
    inputs: [first.inputs[0] ?? null, appendTensor(tensors, table)],
    outputs: second.outputs,
  };
}

/** A node's outputs for −128 … 127; null if it is not a look-up. */
function lookupOf(graph: Graph, node: Node): Int8Array | null {
  const view = viewOf(graph, node);
  const isInt8 = [...view.inputs, ...view.outputs].every((tensor) => tensor?.dtype === 'int8');
  return isInt8 ? (opOf(node).lookup?.(view) ?? null) : null;
}
