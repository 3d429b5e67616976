/** What passes share: who reads a tensor, and how two nodes become one. */
import type { Graph, Module, Node, Tensor, TensorId } from '../ir/graph.js';

/**
 * How often each tensor is used: once per input position of a node, once per graph output.
 * A tensor with one use, by a node, can be absorbed into that node: nobody else sees it.
 */
export function useCounts(graph: Graph): readonly number[] {
  const counts = new Array<number>(graph.tensors.length).fill(0);
  const count = (id: TensorId | null) => {
    if (id !== null) counts[id] = (counts[id] ?? 0) + 1;
  };
  for (const node of graph.nodes) node.inputs.forEach(count);
  graph.outputs.forEach(count);
  return counts;
}

/** The node without what it absorbed: operators in source order, indices ascending. */
export function absorb(node: Node, other: Node): Pick<Node, 'ops' | 'fused'> {
  return {
    ops: [...new Set([...node.ops, ...other.ops])].sort((a, b) => a - b),
    fused: [...node.fused, other.op, ...other.fused],
  };
}

/** The graph with a tensor more, and its id. */
export function withTensor(tensors: Tensor[], tensor: Tensor): TensorId {
  tensors.push(tensor);
  return tensors.length - 1;
}

/** A pass over graphs as a pass over modules. */
export function eachGraph(run: (graph: Graph) => Graph): (module: Module) => Module {
  return (module) => ({ ...module, graphs: module.graphs.map(run) });
}
