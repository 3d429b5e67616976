/** Removes channels that nobody reads and channels that always hold one value. */
import { analyse } from '../analysis/index.js';
import { type Live, liveChannels } from '../analysis/live-channels.js';
import { type Graph, type Tensor, type TensorId, tensorOf } from '../ir/graph.js';
import type { Facts } from '../ir/op.js';
import { opOf } from '../ops/index.js';
import { freeTensors, isInBlocks, tapsBehind } from './order-channels.js';
import { takeChannels } from './take-channels.js';

type Ranges = Pick<Facts, 'range'>;

/**
 * Tensors lose the channels that are not live, and constants lose the weights of those channels;
 * the contribution of constant channels moves into the biases. Every remaining value is unchanged.
 * A constant channel stays if it shares a block of four with live channels and the zero weights
 * form such blocks: removing it would break the blocks, which costs more than one channel saves. It
 * does not stay where a depthwise layer computes it, because that layer would spend as much on it.
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

/** The ranges, with constant channels that would be holes in blocks treated as varying. */
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

/** Channels that are not live and share a block with a live one. */
function holesOf(live: Live): ReadonlySet<number> {
  const isBroken = (channel: number) => live.some((is, other) => is && other >> 2 === channel >> 2);
  return new Set([...live.keys()].filter((channel) => !live[channel] && isBroken(channel)));
}

function isDepthwise({ nodes }: Graph, tensors: readonly TensorId[]): boolean {
  const isComputed = (id: TensorId) => tensors.includes(id);
  return nodes.some((node) => opOf(node).filters === 'last' && node.outputs.some(isComputed));
}
