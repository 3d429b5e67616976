/** Removes channels that nobody reads, and those that always hold one value. */
import { analyse } from '../analysis/index.js';
import { liveChannels } from '../analysis/live-channels.js';
import type { Graph } from '../ir/graph.js';
import type { Facts } from '../ir/op.js';
import { takeChannels } from './take-channels.js';

/**
 * Tensors lose the channels that are not live, constants what was multiplied with them; biases take
 * over what constant channels added. Every value that is left is what it was.
 *
 * @param facts which channels are constant
 */
export function removeDeadChannels(
  graph: Graph,
  facts: Pick<Facts, 'range'> = analyse(graph),
): Graph {
  const live = [...liveChannels(graph, facts)].map(
    ([id, channels]) => [id, [...channels.keys()].filter((channel) => channels[channel])] as const,
  );
  return takeChannels(graph, new Map(live), facts);
}
