/** Graphs in float32: the form in which models are trained, pruned and observed. */

import { floatOfHalf } from '../compiler/formats/half.js';
import {
  type AttrValue,
  elementCount,
  type Graph,
  type Module,
  mainGraph,
  type Node,
  type Shape,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../compiler/ir/graph.js';
import { isPointwise } from '../compiler/ops/axes.js';
import { operators, opOf } from '../compiler/ops/index.js';
import { isReshape } from '../compiler/ops/shape/same-elements.js';
import { foldConstants } from '../compiler/passes/fold-constants.js';
import { removeDeadNodes } from '../compiler/passes/remove-dead-nodes.js';
import { BonsaiError } from '../errors.js';
import { withRowsOfLists } from './list-rows.js';

/**
 * The main graph with constants in float32: float16 is widened, and integers with a scale (weights
 * of 'dynamic range' models) become the numbers that they stand for. Nodes of constants alone, such
 * as the first turn of a recurrent layer has, are computed.
 *
 * @throws BonsaiError 'unsupported-type' for a model that is quantized already
 */
export function floatGraph(module: Module): Graph {
  const graph = mainGraph(module);
  const quantized = [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)].find(
    (id) => graph.tensors[id]?.dtype !== 'float32',
  );
  if (quantized !== undefined) {
    const { name, dtype } = graph.tensors[quantized] as Tensor;
    throw new BonsaiError(
      'unsupported-type',
      `tensor ${quantized} "${name}"`,
      `is ${dtype}; compression begins with a model whose activations are float32`,
      'give the float model, before its conversion to integers',
    );
  }
  const listed = withRowsOfLists(graph);
  const nodes = listed.nodes.map((node) =>
    withBatches(listed, withoutIndex(listed, batchFirst(listed, node))),
  );
  const folded = foldConstants({ ...graph, nodes, tensors: graph.tensors.map(widened) });
  return removeDeadNodes(folded);
}

/**
 * Recurrent layers put time before the batch, and take a step from the first dimension: from the
 * second one of the tensor before, samples stay apart and run together.
 */
function batchFirst(graph: Graph, node: Node): Node {
  const [from, ...others] = node.inputs as readonly TensorId[];
  const mover = graph.nodes.find(({ outputs }) => outputs[0] === from);
  const takesStep = node.op === 'unpack' || node.op === 'gather';
  if (!takesStep || node.attrs.axis !== 0 || mover === undefined) return node;
  if (mover.op !== 'reshape' && mover.op !== 'transpose') return node;
  const [source, moved] = [mover.inputs[0], from].map(
    (id) => tensorOf(graph, id as TensorId).shape,
  );
  const [batch, steps, ...rest] = source as Shape;
  if (batch !== 1 || String([steps, 1, ...rest]) !== String(moved)) return node;
  return {
    ...node,
    inputs: [mover.inputs[0] as TensorId, ...others],
    attrs: { ...node.attrs, axis: 1 },
  };
}

/** A gather of one constant index, as each turn of a recurrent layer has, is a slice. */
function withoutIndex(graph: Graph, node: Node): Node {
  const [from, indices] = viewOf(graph, node).inputs;
  if (node.op !== 'gather' || from == null || indices?.data?.length !== 1) return node;
  const { axis } = node.attrs;
  const index = Number(indices.data[0]);
  const attrs = {
    begin: from.shape.map((_, d) => (d === axis ? index : 0)),
    counts: from.shape.map((extent, d) => (d === axis ? 1 : extent)),
    strides: from.shape.map(() => 1),
    shape: tensorOf(graph, node.outputs[0] as TensorId).shape,
  };
  return { ...node, op: 'strided_slice', inputs: node.inputs.slice(0, 1), attrs };
}

/**
 * Loops that TensorFlow makes of recurrent layers drop the batch of 1 from an operand, and have the
 * sum bring it back: the operand before the reshape gives the same elements, and samples stay apart.
 */
function withBatches(graph: Graph, node: Node): Node {
  if (!isPointwise(viewOf(graph, node))) return node;
  const rank = tensorOf(graph, node.outputs[0] as TensorId).shape.length;
  const inputs = node.inputs.map((id) => {
    const dropper = graph.nodes.find(({ outputs }) => outputs[0] === id);
    const [whole = null] = dropper?.inputs ?? [];
    if (dropper === undefined || !isReshape(dropper) || id === null || whole === null) return id;
    const [before, after] = [whole, id].map((each) => tensorOf(graph, each).shape);
    const drops = String(before) === String([1, ...(after ?? [])]);
    return drops && rank >= (before?.length ?? 0) ? whole : id;
  });
  return { ...node, inputs };
}

function widened(tensor: Tensor): Tensor {
  const { data, dtype, quant } = tensor;
  if (data === null || dtype === 'float32') return tensor;
  if (dtype === 'float16') {
    const bits = data as Uint16Array;
    return { ...tensor, dtype: 'float32', quant: null, data: Float32Array.from(bits, floatOfHalf) };
  }
  if (quant === null) return tensor;
  return { ...tensor, dtype: 'float32', quant: null, data: realValues(tensor, data) };
}

