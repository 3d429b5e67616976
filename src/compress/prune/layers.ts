/** Layers that can be pruned, and where their weights lie. */
import { type Graph, type Node, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { nodeNames, weighted } from '../float-graph.js';

/**
 * Weights as filters × taps × input channels. A tap is a position of the window; a fully connected
 * layer has one, and so many channels as a filter has weights. A filter of a depthwise layer reads
 * one channel.
 */
export interface PrunableLayer {
  readonly node: Node;
  /** Of the node in its graph. */
  readonly index: number;
  readonly weights: TensorId;
  readonly filters: number;
  readonly taps: number;
  readonly channels: number;
  /** filters · taps · channels */
  readonly count: number;
  /** Index of a weight in its tensor. */
  position(filter: number, tap: number, channel: number): number;
}

/** Layers with constant weights, in the order of the graph; weights that two share count once. */
export function prunableLayers(graph: Graph): readonly PrunableLayer[] {
  const seen = new Set<TensorId>();
  return graph.nodes.flatMap((node, index) => {
    const id = node.inputs[1] ?? null;
    if (!weighted.has(node.op) || id === null || seen.has(id)) return [];
    seen.add(id);
    return tensorOf(graph, id).data === null ? [] : [layerOf(graph, node, index, id)];
  });
}

/** The names of layers, by their weights. */
export function layerNames(graph: Graph): ReadonlyMap<TensorId, string> {
  const names = nodeNames(graph);
  return new Map(prunableLayers(graph).map(({ index, weights }) => [weights, names[index] ?? '']));
}

const mixesChannels = ({ op }: Node) => weighted.get(op) === 0;

function layerOf(graph: Graph, node: Node, index: number, weights: TensorId): PrunableLayer {
  const { shape } = tensorOf(graph, weights);
  const last = shape.at(-1) ?? 1;
  const count = shape.reduce((product, extent) => product * extent, 1);
  const own = { node, index, weights, count };
  if (!mixesChannels(node)) {
    const taps = count / last;
    const position = (filter: number, tap: number) => tap * last + filter;
    return { ...own, filters: last, taps, channels: 1, position };
  }
  const filters = shape[0] ?? 1;
  const taps = count / filters / last;
  const position = (filter: number, tap: number, channel: number) =>
    (filter * taps + tap) * last + channel;
  return { ...own, filters, taps, channels: last, position };
}

/**
 * Whether a layer is pruned unless it is asked for by name. Depthwise layers are not: they have
 * few weights, and hardly any kernel skips their zeros.
 */
export function isPrunedByDefault({ node }: PrunableLayer): boolean {
  return mixesChannels(node);
}
