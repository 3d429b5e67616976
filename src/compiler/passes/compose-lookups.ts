/**
 * Replaces nodes that together are a function of one int8 element by one look-up: consecutive
 * look-ups, x · logistic(x), and what a converter leaves in float between DEQUANTIZE and QUANTIZE. The
 * table is what `evaluate` makes of all 256 values, so the bits stay.
 */
import {
  elementCount,
  type Graph,
  type Node,
  type NodeView,
  resultsOf,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { typesOf } from '../ir/op.js';
import { isPointwise } from '../ops/axes.js';
import { opOf } from '../ops/index.js';
import { absorb, appendTensor } from './rewrite.js';

/** Larger islands are left as they are, so that a hostile file takes linear time. */
const mostNodes = 64;

interface Island {
  /** The int8 tensor that it reads. */
  readonly source: TensorId;
  /** Indices of its nodes, ascending; the last one writes its result. */
  readonly nodes: readonly number[];
}

export function composeLookups(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const uses = usesOf(graph);
  const nodes: (Node | null)[] = [...graph.nodes];
  for (let end = nodes.length - 1; end >= 0; end--) {
    if (nodes[end] === null) continue;
    const island = islandAt(graph, uses, end);
    if (island === null) continue;
    for (const index of island.nodes) nodes[index] = null;
    // Its readers come after its last node, and its source is there before its first one.
    nodes[end] = lookup(tensors, graph, island);
  }
  return { ...graph, tensors, nodes: nodes.filter((node) => node !== null) };
}

interface Uses {
  readonly producers: ReadonlyMap<TensorId, number>;
  readonly readers: ReadonlyMap<TensorId, readonly number[]>;
  /** Tensors that are read after the run. */
  readonly results: ReadonlySet<TensorId>;
}

function usesOf(graph: Graph): Uses {
  const producers = new Map<TensorId, number>();
  const readers = new Map<TensorId, number[]>();
  graph.nodes.forEach(({ inputs, outputs }, index) => {
    for (const id of outputs) producers.set(id, index);
    for (const id of inputs) {
      if (id !== null) readers.set(id, [...(readers.get(id) ?? []), index]);
    }
  });
  return { producers, readers, results: new Set(resultsOf(graph)) };
}

/** The largest island that ends with a node: it grows backward, over what it alone reads. */
function islandAt(graph: Graph, uses: Uses, end: number): Island | null {
  const [result] = graph.nodes[end]?.outputs ?? [];
  if (result === undefined || tensorOf(graph, result).dtype !== 'int8') return null;
  const { shape } = tensorOf(graph, result);
  if (!isAlone(graph, end, shape.join())) return null;
  const inside = new Set([end]);
  let best: Island | null = null;
  for (;;) {
    const open = openInputs(graph, inside);
    const [source, ...others] = open;
    const isOne = source !== undefined && others.length === 0;
    if (isOne && inside.size > 1 && tensorOf(graph, source).dtype === 'int8') {
      best = { source, nodes: [...inside].sort((a, b) => a - b) };
    }
    const grown = open.flatMap((id) => {
      const producer = uses.producers.get(id);
      const own = uses.readers.get(id)?.every((reader) => inside.has(reader)) ?? false;
      if (producer === undefined || !own || uses.results.has(id)) return [];
      return isAlone(graph, producer, shape.join()) ? [producer] : [];
    });
    if (grown.length === 0 || inside.size === mostNodes) return best;
    inside.add(Math.max(...grown));
  }
}

/** The computed tensors that nodes read and do not write. */
function openInputs(graph: Graph, inside: ReadonlySet<number>): readonly TensorId[] {
  const nodes = [...inside].map((index) => graph.nodes[index] as Node);
  const written = new Set(nodes.flatMap(({ outputs }) => outputs));
  const read = nodes.flatMap(({ inputs }) => inputs).filter((id) => id !== null);
  return [...new Set(read)].filter((id) => !written.has(id) && tensorOf(graph, id).data === null);
}

/** Whether a node maps each element by itself, all tensors of a shape, and constants of one element. */
function isAlone(graph: Graph, index: number, shape: string): boolean {
  const view = viewOf(graph, graph.nodes[index] as Node);
  const { lookup } = opOf(view.node);
  const isAlike = (tensor: Tensor | null) =>
    tensor === null ||
    (tensor.data === null ? tensor.shape.join() === shape : elementCount(tensor.shape) === 1);
  return (
    [...view.inputs, ...view.outputs].every(isAlike) &&
    (isPointwise(view) || (lookup?.(view) ?? null) !== null)
  );
}

/** The look-up that takes the place of an island. */
function lookup(tensors: Tensor[], graph: Graph, { source, nodes }: Island): Node {
  const all = nodes.map((index) => graph.nodes[index] as Node);
  const [first, last] = [all[0] as Node, all.at(-1) as Node];
  const named = all.find((node) => {
    const op = opOf(node);
    return op.lookup !== undefined && typesOf(op).includes('int8');
  });
  const base = named ?? { ...first, op: 'quantize', attrs: { algorithm: 'scalar' } };
  const others = all.filter((node) => node !== (named ?? first));
  const place = (node: Node) => node.ops[0] ?? 0;
  const before = others.filter((node) => place(node) < place(base)).reverse();
  const after = others.filter((node) => place(node) >= place(base));
  let whole: Node = base;
  for (const other of [...before, ...after]) whole = { ...whole, ...absorb(whole, other) };
  const data = tableOf(graph, source, all);
  const name = `${first.name}/values`;
  const table: Tensor = { name, dtype: 'int8', shape: [256], quant: null, data, source: null };
  return {
    ...whole,
    name: first.name,
    inputs: [source, appendTensor(tensors, table)],
    outputs: last.outputs,
  };
}

/** What the nodes make of −128, −127 … 127. */
function tableOf(graph: Graph, source: TensorId, nodes: readonly Node[]): Int8Array {
  const all = Int8Array.from({ length: 256 }, (_, i) => i - 128);
  const values = new Map<TensorId, TensorData>([[source, all]]);
  const flat = (tensor: Tensor) => ({ ...tensor, shape: [tensor.data?.length ?? 256] });
  for (const node of nodes) {
    const whole = viewOf(graph, node);
    const view: NodeView = {
      ...whole,
      inputs: whole.inputs.map((tensor) => tensor && flat(tensor)),
      outputs: whole.outputs.map(flat),
    };
    const elements = node.inputs.map((id) =>
      id === null ? null : (values.get(id) ?? tensorOf(graph, id).data),
    );
    // A look-up knows its function of the whole tensor, on whose size a rounding can depend.
    const own = opOf(node).lookup?.(whole);
    const [result] =
      own == null
        ? opOf(node).evaluate(view, elements)
        : [(elements[0] as Int8Array).map((q) => own[q + 128] as number)];
    values.set(node.outputs[0] as TensorId, result as TensorData);
  }
  return values.get(nodes.at(-1)?.outputs[0] as TensorId) as Int8Array;
}