/** The numbers that integers of `tensor` stand for; `integers` may hold several samples of it. */
export function realValues(
  { shape, quant }: Pick<Tensor, 'shape' | 'quant'>,
  integers: TensorData,
): Float32Array {
  const { scales, zeroPoints, axis } = quant ?? { scales: [], zeroPoints: [], axis: null };
  const channelOf = channelsAlong(shape, axis);
  return Float32Array.from(integers as ArrayLike<number | bigint>, (value, i) => {
    const channel = channelOf(i);
    return (Number(value) - (zeroPoints[channel] ?? 0)) * (scales[channel] ?? 1);
  });
}

/** Element index → index along `axis`; 0 without an axis. */
export function channelsAlong(shape: Shape, axis: number | null): (element: number) => number {
  if (axis === null) return () => 0;
  const inner = elementCount(shape.slice(axis + 1));
  const extent = shape[axis] ?? 1;
  return (element) => Math.floor(element / inner) % extent;
}

/** For each channel along `axis` (one without an axis), `fold` over its elements, from 0. */
export function foldChannels(
  elements: ArrayLike<number>,
  shape: Shape,
  axis: number | null,
  fold: (folded: number, element: number) => number,
): Float64Array {
  const channelOf = channelsAlong(shape, axis);
  const folded = new Float64Array(axis === null ? 1 : (shape[axis] ?? 1));
  for (let i = 0; i < elements.length; i += 1) {
    const channel = channelOf(i);
    folded[channel] = fold(folded[channel] as number, elements[i] as number);
  }
  return folded;
}

/** Folds for `foldChannels`. */
export const peak = (most: number, element: number): number => Math.max(most, Math.abs(element));
export const magnitude = (sum: number, element: number): number => sum + Math.abs(element);

/** Operators with weights as input 1 and a bias as input 2, and the axis of output channels. */
export const weighted: ReadonlyMap<string, number> = new Map(
  [...operators].flatMap(([name, { filters }]) =>
    filters === undefined ? [] : [[name, filters === 'first' ? 0 : 3] as const],
  ),
);

/** What tells nodes apart for people, by index: 'conv', and 'conv (2)' for the next of that name. */
export function nodeNames({ nodes }: Graph): readonly string[] {
  const seen = new Map<string, number>();
  return nodes.map(({ name }) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name} (${count})`;
  });
}

/** The float constants that nodes read: what can be trained. */
export function parametersOf(graph: Graph): readonly TensorId[] {
  const read = graph.nodes.flatMap(({ inputs }) => inputs.filter((id) => id !== null));
  return [...new Set(read)].filter((id) => {
    const { data, dtype } = tensorOf(graph, id);
    return data !== null && dtype === 'float32';
  });
}

/** The values of parameters, by tensor. */
export type Values = ReadonlyMap<TensorId, Float32Array>;

export function withValues(graph: Graph, values: Values): Graph {
  const tensors = graph.tensors.map((tensor, id) => {
    const data = values.get(id);
    return data === undefined ? tensor : { ...tensor, data };
  });
  return { ...graph, tensors };
}

/** `rebatched` for each batch size that is asked for, made once. */
export function batchSizes(graph: Graph): (batch: number) => Graph | null {
  const bySize = new Map<number, Graph | null>([[1, graph]]);
  return (batch) => {
    const known = bySize.get(batch);
    if (known !== undefined) return known;
    const made = rebatched(graph, batch);
    bySize.set(batch, made);
    return made;
  };
}

/**
 * The graph for `batch` samples at once, or null where samples would mix: where the first extent of
 * a computed tensor is not the batch.
 */
export function rebatched(graph: Graph, batch: number): Graph | null {
  // An extent that no model has, so that no other extent passes for the batch.
  const probe = 7919;
  return withBatch(graph, probe) === null ? null : withBatch(graph, batch);
}

function withBatch(graph: Graph, batch: number): Graph | null {
  const tensors = [...graph.tensors];
  const nodes: Node[] = [];
  const resize = (id: TensorId, shape: Shape) => {
    tensors[id] = { ...(tensors[id] as Tensor), shape };
  };
  for (const id of graph.inputs) {
    const [first, ...rest] = tensors[id]?.shape ?? [];
    if (first !== 1) return null;
    resize(id, [batch, ...rest]);
  }
  for (const node of graph.nodes) {
    // What works along the first dimension mixes samples.
    if (node.attrs.axis === 0) return null;
    const sized = { ...node, attrs: batchedAttrs(node, batch) };
    for (const id of node.outputs) {
      const [first, ...rest] = tensors[id]?.shape ?? [];
      if (first !== 1) return null;
      resize(id, [batch, ...rest]);
    }
    const shapes = inferred({ ...graph, tensors }, sized);
    const fits = node.outputs.every((id, i) => String(shapes?.[i]) === String(tensors[id]?.shape));
    if (!fits) return null;
    nodes.push(sized);
  }
  return { ...graph, tensors, nodes };
}

function inferred(graph: Graph, node: Node): readonly Shape[] | null {
  try {
    return opOf(node).infer(viewOf(graph, node));
  } catch (error) {
    if (error instanceof BonsaiError) return null;
    throw error;
  }
}

/** Attributes that repeat the extents of tensors. */
function batchedAttrs({ attrs }: Node, batch: number): Node['attrs'] {
  const sized = (extents: AttrValue | undefined) =>
    Array.isArray(extents) && extents[0] === 1 ? [batch, ...extents.slice(1)] : extents;
  const { shape, counts } = attrs;
  return {
    ...attrs,
    ...(shape === undefined ? {} : { shape: sized(shape) as Shape }),
    ...(counts === undefined ? {} : { counts: sized(counts) as Shape }),
  };
}
