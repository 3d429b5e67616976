/** Forward interval analysis: the values that every channel of every tensor can take. */
import {
  dtypes,
  type Graph,
  isInteger,
  type NodeView,
  type Tensor,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { type ChannelBounds, computedTypes } from '../ir/op.js';
import { anyBounds, channelCount, elementBounds } from '../ops/arithmetic/bounds.js';
import { opOf } from '../ops/index.js';

/**
 * Proven bounds of the tensors that nodes of integers write, for any input of the model. Tensors that are
 * not in the map can have any value of their type.
 */
export function rangesOf(graph: Graph): ReadonlyMap<Tensor, ChannelBounds> {
  const loops = (graph.flow?.sections ?? []).flatMap(({ loop }) => loop?.carried ?? []);
  if (loops.length === 0) return rangesWith(graph, new Map());
  // What loops carry may be anything at first. It is then either what the loop begins with or what a
  // turn makes of anything, whatever the turn: so these bounds hold in every turn.
  const open = new Map(loops.map(([id]) => [id, anyBounds(tensorOf(graph, id))]));
  const ranges = rangesWith(graph, open);
  const carried = loops.map(([id, next]) => {
    const begin = graph.nodes.find(({ outputs }) => outputs.includes(id))?.inputs[0] ?? id;
    const bounds = (each: TensorId) => boundsIn(ranges, tensorOf(graph, each));
    return [id, unionOf(bounds(begin), bounds(next))] as const;
  });
  return rangesWith(graph, new Map(carried));
}

/** @param carried bounds of the tensors that loops carry */
function rangesWith(
  graph: Graph,
  carried: ReadonlyMap<TensorId, ChannelBounds>,
): ReadonlyMap<Tensor, ChannelBounds> {
  const ranges = new Map<Tensor, ChannelBounds>();
  for (const node of graph.nodes) {
    const view = viewOf(graph, node);
    if (!computedTypes(view).every(isInteger)) continue;
    const bounds = opOf(node).range?.(view, inputBounds(view, ranges));
    view.outputs.forEach((tensor, position) => {
      const known = carried.get(node.outputs[position] ?? -1) ?? bounds?.[position];
      if (known !== undefined) ranges.set(tensor, known);
    });
  }
  return ranges;
}

/** Bounds of what is within either of two bounds; the channels are those of one tensor. */
function unionOf(a: ChannelBounds, b: ChannelBounds): ChannelBounds {
  return {
    min: a.min.map((value, channel) => Math.min(value, b.min[channel] ?? value)),
    max: a.max.map((value, channel) => Math.max(value, b.max[channel] ?? value)),
  };
}

/** Bounds of a node's inputs; null where one is absent. */
export function inputBounds(
  { inputs }: NodeView<object>,
  ranges: ReadonlyMap<Tensor, ChannelBounds>,
): readonly (ChannelBounds | null)[] {
  return inputs.map((tensor) => (tensor === null ? null : boundsIn(ranges, tensor)));
}

export function boundsIn(
  ranges: ReadonlyMap<Tensor, ChannelBounds>,
  tensor: Tensor,
): ChannelBounds {
  const known = ranges.get(tensor);
  if (known !== undefined) return known;
  const { data, dtype } = tensor;
  const isExact = data !== null && dtypes[dtype].range !== null;
  return isExact ? elementBounds(channelCount(tensor), data as Int8Array) : anyBounds(tensor);
}
