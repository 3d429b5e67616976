/** How many channels go from each family: the least harm at which what is wanted is met. */
import type { Graph } from '../../compiler/ir/graph.js';
import { type Counts, type Family, resized, type Sizes, sizesOf } from './families.js';

/**
 * What a graph of these sizes costs, as a share of what is wanted, above 1; 0 where all is met.
 * Smaller graphs cost less.
 */
export type Excess = (sizes: Sizes) => number;

export interface SearchOptions {
  /** Counts of channels that are left are multiples of it, where a family has more. */
  readonly multiple: number;
  /** The fewest channels of a tensor, unless it has no more in the beginning. */
  readonly least: number;
}

export interface Found {
  readonly counts: Counts;
  /** Sum of the families' harms. */
  readonly harm: number;
  readonly isMet: boolean;
}

/**
 * Removes where the score is least for the cost that is saved, until the excess is 0; takes back
 * what was not needed; then tries to remove more of one family in exchange for others.
 */
export function search(
  graph: Graph,
  families: readonly Family[],
  excessOf: Excess,
  { least, multiple }: SearchOptions,
): Found {
  const excessWith = (counts: Counts): number | null => {
    const smaller = resized(graph, families, counts, least);
    return smaller === null ? null : excessOf(sizesOf(smaller));
  };
  const space: Space = { families, excessWith, multiple };
  const none = families.map(() => 0);
  const { counts, excess } = removed(space, none, excessWith(none) as number);
  const isMet = excess === 0;
  const final = isMet ? exchanged(space, relaxed(space, counts)) : counts;
  return { counts: final, harm: harmOf(space, final), isMet };
}

/** What is searched. */
interface Space {
  readonly families: readonly Family[];
  readonly excessWith: (counts: Counts) => number | null;
  readonly multiple: number;
}

function harmOf({ families }: Space, counts: Counts): number {
  return families.reduce((sum, { harm }, i) => sum + (harm[counts[i] as number] as number), 0);
}

interface Step {
  readonly counts: Counts;
  readonly excess: number;
}

/** Removes step by step until the excess is 0 or no step lowers it. No step leads to `avoided`. */
function removed(space: Space, counts: Counts, excess: number, avoided?: Counts): Step {
  let reached: Step = { counts, excess };
  while (reached.excess > 0) {
    const step = bestStep(space, reached, avoided);
    if (step === null) break;
    reached = step;
  }
  return reached;
}

function bestStep(space: Space, { counts, excess }: Step, avoided?: Counts): Step | null {
  let [best, least]: [Step | null, number] = [null, Number.POSITIVE_INFINITY];
  for (const tried of removals(space, counts)) {
    const left = tried.join() === avoided?.join() ? null : space.excessWith(tried);
    if (left === null || left >= excess) continue;
    const price = (harmOf(space, tried) - harmOf(space, counts)) / (excess - left);
    if (price < least) [best, least] = [{ counts: tried, excess: left }, price];
  }
  return best;
}

/** One step further in each family that can lose more. */
function removals({ families, multiple }: Space, counts: Counts): readonly Counts[] {
  return families.flatMap(({ groups: { length } }, i) => {
    const left = length - (counts[i] as number);
    const step = length <= multiple ? 1 : left % multiple || multiple;
    return step < left ? [counts.with(i, length - left + step)] : [];
  });
}

/** One step back in each family. */
function returns({ families, multiple }: Space, counts: Counts): readonly Counts[] {
  return families.flatMap(({ groups: { length } }, i) => {
    const count = counts[i] as number;
    const step = length <= multiple ? 1 : multiple;
    return count > 0 ? [counts.with(i, Math.max(0, count - step))] : [];
  });
}

/** Gives back the most harmful steps that are not needed. */
function relaxed(space: Space, counts: Counts): Counts {
  const byHarm = returns(space, counts).toSorted((a, b) => harmOf(space, a) - harmOf(space, b));
  const possible = byHarm.find((tried) => space.excessWith(tried) === 0);
  return possible === undefined ? counts : relaxed(space, possible);
}

/** Gives back a step of one family and removes others instead, as long as that harms less. */
function exchanged(space: Space, counts: Counts): Counts {
  const better = returns(space, counts)
    .map((tried) => {
      const other = removed(space, tried, space.excessWith(tried) as number, counts);
      return other.excess === 0 ? relaxed(space, other.counts) : counts;
    })
    .find((tried) => harmOf(space, tried) < harmOf(space, counts));
  return better === undefined ? counts : exchanged(space, better);
}
