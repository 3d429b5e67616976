/**
 * Folds what layers of training leave behind: a factor and a term for each channel (normalization)
 * into the weights and the bias before, an activation into the operator before, reshapes of reshapes
 * into one. Sums are the same but for float32's rounding.
 */
import { elementCount, type Graph, type Node, type Tensor, type TensorId } from '../../ir/graph.js';
import { isReshape } from '../../ops/shape/same-elements.js';
import { channelsOf } from './build.js';

/** Operators with weights as input 1 and a bias as input 2, and the axis of output channels. */
const weighted: ReadonlyMap<string, number> = new Map([
  ['conv2d', 0],
  ['depthwise_conv2d', 3],
  ['fully_connected', 0],
]);

const activations: ReadonlySet<string> = new Set(['relu', 'relu6', 'relu_n1_to_1']);

const takesActivation: ReadonlySet<string> = new Set([
  ...weighted.keys(),
  ...['add', 'average_pool2d', 'max_pool2d', 'mul', 'sub'],
]);

export function fold(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const readers = countReaders(graph);
  const kept: Node[] = [];
  /** Index in `kept` of the node that computes a tensor. */
  const writer = new Map<TensorId, number>();
  const renamed = new Map<TensorId, TensorId>();
  const now = (id: TensorId) => renamed.get(id) ?? id;
  const isPrivate = (id: TensorId) => (readers.get(id) ?? 0) === 1;
  /** The node behind `id` that nothing else reads, through reshapes that keep the channels. */
  const before = (id: TensorId): number | null => {
    let at = id;
    for (;;) {
      const index = writer.get(at);
      const node = index === undefined ? undefined : kept[index];
      if (index === undefined || node === undefined || !isPrivate(at)) return null;
      const [input] = node.inputs;
      if (!isReshape(node) || typeof input !== 'number') return index;
      if (channelsOf(shapeOf(tensors, input)) !== channelsOf(shapeOf(tensors, at))) return null;
      at = input;
    }
  };
  for (const given of graph.nodes) {
    const node = { ...given, inputs: given.inputs.map((id) => (id === null ? null : now(id))) };
    const output = node.outputs[0] as TensorId;
    const source = node.inputs.find((id) => id !== null && tensors[id]?.data === null);
    const index = typeof source === 'number' ? before(source) : null;
    const merged =
      index === null ? null : mergedInto(tensors, kept[index] as Node, node, source as TensorId);
    if (index !== null && merged !== null) {
      kept[index] = merged;
      renamed.set(output, source as TensorId);
      readers.set(source as TensorId, readers.get(output) ?? 0);
      continue;
    }
    const direct = typeof source === 'number' ? kept[writer.get(source) ?? -1] : undefined;
    const skips = isReshape(node) && direct && isReshape(direct) && isPrivate(source ?? -1);
    const shorter = skips ? { ...node, inputs: direct.inputs } : node;
    if (skips) readers.set(source as TensorId, 0);
    const [first] = shorter.inputs;
    const isSame = String(shapeOf(tensors, first ?? 0)) === String(shapeOf(tensors, output));
    if (isReshape(shorter) && isSame && typeof first === 'number') {
      renamed.set(output, first);
      readers.set(first, (readers.get(first) ?? 1) - 1 + (readers.get(output) ?? 0));
      continue;
    }
    writer.set(output, kept.length);
    kept.push(shorter);
  }
  const outputs = graph.outputs.map(now);
  return compact({ ...graph, tensors, outputs, nodes: withoutUnread(kept, readers) });
}

function shapeOf(tensors: readonly Tensor[], id: TensorId) {
  return (tensors[id] as Tensor).shape;
}

function countReaders({ nodes, outputs }: Graph): Map<TensorId, number> {
  const readers = new Map<TensorId, number>();
  for (const id of [...nodes.flatMap(({ inputs }) => inputs), ...outputs]) {
    if (id !== null) readers.set(id, (readers.get(id) ?? 0) + 1);
  }
  return readers;
}

