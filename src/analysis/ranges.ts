/** Forward interval analysis: the values that every channel of every tensor can take. */
import { dtypes, type Graph, isInteger, type NodeView, type Tensor, viewOf } from '../ir/graph.js';
import { type ChannelBounds, computedTypes } from '../ir/op.js';
import { anyBounds, channelCount, elementBounds } from '../ops/arithmetic/bounds.js';
import { opOf } from '../ops/index.js';

/**
 * Proven bounds of the tensors that nodes of integers write, for any input of the model. Tensors that are
 * not in the map can have any value of their type.
 */
export function rangesOf(graph: Graph): ReadonlyMap<Tensor, ChannelBounds> {
  const ranges = new Map<Tensor, ChannelBounds>();
  for (const node of graph.nodes) {
    const view = viewOf(graph, node);
    if (!computedTypes(view).every(isInteger)) continue;
    const bounds = opOf(node).range?.(view, inputBounds(view, ranges));
    view.outputs.forEach((tensor, position) => {
      const known = bounds?.[position];
      if (known !== undefined) ranges.set(tensor, known);
    });
  }
  return ranges;
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
