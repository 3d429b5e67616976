/** Removes channels from a float graph: the graph that is left is smaller. */

import {
  type Attrs,
  type AttrValue,
  at,
  type DType,
  type Graph,
  type Node,
  type Shape,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../../compiler/ir/graph.js';
import { opOf } from '../../compiler/ops/index.js';
import { take } from '../../compiler/passes/rewrite.js';
import { InternalError } from '../../errors.js';
import type { Candidate } from '../candidate.js';
import type { Quantization } from '../quantize/scheme.js';
import type { ChannelGroup } from './coupling.js';

/** The indices that tensors keep, by axis. */
type Kept = ReadonlyMap<TensorId, ReadonlyMap<number, readonly number[]>>;

/**
 * The candidate without these groups of its graph's channels. Tensors keep their ids. Where the
 * weights and biases that compute the removed channels are 0, and operators map 0 to 0, every
 * output is as it was.
 *
 * @param removed groups of `couplingOf(graph)`; each tensor keeps a channel
 */
export function shrunk(
  { graph, masks, quantization, unrounded }: Candidate,
  removed: readonly ChannelGroup[],
): Candidate {
  const kept = keptBy(graph, removed);
  const tensors = graph.tensors.map((tensor, id) => cut(tensor, kept.get(id)));
  const nodes = graph.nodes.map((node) => ({ ...node, attrs: cutAttrs(node, tensors, kept) }));
  const small = { ...graph, tensors, nodes };
  requireShapes(small);
  return {
    graph: small,
    masks: cutArrays(graph, masks, 'uint8', kept),
    quantization: quantization === null ? null : cutQuantization(quantization, kept),
    ...(unrounded === undefined ? {} : { unrounded: cutArrays(graph, unrounded, 'float32', kept) }),
  };
}

function keptBy(graph: Graph, removed: readonly ChannelGroup[]): Kept {
  const gone = new Map<TensorId, Map<number, Set<number>>>();
  for (const { tensor, axis, indices } of removed.flatMap(({ slices }) => slices)) {
    const byAxis = gone.get(tensor) ?? new Map<number, Set<number>>();
    gone.set(tensor, byAxis.set(axis, new Set([...(byAxis.get(axis) ?? []), ...indices])));
  }
  const left = ([axis, out]: readonly [number, ReadonlySet<number>], { shape, name }: Tensor) => {
    const all = Array.from({ length: shape[axis] ?? 1 }, (_, i) => i);
    const some = all.filter((index) => !out.has(index));
    if (some.length === 0) throw new RangeError(`no channel of "${name}" would be left`);
    return [axis, some] as const;
  };
  return new Map(
    [...gone].map(([id, byAxis]) => [
      id,
      new Map([...byAxis].map((entry) => left(entry, tensorOf(graph, id)))),
    ]),
  );
}

function cut(tensor: Tensor, byAxis: ReadonlyMap<number, readonly number[]> = new Map()): Tensor {
  return [...byAxis].reduce((rest, [axis, some]) => take(rest, axis, some), tensor);
}

/** Arrays with an element for each of their tensors'. */
function cutArrays<T extends TensorData>(
  graph: Graph,
  arrays: ReadonlyMap<TensorId, T>,
  dtype: DType,
  kept: Kept,
): ReadonlyMap<TensorId, T> {
  return new Map(
    [...arrays].map(([id, data]) => {
      const whole: Tensor = { ...tensorOf(graph, id), dtype, quant: null, data };
      return [id, cut(whole, kept.get(id)).data as T];
    }),
  );
}

function cutQuantization({ activations, weights }: Quantization, kept: Kept): Quantization {
  const cutScales = [...weights].map(([id, quant]) => {
    const some = quant.axis === null ? undefined : kept.get(id)?.get(quant.axis);
    if (some === undefined) return [id, quant] as const;
    return [id, { ...quant, scales: some.map((index) => quant.scales[index] as number) }] as const;
  });
  return { activations, weights: new Map(cutScales) };
}

/** Attributes that repeat extents of tensors. */
function cutAttrs(node: Node, tensors: readonly Tensor[], kept: Kept): Attrs {
  const { attrs, inputs, outputs, op } = node;
  const shapes = outputs.map((id) => (tensors[id] as Tensor).shape);
  const changed: Record<string, AttrValue> = {};
  if (attrs.shape !== undefined) changed.shape = shapes[0] as Shape;
  if (op === 'split' && outputs.some((id) => kept.has(id)))
    changed.sizes = shapes.map((shape) => shape[attrs.axis as number] as number);
  const { begin, counts } = attrs;
  if (Array.isArray(begin) && Array.isArray(counts)) {
    for (const [axis, some] of kept.get(inputs[0] as TensorId) ?? []) {
      const first = begin[axis] as number;
      const end = first + (counts[axis] as number);
      changed.begin = begin.with(axis, some.filter((index) => index < first).length);
      changed.counts = counts.with(axis, some.filter((i) => first <= i && i < end).length);
    }
  }
  return { ...attrs, ...changed };
}

function requireShapes(graph: Graph): void {
  for (const node of graph.nodes) {
    const view = viewOf(graph, node);
    const shapes = opOf(node).infer(view);
    view.outputs.forEach(({ shape }, i) => {
      if (String(shapes[i]) === String(shape)) return;
      throw new InternalError('compress', `${at(node)}: is [${shape}], infers [${shapes[i]}]`);
    });
  }
}
