/**
 * Orders channels so that zero weights form blocks of four channels, which kernels skip at once.
 * The order of inner channels is free. Block pruning aligns its blocks to it, and removing a
 * channel shifts all channels behind it out of their blocks.
 */
import { analyse } from '../analysis/index.js';
import {
  type Graph,
  type NodeView,
  resultsOf,
  sourcesOf,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { channelCount } from '../ops/arithmetic/bounds.js';
import { type ChannelTie, channelFlow } from '../ops/axes.js';
import { inputOf } from '../ops/shape/operands.js';
import { type Taken, takeChannels } from './take-channels.js';

/** Neighbouring channels whose weights a kernel skips together. */
const blockChannels = 4;
/** An order is taken if it leaves less than this share of the blocks... */
const worthwhile = 0.9;
/** ... with at least this many weights in each: a block costs a kernel as much as 2.4 weights. */
const leastWeights = 2.4;

/**
 * Tensors whose channels are tied get the same order, and so do the constants that belong to them.
 * The graph's inputs, outputs and states keep their order, and so do tensors whose channels an operator
 * ties in another way than one to one.
 */
export function orderChannels(graph: Graph): Graph {
  const computed = [...sourcesOf(graph), ...graph.nodes.flatMap((node) => node.outputs)];
  const orders = new Map<TensorId, Taken>(
    computed.map((id) => [id, [...Array(channelCount(tensorOf(graph, id))).keys()]]),
  );
  let isOrdered = false;
  for (const tensors of freeTensors(graph, computed)) {
    const better = betterOrder(tapsBehind(graph, tensors));
    if (better === null) continue;
    isOrdered = true;
    for (const id of tensors) orders.set(id, better);
  }
  return isOrdered ? takeChannels(graph, orders, analyse(graph)) : graph;
}

/** Groups of tensors that must share one order of channels and are free to take any order. */
export function freeTensors(graph: Graph, computed: readonly TensorId[]): readonly TensorId[][] {
  const parent = new Map(computed.map((id) => [id, id]));
  const rootOf = (id: TensorId): TensorId => {
    const above = parent.get(id) as TensorId;
    return above === id ? id : rootOf(above);
  };
  const bound = new Set<TensorId>([...sourcesOf(graph), ...resultsOf(graph)]);
  for (const node of graph.nodes) {
    const view = viewOf(graph, node);
    const flow = channelFlow(view);
    if (flow?.kind === 'mixed') continue;
    const ties = (flow?.ties ?? []).filter((tie) => isOneToOne(view, tie));
    for (const [position, id] of node.inputs.entries()) {
      if (id === null) continue;
      if (!ties.some(({ input }) => input === position)) bound.add(id);
      else if (parent.has(id)) parent.set(rootOf(id), rootOf(node.outputs[0] as TensorId));
    }
    // A constant that is not tied one to one would need an order of its own.
    const isFree = ties.length > 0 && ties.length === flow?.ties.length;
    if (!isFree) for (const id of node.outputs) bound.add(id);
  }
  const boundRoots = new Set([...bound].filter((id) => parent.has(id)).map(rootOf));
  const free = computed.filter((id) => !boundRoots.has(rootOf(id)));
  const byRoot = new Map<TensorId, TensorId[]>();
  for (const id of free) byRoot.set(rootOf(id), [...(byRoot.get(rootOf(id)) ?? []), id]);
  return [...byRoot.values()];
}

function isOneToOne(view: NodeView, { input, first, repeat }: ChannelTie): boolean {
  const [from, to] = [view.inputs[input], view.outputs[0]];
  if (from == null || to === undefined) return true;
  return first === 0 && repeat === 1 && channelCount(from) === channelCount(to);
}

/** For one channel: a bit for each tap of each filter, set where the weight is nonzero. */
type Taps = Uint32Array;

/** The taps of each channel, over all layers that sum over the channel. */
export function tapsBehind(graph: Graph, tensors: readonly TensorId[]): readonly Taps[] {
  const channels = channelCount(tensorOf(graph, tensors[0] as TensorId));
  const readers = graph.nodes
    .filter(({ inputs: [id] }) => id != null && tensors.includes(id))
    .map((node) => viewOf(graph, node))
    .filter((view) => channelFlow(view)?.kind === 'mixed')
    .map((view) => inputOf(view, 1).data ?? []);
  const taps = readers.reduce((sum, weights) => sum + weights.length / channels, 0);
  const found = Array.from({ length: channels }, () => new Uint32Array(Math.ceil(taps / 32)));
  let first = 0;
  for (const weights of readers) {
    for (const [i, weight] of weights.entries()) {
      const tap = first + Math.floor(i / channels);
      const word = tap >>> 5;
      const bits = found[i % channels] as Taps;
      if (Number(weight) !== 0) bits[word] = (bits[word] as number) | (1 << (tap & 31));
    }
    first += weights.length / channels;
  }
  return found;
}

/** An order of the channels with few enough blocks to pay off; null where none is found. */
function betterOrder(taps: readonly Taps[]): Taken | null {
  const weights = taps.reduce((sum, bits) => sum + ones(bits), 0);
  const enough = Math.min(worthwhile * blocksOf(taps), weights / leastWeights);
  if (weights / blockChannels >= enough) return null;
  const order = greedyOrder(taps, weights - enough);
  if (order === null) return null;
  return blocksOf(order.map((channel) => taps[channel] as Taps)) < enough ? order : null;
}

/** Whether the weights lie in blocks: few blocks are nonzero, and those are nearly full. */
export function isInBlocks(taps: readonly Taps[]): boolean {
  const weights = taps.reduce((sum, bits) => sum + ones(bits), 0);
  const apart = ones(taps.reduce(union)) * Math.ceil(taps.length / blockChannels);
  const blocks = blocksOf(taps);
  return blocks <= worthwhile * apart && weights >= leastWeights * blocks;
}

/** Number of blocks with a nonzero weight, for channels in this order. */
function blocksOf(taps: readonly Taps[]): number {
  let blocks = 0;
  for (let first = 0; first < taps.length; first += blockChannels) {
    blocks += ones(taps.slice(first, first + blockChannels).reduce(union));
  }
  return blocks;
}

/**
 * Takes four channels at a time: the group with the largest share of saved weights. The groups are
 * then sorted by their first channel, and the remaining channels come last. A share rather than a
 * count, so that three channels of a broken block do not take a fourth from a whole one. Returns
 * null as soon as the best share, applied to all weights that are left, cannot reach `leastSaved`
 * any more; for weights without a pattern that is at the start.
 */
function greedyOrder(taps: readonly Taps[], leastSaved: number): Taken | null {
  let saved = 0;
  const counts = taps.map(ones);
  let weights = counts.reduce((sum, count) => sum + count, 0);
  const left = new Set(taps.keys());
  const blocks: (readonly number[])[] = [];
  const grown = new Map<number, Group>();
  while (left.size >= blockChannels) {
    let best: Group | null = null;
    for (const seed of left) {
      const known = grown.get(seed);
      const isCurrent = known?.channels.every((channel) => left.has(channel)) === true;
      const group = isCurrent ? known : groupAround(seed, left, taps, counts);
      grown.set(seed, group);
      if (best === null || shareOf(group) > shareOf(best)) best = group;
    }
    if (best === null) break;
    if (saved + shareOf(best) * weights < leastSaved) return null;
    saved += best.saved;
    weights -= best.weights;
    const block = [...best.channels].sort((a, b) => a - b);
    for (const channel of block) left.delete(channel);
    blocks.push(block);
  }
  const inOrder = blocks.sort(([a = 0], [b = 0]) => a - b);
  return [...inOrder.flat(), ...left];
}

interface Group {
  readonly channels: readonly number[];
  readonly weights: number;
  /** Weights that share a block with an earlier weight. */
  readonly saved: number;
}

const shareOf = ({ saved, weights }: Group) => saved / Math.max(1, weights);

/** A group grown from a channel: each step adds the channel that gives the largest share saved. */
function groupAround(
  seed: number,
  left: ReadonlySet<number>,
  taps: readonly Taps[],
  counts: readonly number[],
): Group {
  const channels = [seed];
  const countOf = (channel: number) => counts[channel] as number;
  let all = taps[seed] as Taps;
  let group: Group = { channels, weights: countOf(seed), saved: 0 };
  while (channels.length < blockChannels) {
    let [nearest, most]: [number, Group | null] = [-1, null];
    for (const channel of left) {
      if (channels.includes(channel)) continue;
      const common = shared(all, taps[channel] as Taps);
      const grown = {
        channels,
        weights: group.weights + countOf(channel),
        saved: group.saved + common,
      };
      if (most === null || shareOf(grown) > shareOf(most)) [nearest, most] = [channel, grown];
    }
    if (most === null) break;
    channels.push(nearest);
    group = most;
    all = union(all, taps[nearest] as Taps);
  }
  return group;
}

const union = (a: Taps, b: Taps): Taps => a.map((word, i) => word | (b[i] as number));

function shared(a: Taps, b: Taps): number {
  let count = 0;
  for (let i = 0; i < a.length; i += 1) count += onesOf((a[i] as number) & (b[i] as number));
  return count;
}

const ones = (taps: Taps) => shared(taps, taps);

function onesOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
