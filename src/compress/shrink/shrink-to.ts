/** Removes channels until a graph is as small or as fast as wanted. */
import type { Graph } from '../../compiler/ir/graph.js';
import type { Candidate } from '../candidate.js';
import type { Cost } from '../cost.js';
import { couplingOf, type KeptChannels } from './coupling.js';
import { shrunk } from './cut.js';
import { familiesOf, removedBy, type Sizes, sizesOf } from './families.js';
import { type Excess, type Found, search } from './search.js';

export type CostEstimate = Pick<Cost, 'count' | 'flashBytes' | 'ramBytes' | 'layers'>;

/** Estimates of candidates on a target, and what they shall be at most. */
export interface CostGoal {
  readonly costOf: (candidate: Candidate) => CostEstimate;
  readonly count?: number | undefined;
  readonly flashBytes?: number | undefined;
  readonly ramBytes?: number | undefined;
}

/** A share of the MACs, or estimates. */
export type ShrinkGoal = { readonly macs: number } | CostGoal;

export interface ShrinkOptions {
  /** Of the groups of `couplingOf`; higher is more worth keeping. */
  readonly scores: ArrayLike<number>;
  /** The fewest channels of a tensor; those with fewer lose none. */
  readonly least: number;
  /**
   * Counts of channels that are left are multiples of it. 'auto': of `defaultMultiple`, or with
   * costs the one of 1, 2, 4 and 8 that harms least.
   */
  readonly multiple: number | 'auto';
}

export interface Shrinking {
  readonly candidate: Candidate;
  /** Channels before and after, by family of groups. */
  readonly families: readonly { readonly before: number; readonly after: number }[];
  /** Sum of the families' harms. */
  readonly harm: number;
  /** Whether the goal is met; otherwise no more channels can go. */
  readonly isMet: boolean;
  readonly kept: readonly KeptChannels[];
}

/** Kernels with SIMD compute four channels together. */
export const defaultMultiple = 4;

/**
 * The candidate without the channels that matter least for what they cost.
 *
 * @param goal a share of the MACs from 0 to 1; or estimates on a target, in its unit and in bytes
 */
export function shrinkTo(
  candidate: Candidate,
  goal: ShrinkGoal,
  { scores, least, multiple }: ShrinkOptions,
): Shrinking {
  const { graph } = candidate;
  const { groups, kept } = couplingOf(graph);
  const families = familiesOf(groups, scores);
  const without = ({ counts }: Found) => shrunk(candidate, removedBy(families, counts));
  const find = (excess: Excess, of: number) =>
    search(graph, families, excess, { multiple: of, least });
  const found =
    'macs' in goal
      ? find(macsExcess(graph, goal.macs), multiple === 'auto' ? defaultMultiple : multiple)
      : leastHarm(
          (multiple === 'auto' ? [1, 2, 4, 8] : [multiple]).map((of) =>
            withinCosts(candidate, goal, (excess) => find(excess, of), without),
          ),
        );
  const after = families.map(({ groups: { length } }, i) => ({
    before: length,
    after: length - (found.counts[i] as number),
  }));
  const { harm, isMet } = found;
  return { candidate: without(found), families: after, harm, isMet, kept };
}

function leastHarm(all: readonly Found[]): Found {
  const met = all.filter(({ isMet }) => isMet);
  const candidates = met.length > 0 ? met : all;
  return candidates.reduce((a, b) => (b.harm < a.harm ? b : a));
}

function macsExcess(graph: Graph, share: number): Excess {
  const wanted = share * sizesOf(graph).macs;
  return ({ macs }) => above(macs, wanted);
}

const above = (value: number, wanted: number | undefined) =>
  wanted === undefined ? 0 : Math.max(0, value / wanted - 1);

/** Estimates for one search, at most: planning takes 0.1 to 2 s each. */
const mostEstimates = 6;

/** A graph's sizes with its estimate. */
interface Known {
  readonly sizes: Sizes;
  readonly cost: CostEstimate;
}

/**
 * Searches with costs in proportion to sizes: a node's count to its work, flash to parameters, RAM
 * to live elements. The estimate of what was found corrects the proportions for the next search.
 */
function withinCosts(
  candidate: Candidate,
  goal: CostGoal,
  find: (excess: Excess) => Found,
  without: (found: Found) => Candidate,
): Found {
  const knownOf = (made: Candidate): Known => ({
    sizes: sizesOf(made.graph),
    cost: goal.costOf(made),
  });
  const start = knownOf(candidate);
  const tried = new Set<string>();
  let known = start;
  let best: (Found & { readonly excess: number }) | null = null;
  for (let i = 0; i < mostEstimates; i += 1) {
    const found = find((sizes) => costExcess(goal, predicted(start, known, sizes)));
    if (tried.has(found.counts.join())) break;
    tried.add(found.counts.join());
    known = knownOf(without(found));
    const excess = costExcess(goal, known.cost);
    const made = { ...found, isMet: excess === 0, excess };
    if (best === null || isBetter(made, best)) best = made;
  }
  return best as Found;
}

function isBetter(
  a: Found & { readonly excess: number },
  b: Found & { readonly excess: number },
): boolean {
  if (a.excess > 0 || b.excess > 0) return a.excess < b.excess;
  return a.harm < b.harm;
}

function costExcess(goal: CostGoal, cost: Omit<CostEstimate, 'layers'>): number {
  return (
    above(cost.count, goal.count) +
    above(cost.flashBytes, goal.flashBytes) +
    above(cost.ramBytes, goal.ramBytes)
  );
}

/** The estimate of other sizes, from that of the start and the one that is known of the nearest. */
function predicted(start: Known, { sizes, cost }: Known, other: Sizes) {
  const layers = cost.layers.map((count, i) => {
    const [now = 0, then = 0] = [sizes.work[i], other.work[i]];
    return now > 0 ? (count * then) / now : count;
  });
  const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
  const parametersGone = start.sizes.parameters - sizes.parameters;
  const bytesGone = start.cost.flashBytes - cost.flashBytes;
  const bytesEach = parametersGone > 0 && bytesGone > 0 ? bytesGone / parametersGone : 1;
  return {
    count: cost.count - sum(cost.layers) + sum(layers),
    flashBytes: cost.flashBytes + bytesEach * (other.parameters - sizes.parameters),
    ramBytes: (cost.ramBytes * other.liveElements) / sizes.liveElements,
  };
}
