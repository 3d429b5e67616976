/** Which channels of a float graph can be removed, and what goes with each. */
import {
  at,
  type Graph,
  type Node,
  type TensorId,
  tensorOf,
  viewOf,
} from '../../compiler/ir/graph.js';
import { follow } from './follow.js';
import { Lines, type Slice } from './lines.js';

/** Channels that go together: everything that a graph without them has not. */
export interface ChannelGroup {
  /** Of computed tensors and of constants. */
  readonly slices: readonly Slice[];
}

/** Why tensors at a place keep all their channels. */
export interface KeptChannels {
  readonly where: string;
  readonly why: string;
}

export interface Coupling {
  readonly groups: readonly ChannelGroup[];
  /** Inputs and outputs of the graph, and what makes the outputs, keep theirs without a mention. */
  readonly kept: readonly KeptChannels[];
}

/**
 * Follows channels through the graph: a filter, the channel that it computes, and the weights that
 * read that channel are one group; sums, concatenations, depthwise layers and reshapes make groups
 * larger.
 */
export function couplingOf(graph: Graph): Coupling {
  const lines = new Lines(graph);
  const kept: KeptChannels[] = [];
  for (const id of [...graph.inputs, ...graph.outputs]) lines.keepTensor(id);
  for (const id of readInTwoWays(graph)) {
    lines.keepTensor(id);
    kept.push({ where: tensorOf(graph, id).name, why: 'is a constant that is read in two ways' });
  }
  for (const node of graph.nodes) {
    const why = follow(lines, viewOf(graph, node));
    if (why === null) continue;
    for (const id of [...node.inputs, ...node.outputs]) if (id !== null) lines.keepTensor(id);
    if (!node.outputs.every((id) => graph.outputs.includes(id)))
      kept.push({ where: at(node), why });
  }
  return { groups: lines.removable().map((slices) => ({ slices })), kept };
}

/** Constants that would have to be cut for one reader as another one does not know them. */
function readInTwoWays(graph: Graph): readonly TensorId[] {
  const ways = new Map<TensorId, Set<string>>();
  const note = (id: TensorId | null, { op }: Node, position: number) => {
    if (id === null || tensorOf(graph, id).data === null) return;
    ways.set(id, (ways.get(id) ?? new Set()).add(`${op}/${position}`));
  };
  for (const node of graph.nodes) {
    for (const [position, id] of node.inputs.entries()) note(id, node, position);
  }
  return [...ways].filter(([, { size }]) => size > 1).map(([id]) => id);
}
