/** Groups of channels that are alike, and the sizes of a graph without some of them. */
import {
  liveness,
  type ModelSize,
  modelSize,
  outputElements,
} from '../../compiler/analysis/index.js';
import {
  elementCount,
  type Graph,
  type TensorId,
  tensorOf,
  viewOf,
} from '../../compiler/ir/graph.js';
import { opOf } from '../../compiler/ops/index.js';
import type { ChannelGroup } from './coupling.js';

/** Groups with slices of the same lines: it costs the same to keep any of them. */
export interface Family {
  /** The one that matters least comes first. */
  readonly groups: readonly ChannelGroup[];
  /**
   * Of removing the first i groups, for i = 0 … groups.length: s · ln(s / left), where s is the sum
   * of all scores and `left` that of the groups that are left. For few groups it is the sum of their
   * scores; the fewer are left, the more each counts, so that no layer becomes a bottleneck for the
   * others. Infinity where none is left.
   */
  readonly harm: readonly number[];
}

/** Removed groups of each family: the first ones. */
export type Counts = readonly number[];

/** The indices of the groups of each family. */
export function familyMembers(groups: readonly ChannelGroup[]): readonly (readonly number[])[] {
  const found = new Map<string, number[]>();
  groups.forEach(({ slices }, i) => {
    const key = slices.map((s) => `${s.tensor}/${s.axis}/${s.indices.length}`).join(' ');
    const members = found.get(key) ?? [];
    found.set(key, members);
    members.push(i);
  });
  return [...found.values()];
}

/** @param scores by group; higher is more worth keeping */
export function familiesOf(
  groups: readonly ChannelGroup[],
  scores: ArrayLike<number>,
): readonly Family[] {
  return familyMembers(groups).map((members) => {
    const ordered = members.toSorted((a, b) => (scores[a] as number) - (scores[b] as number));
    const harm = harmsOf(ordered.map((i) => scores[i] as number));
    return { groups: ordered.map((i) => groups[i] as ChannelGroup), harm };
  });
}

function harmsOf(scores: readonly number[]): readonly number[] {
  const total = scores.reduce((sum, score) => sum + score, 0);
  let gone = 0;
  const harms = scores.map((score) => {
    gone += score;
    return total > 0 ? total * Math.log(total / Math.max(0, total - gone)) : 0;
  });
  return [0, ...harms.slice(0, -1), Number.POSITIVE_INFINITY];
}

export function removedBy(families: readonly Family[], counts: Counts): readonly ChannelGroup[] {
  return families.flatMap(({ groups }, i) => groups.slice(0, counts[i]));
}

/** What an estimate of costs needs to know of a graph. */
export interface Sizes extends ModelSize {
  /** Work of each node: its MACs, or the elements of its outputs where it has none. */
  readonly work: readonly number[];
  /** Elements of the tensors that are live at once, at most. */
  readonly liveElements: number;
}

export function sizesOf(graph: Graph): Sizes {
  const work = graph.nodes.map((node) => {
    const view = viewOf(graph, node);
    return opOf(node).macs(view) || outputElements(view);
  });
  return { ...modelSize(graph), work, liveElements: mostLive(graph) };
}

function mostLive(graph: Graph): number {
  const live = new Array<number>(graph.nodes.length + 2).fill(0);
  for (const [id, { first, last }] of liveness(graph)) {
    const elements = elementCount(tensorOf(graph, id).shape);
    for (let at = first; at <= last; at += 1) live[at + 1] = (live[at + 1] ?? 0) + elements;
  }
  return Math.max(...live);
}

/**
 * The graph with the shapes that it has without the removed groups, and data and attributes as they
 * were: enough for `sizesOf`, and a thousand times faster than to cut it. null where a line would
 * keep fewer channels than `least`, unless it has no more now, or no head.
 */
export function resized(
  graph: Graph,
  families: readonly Family[],
  counts: Counts,
  least: number,
): Graph | null {
  const shapes = new Map<TensorId, number[]>();
  for (const [i, { groups }] of families.entries()) {
    const count = counts[i] as number;
    if (count === 0) continue;
    for (const { tensor, axis, indices } of groups[0]?.slices ?? []) {
      const shape = shapes.get(tensor) ?? [...tensorOf(graph, tensor).shape];
      shape[axis] = (shape[axis] as number) - count * indices.length;
      // Heads are an earlier dimension; so are filters, which an output has as its last one.
      const isLast = axis === shape.length - 1;
      if ((shape[axis] as number) < (isLast ? least : 1)) return null;
      shapes.set(tensor, shape);
    }
  }
  const tensors = graph.tensors.map((tensor, id) => {
    const shape = shapes.get(id);
    return shape === undefined ? tensor : { ...tensor, shape };
  });
  return { ...graph, tensors };
}
