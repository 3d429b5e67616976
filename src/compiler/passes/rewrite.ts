/** Helpers of the passes: uses of a tensor, fusing two nodes, slices of tensors. */
import {
  allocate,
  elementCount,
  type Graph,
  type Module,
  type Node,
  type NodeView,
  resultsOf,
  type Tensor,
  type TensorId,
} from '../ir/graph.js';

/**
 * How often each tensor is used: once per input position of a node, once per graph output, once as
 * the next value of a state.
 * A tensor whose single use is a node can be absorbed into that node.
 */
export function useCounts(graph: Graph): readonly number[] {
  const counts = new Array<number>(graph.tensors.length).fill(0);
  const count = (id: TensorId | null) => {
    if (id !== null) counts[id] = (counts[id] ?? 0) + 1;
  };
  for (const node of graph.nodes) node.inputs.forEach(count);
  resultsOf(graph).forEach(count);
  return counts;
}

/** The source operators and indices of a node after it absorbs `other`, in source order. */
export function absorb(node: Node, other: Node): Pick<Node, 'ops' | 'fused'> {
  const names = [other.op, ...other.fused];
  const isBefore = (other.ops[0] ?? 0) < (node.ops[0] ?? 0);
  return {
    ops: [...new Set([...node.ops, ...other.ops])].sort((a, b) => a - b),
    fused: isBefore ? [...names, ...node.fused] : [...node.fused, ...names],
  };
}

/** Appends a tensor and returns its id. */
export function appendTensor(tensors: Tensor[], tensor: Tensor): TensorId {
  tensors.push(tensor);
  return tensors.length - 1;
}

/**
 * The bias tensor of a convolution or a fully connected layer with new elements. If the layer has
 * no bias, a new tensor with scale input · weights.
 */
export function biasTensor(
  { node, inputs }: Pick<NodeView<object>, 'node' | 'inputs'>,
  data: Int32Array,
): Tensor {
  const [input, weights, bias] = inputs;
  if (bias != null) return { ...bias, data, source: null };
  const inputScale = input?.quant?.scales[0] ?? 1;
  const scales = (weights?.quant?.scales ?? []).map((scale) => inputScale * scale);
  return {
    name: `${node.name}/bias`,
    dtype: 'int32',
    shape: [data.length],
    quant: { scales, zeroPoints: scales.map(() => 0), axis: scales.length > 1 ? 0 : null },
    data,
    source: null,
  };
}

/** The tensor restricted to these indices of one axis; the same object where nothing changes. */
export function take(tensor: Tensor, axis: number, kept: readonly number[]): Tensor {
  const { shape, data, dtype, quant } = tensor;
  const extent = shape[axis] ?? 1;
  if (kept.length === extent && kept.every((index, i) => index === i)) return tensor;
  const inner = elementCount(shape.slice(axis + 1));
  const taken = { ...tensor, shape: shape.with(axis, kept.length), source: null };
  if (data !== null) {
    taken.data = allocate(dtype, elementCount(taken.shape));
    for (let i = 0; i < taken.data.length; i += 1) {
      const row = Math.floor(i / inner);
      const outer = Math.floor(row / kept.length);
      const from = outer * extent + (kept[row % kept.length] as number);
      taken.data[i] = data[from * inner + (i % inner)] as never;
    }
  }
  if (quant?.axis === axis) {
    const some = (values: readonly number[]) => kept.map((index) => values[index] as number);
    taken.quant = { axis, scales: some(quant.scales), zeroPoints: some(quant.zeroPoints) };
  }
  return taken;
}

/** A pass over graphs as a pass over modules, and over the graphs that nodes own. */
export function eachGraph(run: (graph: Graph) => Graph): (module: Module) => Module {
  const within = (graph: Graph): Graph => {
    const nodes = graph.nodes.map((node) =>
      node.graphs === undefined ? node : { ...node, graphs: node.graphs.map(within) },
    );
    return run(
      graph.nodes.every(({ graphs }) => graphs === undefined) ? graph : { ...graph, nodes },
    );
  };
  return (module) => ({ ...module, graphs: module.graphs.map(within) });
}