/** Reshapes that were skipped. */
function withoutUnread(nodes: readonly Node[], readers: ReadonlyMap<TensorId, number>) {
  return nodes.filter((node) => !isReshape(node) || readers.get(node.outputs[0] ?? -1) !== 0);
}

/** `node` of the input `x` as part of `target`, which computes `x`; null where it is none. */
function mergedInto(tensors: Tensor[], target: Node, node: Node, x: TensorId): Node | null {
  if (target.attrs.activation !== 'none') return null;
  const ops = [...new Set([...target.ops, ...node.ops])].sort((a, b) => a - b);
  if (activations.has(node.op)) {
    if (!takesActivation.has(target.op)) return null;
    return { ...target, attrs: { ...target.attrs, activation: node.op }, ops };
  }
  const axis = weighted.get(target.op);
  const values = axis === undefined ? null : perChannel(tensors, node, x);
  if (axis === undefined || values === null) return null;
  const [input = null, weights, bias = null] = target.inputs;
  const attrs = { ...target.attrs, activation: node.attrs.activation ?? 'none' };
  const own = bias === null ? null : (tensors[bias] as Tensor);
  const made = (tensor: Tensor) => tensors.push(tensor) - 1;
  const name = `${target.name}/bias`;
  const biasOf = (data: Float32Array) =>
    made({ ...(own ?? (tensors[x] as Tensor)), name, shape: [data.length], data });
  const old = own?.data as Float32Array | undefined;
  if (node.op !== 'mul') {
    const sign = node.op === 'sub' ? -1 : 1;
    const sums = values.map((value, c) => (old?.[c] ?? 0) + sign * value);
    return { ...target, attrs, ops, inputs: [input, weights ?? null, biasOf(sums)] };
  }
  const kernel = tensors[weights ?? -1] as Tensor;
  if (kernel.data === null) return null;
  const scaled = { ...kernel, data: scaledBy(kernel, axis, values) };
  const shifted = old === undefined ? bias : biasOf(old.map((b, c) => b * (values[c] as number)));
  return { ...target, attrs, ops, inputs: [input, made(scaled), shifted] };
}

/** The constant operand of a sum or a product as a value for each channel of `x`, or null. */
function perChannel(tensors: readonly Tensor[], node: Node, x: TensorId): Float32Array | null {
  const [a = null, b = null] = node.inputs;
  const other = a === x ? b : a;
  const isTerm = node.op === 'add' || node.op === 'mul' || (node.op === 'sub' && a === x);
  const tensor = other === null ? undefined : tensors[other];
  if (!isTerm || tensor === undefined || tensor.data === null) return null;
  const channels = channelsOf(shapeOf(tensors, x));
  const data = tensor.data as Float32Array;
  const rank = shapeOf(tensors, x).length;
  if (data.length === 1 && tensor.shape.length <= rank) {
    return new Float32Array(channels).fill(data[0] as number);
  }
  const isVector = channelsOf(tensor.shape) === channels && elementCount(tensor.shape) === channels;
  return isVector && tensor.shape.length <= rank ? data : null;
}

function scaledBy({ data, shape }: Tensor, axis: number, factors: Float32Array): Float32Array {
  const inner = elementCount(shape.slice(axis + 1));
  return Float32Array.from(data as Float32Array, (value, i) => {
    const channel = Math.floor(i / inner) % factors.length;
    return value * (factors[channel] as number);
  });
}

/** Tensors that nothing uses are left out. */
function compact(graph: Graph): Graph {
  const ids = new Map<TensorId, TensorId>();
  const tensors: Tensor[] = [];
  const idOf = (id: TensorId): TensorId => {
    const known = ids.get(id);
    if (known !== undefined) return known;
    ids.set(id, tensors.length);
    return tensors.push(graph.tensors[id] as Tensor) - 1;
  };
  const inputs = graph.inputs.map(idOf);
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((id) => (id === null ? null : idOf(id))),
    outputs: node.outputs.map(idOf),
  }));
  return { ...graph, inputs, nodes, outputs: graph.outputs.map(idOf), tensors };
}
