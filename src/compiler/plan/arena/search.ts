/**
 * Whether buffers fit into a capacity: a search over the distances between the two of each pair.
 *
 * Every buffer has bounds of its offset. A decision for a pair tightens them. Bounds may leave a
 * pair one range, which is then taken at once, or none: a dead end. The lower bounds are an answer
 * as soon as they satisfy every pair, so the search branches only on pairs that they violate
 * (disjunctive scheduling, with bytes for time).
 */

/** Allowed distances, both ends included. */
export interface DistanceRange {
  readonly from: number;
  readonly to: number;
}

/** Two buffers that are live in the same step. */
export interface Pair {
  readonly a: number;
  readonly b: number;
  /**
   * Allowed values of offset of b − offset of a, ascending. The first range has no start, the last
   * no end.
   */
  readonly distances: readonly DistanceRange[];
}

export interface Solution {
  /** null if none was found. */
  readonly offsets: readonly number[] | null;
  /** False if the search was given up, so offsets may exist. */
  readonly isComplete: boolean;
}

/** Pair visits after which a search is given up: about 50 ms. */
const visitsOfSearch = 1_000_000;
/** Of all searches for one plan: about 1.5 s. */
const visitsOfPlan = 30_000_000;
/** A search has this share of what is left for its plan, and so many visits whatever is left. */
const shareOfPlan = 1 / 8;
const leastVisits = 10_000;

/**
 * The work that the searches for one plan may take. A graph of a hundred steps is packed hundreds
 * of times, and each time a search may be given up; all of them together must end soon. Visits are
 * counted, not time, so that every machine makes the same plan.
 */
export class Patience {
  #left: number;

  /** @param visits of pairs, in all searches together */
  constructor(visits = visitsOfPlan) {
    this.#left = visits;
  }

  /** Visits after which the next search is given up. */
  get ofSearch(): number {
    const share = Math.floor(this.#left * shareOfPlan);
    return Math.max(leastVisits, Math.min(visitsOfSearch, share));
  }

  /** Deducts the visits of a search. */
  spend(visits: number): void {
    this.#left = Math.max(0, this.#left - visits);
  }
}

/** What is asked, and how much work it has taken. */
interface Problem {
  readonly pairs: readonly Pair[];
  /** Buffer → numbers of its pairs. */
  readonly pairsOf: readonly (readonly number[])[];
  /** Pair visits so far, and after which the search is given up. */
  visits: number;
  readonly mostVisits: number;
}

/** What is left to choose from. */
interface Domains {
  /** Bounds of each buffer's offset. */
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** The range chosen for each pair; −1: none yet. */
  readonly choice: Int8Array;
}

/** Offsets of buffers of `sizes` bytes within `capacity` bytes that satisfy every pair. */
export function solve(
  sizes: readonly number[],
  pairs: readonly Pair[],
  capacity: number,
  patience: Patience,
): Solution {
  const pairsOf: number[][] = sizes.map(() => []);
  pairs.forEach(({ a, b }, number) => {
    pairsOf[a]?.push(number);
    pairsOf[b]?.push(number);
  });
  const problem: Problem = { pairs, pairsOf, visits: 0, mostVisits: patience.ofSearch };
  const domains: Domains = {
    low: new Float64Array(sizes.length),
    high: Float64Array.from(sizes, (bytes) => capacity - bytes),
    choice: new Int8Array(pairs.length).fill(-1),
  };
  const isPossible =
    domains.high.every((offset) => offset >= 0) && propagate(problem, domains, [...sizes.keys()]);
  const offsets = isPossible ? branch(problem, domains) : null;
  patience.spend(problem.visits);
  return { offsets, isComplete: !isGivenUp(problem) };
}

function isGivenUp({ visits, mostVisits }: Problem): boolean {
  return visits > mostVisits;
}

/** Tries the ranges of the most constrained pair, the one with the most freedom first. */
function branch(problem: Problem, domains: Domains): readonly number[] | null {
  const number = mostConstrained(problem, domains);
  const pair = problem.pairs[number];
  if (pair === undefined) return [...domains.low];
  const ways = pair.distances
    .map((range, way) => ({ way, slack: slack(domains, pair, range) }))
    .filter(({ slack }) => slack >= 0)
    .sort((x, y) => y.slack - x.slack);
  for (const { way } of ways) {
    const { low, high, choice } = domains;
    const next = { low: low.slice(), high: high.slice(), choice: choice.slice() };
    next.choice[number] = way;
    const offsets = propagate(problem, next, [pair.a]) ? branch(problem, next) : null;
    if (offsets !== null || isGivenUp(problem)) return offsets;
  }
  return null;
}

/**
 * Tightens bounds until nothing changes.
 *
 * @param changed buffers whose bounds have changed; empty afterwards
 * @returns false at a dead end, or when the search is given up
 */
function propagate(problem: Problem, domains: Domains, changed: number[]): boolean {
  const { low, high, choice } = domains;
  const tighten = (buffer: number, least: number, most: number) => {
    if (least <= at(low, buffer) && most >= at(high, buffer)) return;
    low[buffer] = Math.max(least, at(low, buffer));
    high[buffer] = Math.min(most, at(high, buffer));
    changed.push(buffer);
  };
  for (let next = changed.pop(); next !== undefined; next = changed.pop()) {
    for (const number of problem.pairsOf[next] ?? []) {
      problem.visits++;
      if (isGivenUp(problem)) return false;
      const pair = problem.pairs[number] as Pair;
      const { a, b, distances } = pair;
      const way = onlyWay(domains, pair, at(choice, number));
      if (way === several) continue;
      const range = distances[way];
      if (range === undefined) return false;
      choice[number] = way;
      tighten(b, at(low, a) + range.from, at(high, a) + range.to);
      tighten(a, at(low, b) - range.to, at(high, b) - range.from);
    }
  }
  return true;
}

const none = -1;
const several = -2;

/** The one range of a pair that bounds and an earlier choice leave; `none`, or `several`. */
function onlyWay(domains: Domains, pair: Pair, decided: number): number {
  const { distances } = pair;
  let way = none;
  for (let i = 0; i < distances.length; i++) {
    if (decided >= 0 && decided !== i) continue;
    if (slack(domains, pair, distances[i] as DistanceRange) < 0) continue;
    if (way !== none) return several;
    way = i;
  }
  return way;
}

/** The pair with the least freedom among those that the lower bounds violate; `none` where none is. */
function mostConstrained(problem: Problem, domains: Domains): number {
  const { low } = domains;
  let found = none;
  let least = Infinity;
  problem.visits += problem.pairs.length;
  problem.pairs.forEach((pair, number) => {
    const distance = at(low, pair.b) - at(low, pair.a);
    let isMet = false;
    let freedom = -Infinity;
    for (const range of pair.distances) {
      isMet ||= distance >= range.from && distance <= range.to;
      freedom = Math.max(freedom, slack(domains, pair, range));
    }
    if (!isMet && freedom < least) [found, least] = [number, freedom];
  });
  return found;
}

function at(array: Float64Array | Int8Array, index: number): number {
  return array[index] as number;
}

/** How far bounds may tighten before the pair has no distance in `range`; negative: it has none. */
function slack({ low, high }: Domains, { a, b }: Pair, { from, to }: DistanceRange): number {
  return Math.min(at(high, b) - at(low, a) - from, to - at(low, b) + at(high, a));
}
