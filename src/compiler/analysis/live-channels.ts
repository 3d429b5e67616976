/** Backward liveness of channels: which channels the model's outputs depend on. */
import {
  type Graph,
  type NodeView,
  resultsOf,
  sourcesOf,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import type { Facts } from '../ir/op.js';
import { inputZeroPoint } from '../ops/arithmetic/accumulation.js';
import { channelCount, constantOf } from '../ops/arithmetic/bounds.js';
import { type ChannelFlow, type ChannelTie, channelFlow } from '../ops/axes.js';
import { inputOf } from '../ops/shape/operands.js';

/** For each channel of a tensor, whether it is needed. */
export type Live = readonly boolean[];

/**
 * The channels of every computed tensor that have to be computed; each tensor keeps at least one.
 *
 * The model's inputs, outputs and states keep all channels. A sum over channels needs the channels that
 * have a nonzero weight and are not constant. The contribution of a constant channel can move into
 * the bias if it is the same at every output position: always if the channel holds the zero point
 * (padding counts as the zero point), otherwise if no tap with a nonzero weight meets padding.
 *
 * @param facts which channels are constant
 */
export function liveChannels(
  graph: Graph,
  facts: Pick<Facts, 'range'>,
): ReadonlyMap<TensorId, Live> {
  const live = new LiveChannels();
  for (const id of [...sourcesOf(graph), ...graph.nodes.flatMap((node) => node.outputs)]) {
    live.add(id, channelCount(tensorOf(graph, id)));
  }
  for (const id of [...sourcesOf(graph), ...resultsOf(graph)]) live.needAll(id);
  const readers = graph.nodes.toReversed().map((node) => {
    const view = viewOf(graph, node);
    return { view, flow: channelFlow(view) };
  });
  // The loop ends, since the set of needed channels only grows. A tensor of which no channel is
  // needed, such as a sum that nobody reads, then keeps channel 0.
  do {
    while (live.changed) {
      live.changed = false;
      for (const { view, flow } of readers) spread(live, view, flow, facts);
    }
    live.needOneOfEach();
  } while (live.changed);
  return live.channels;
}

class LiveChannels {
  readonly channels = new Map<TensorId, boolean[]>();
  changed = true;

  add(id: TensorId, count: number): void {
    this.channels.set(id, new Array<boolean>(count).fill(false));
  }

  /** The channels of a computed tensor; [] for a constant or absent one. */
  of(id: TensorId | null | undefined): Live {
    return (id == null ? undefined : this.channels.get(id)) ?? [];
  }

  need(id: TensorId | null | undefined, channel: number): void {
    const channels = id == null ? undefined : this.channels.get(id);
    if (channels?.[channel] !== false) return;
    channels[channel] = true;
    this.changed = true;
  }

  needAll(id: TensorId | null): void {
    for (const channel of this.of(id).keys()) this.need(id, channel);
  }

  needOneOfEach(): void {
    for (const [id, channels] of this.channels) if (!channels.includes(true)) this.need(id, 0);
  }
}

/**
 * Marks the channels that a node needs of its inputs, and the channels tied to them, given the
 * channels needed of its outputs.
 */
function spread(
  live: LiveChannels,
  view: NodeView,
  flow: ChannelFlow | null,
  facts: Pick<Facts, 'range'>,
): void {
  const { inputs, outputs } = view.node;
  if (flow === null) {
    for (const id of [...inputs, ...outputs]) live.needAll(id);
    return;
  }
  if (flow.kind === 'mixed') {
    const out = live.of(outputs[0]);
    for (const [channel, isLive] of live.of(inputs[0]).entries()) {
      if (!isLive && isRead(view, flow.padded, out, facts, channel)) live.need(inputs[0], channel);
    }
    return;
  }
  for (const [position, id] of inputs.entries()) {
    const tie = flow.ties.find(({ input }) => input === position);
    if (tie === undefined) {
      live.needAll(id);
      continue;
    }
    for (const [channel, isLive] of live.of(id).entries()) {
      const tied = tiedTo(tie, channel);
      if (!isLive && !tied.some((o) => live.of(outputs[0])[o])) continue;
      live.need(id, channel);
      for (const o of tied) live.need(outputs[0], o);
    }
  }
}

/** The output channels tied to one channel of an operand. */
function tiedTo({ first, repeat }: ChannelTie, channel: number): readonly number[] {
  return Array.from({ length: repeat }, (_, i) => first + channel * repeat + i);
}

/** Whether a needed output channel of a sum over channels depends on this input channel. */
function isRead(
  view: NodeView,
  padded: readonly boolean[],
  out: Live,
  facts: Pick<Facts, 'range'>,
  channel: number,
): boolean {
  const value = constantOf(facts.range(inputOf(view, 0)), channel);
  if (value === inputZeroPoint(view)) return false;
  const weights = inputOf(view, 1).data ?? [];
  const channels = channelCount(inputOf(view, 0));
  const isWeighed = (o: number, tap: number) =>
    Number(weights[(o * padded.length + tap) * channels + channel]) !== 0;
  const differs = (isPadded: boolean) => value === null || isPadded;
  return out.some(
    (isLive, o) => isLive && padded.some((isPadded, tap) => differs(isPadded) && isWeighed(o, tap)),
  );
}
