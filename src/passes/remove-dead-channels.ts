/** Removes channels that nobody reads, and those that always hold one value. */
import { analyse } from '../analysis/index.js';
import { type Live, liveChannels } from '../analysis/live-channels.js';
import { type Graph, type Tensor, type TensorId, tensorOf } from '../ir/graph.js';
import type { Facts } from '../ir/op.js';
import { freeTensors, isInBlocks, tapsBehind } from './order-channels.js';
import { takeChannels } from './take-channels.js';

type Ranges = Pick<Facts, 'range'>;

/**
 * Tensors lose the channels that are not live, constants what was multiplied with them; biases take
 * over what constant channels added. Every value that is left is what it was. A constant channel
 * stays where weights at 0 lie in blocks of four channels that have others: what
 * skips blocks is slowed by more than a channel. A depthwise layer would cost as much for it.
 *
 * @param facts which channels are constant
 */
export function removeDeadChannels(graph: Graph, facts: Ranges = analyse(graph)): Graph {
  const live = liveChannels(graph, facts);
  const known = besideHoles(graph, live, facts);
  const kept = known === facts ? live : liveChannels(graph, known);
  const taken = [...kept].map(
    ([id, channels]) => [id, [...channels.keys()].filter((channel) => channels[channel])] as const,
  );
  return takeChannels(graph, new Map(taken), known);
}

/** The ranges, without the constants that would be holes in blocks. */
function besideHoles(graph: Graph, live: ReadonlyMap<TensorId, Live>, facts: Ranges): Ranges {
  const varied = new Map<Tensor, ReadonlySet<number>>();
  for (const tensors of freeTensors(graph, [...live.keys()])) {
    const holes = holesOf(live.get(tensors[0] as TensorId) ?? []);
    if (holes.size === 0 || isDepthwise(graph, tensors)) continue;
    if (!isInBlocks(tapsBehind(graph, tensors))) continue;
    for (const id of tensors) varied.set(tensorOf(graph, id), holes);
  }
  if (varied.size === 0) return facts;
  return {
    range(tensor) {
      const { min, max } = facts.range(tensor);
      const isHole = (channel: number) => varied.get(tensor)?.has(channel) === true;
      return {
        min: min.map((value, channel) => (isHole(channel) ? -128 : value)),
        max: max.map((value, channel) => (isHole(channel) ? 127 : value)),
      };
    },
  };
}

/** Channels that are not live in blocks of which others are. */
function holesOf(live: Live): ReadonlySet<number> {
  const isBroken = (channel: number) => live.some((is, other) => is && other >> 2 === channel >> 2);
  return new Set([...live.keys()].filter((channel) => !live[channel] && isBroken(channel)));
}

function isDepthwise({ nodes }: Graph, tensors: readonly TensorId[]): boolean {
  const isComputed = (id: TensorId) => tensors.includes(id);
  return nodes.some(({ op, outputs }) => op === 'depthwise_conv2d' && outputs.some(isComputed));
}
