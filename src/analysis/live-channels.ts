/** Backward liveness of channels: which of them anything that reaches an output depends on. */
import { type Graph, type NodeView, type TensorId, tensorOf, viewOf } from '../ir/graph.js';
import type { ChannelFlow, ChannelTie, Facts } from '../ir/op.js';
import { inputZeroPoint } from '../ops/arithmetic/accumulation.js';
import { channelCount, constantOf } from '../ops/arithmetic/bounds.js';
import { opOf } from '../ops/index.js';
import { inputOf } from '../ops/shape/operands.js';

/** Of a tensor's channels, those that are needed. */
export type Live = readonly boolean[];

/**
 * The channels of every computed tensor that have to be computed: at least one of each.
 *
 * The model's outputs need all of theirs, a sum over channels those with a weight other than 0 that
 * are not constant. What a constant channel adds to a sum can go into the bias if it adds the same
 * at every position: always where it holds the zero point, which padding counts as, and else where
 * no tap with a weight meets padding.
 *
 * @param facts which channels are constant
 */
export function liveChannels(
  graph: Graph,
  facts: Pick<Facts, 'range'>,
): ReadonlyMap<TensorId, Live> {
  const live = new LiveChannels();
  for (const id of [...graph.inputs, ...graph.nodes.flatMap((node) => node.outputs)]) {
    live.add(id, channelCount(tensorOf(graph, id)));
  }
  for (const id of [...graph.inputs, ...graph.outputs]) live.needAll(id);
  const readers = graph.nodes.toReversed().map((node) => {
    const view = viewOf(graph, node);
    return { view, flow: flowOf(view) };
  });
  // What is needed only grows, so this ends; in a cycle of residual sums that nobody reads, never
  // does anything begin to be needed.
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

  /** The channels of a computed tensor; none for a constant or absent one. */
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

/** What a node needs of its inputs, and ties to them, given what is needed of its outputs. */
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
    const output = outputs[tie.output];
    for (const [channel, isLive] of live.of(id).entries()) {
      const tied = tiedTo(tie, channel);
      if (!isLive && !tied.some((o) => live.of(output)[o])) continue;
      live.need(id, channel);
      for (const o of tied) live.need(output, o);
    }
  }
}

/** How an int8 node's channels belong together; null where all stay. */
export function flowOf(view: NodeView): ChannelFlow | null {
  const computed = [...view.inputs, ...view.outputs].filter((tensor) => tensor?.data === null);
  if (computed.some((tensor) => tensor?.dtype !== 'int8')) return null;
  return opOf(view.node).channels?.(view) ?? null;
}

/** The output channels of an operand's channel. */
function tiedTo({ first, repeat }: ChannelTie, channel: number): readonly number[] {
  return Array.from({ length: repeat }, (_, i) => first + channel * repeat + i);
}

/** Whether a sum over channels needs this one, for the output channels that are needed. */
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
