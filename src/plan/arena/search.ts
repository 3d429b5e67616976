/**
 * Whether buffers fit into a capacity: a search over the distances between the two of each pair.
 *
 * Every buffer has bounds of its offset. A decision for a pair tightens them. Bounds may leave a
 * pair one range, which is then taken at once, or none: a dead end. The lower bounds are an answer
 * as soon as they satisfy every pair, so the search branches only on pairs that they violate
 * (disjunctive scheduling, with bytes for time).
 */

/** Allowed distances, both ends included. */
export interface Range {
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
  readonly distances: readonly Range[];
}

export interface Solution {
  /** null if none was found. */
  readonly offsets: readonly number[] | null;
  /** False if the search was given up, so offsets may exist. */
  readonly isComplete: boolean;
}

/** Pair visits after which a search is given up: about 50 ms. */
const patience = 1_000_000;

interface State {
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
): Solution {
  const pairsOf: number[][] = sizes.map(() => []);
  pairs.forEach(({ a, b }, number) => {
    pairsOf[a]?.push(number);
    pairsOf[b]?.push(number);
  });
  let looks = 0;

  /** Tightens bounds until nothing changes; false at a dead end. */
  const propagate = (state: State, changed: number[]): boolean => {
    const { low, high, choice } = state;
    const tighten = (buffer: number, least: number, most: number) => {
      if (least <= at(low, buffer) && most >= at(high, buffer)) return;
      low[buffer] = Math.max(least, at(low, buffer));
      high[buffer] = Math.min(most, at(high, buffer));
      changed.push(buffer);
    };
    for (let next = changed.pop(); next !== undefined; next = changed.pop()) {
      for (const number of pairsOf[next] ?? []) {
        if (++looks > patience) return false;
        const pair = pairs[number] as Pair;
        const { a, b, distances } = pair;
        const decided = at(choice, number);
        let open = 0;
        let way = -1;
        for (let i = 0; i < distances.length; i++) {
          if (decided >= 0 && decided !== i) continue;
          if (slack(state, pair, distances[i] as Range) < 0) continue;
          way = i;
          open++;
        }
        const range = distances[way];
        if (range === undefined) return false;
        if (open > 1) continue;
        choice[number] = way;
        tighten(b, at(low, a) + range.from, at(high, a) + range.to);
        tighten(a, at(low, b) - range.to, at(high, b) - range.from);
      }
    }
    return true;
  };

  const visit = (state: State): readonly number[] | null => {
    const number = mostConstrained(state);
    const pair = pairs[number];
    if (pair === undefined) return [...state.low];
    const ways = pair.distances
      .map((range, way) => ({ way, slack: slack(state, pair, range) }))
      .filter(({ slack }) => slack >= 0)
      .sort((x, y) => y.slack - x.slack);
    for (const { way } of ways) {
      const { low, high, choice } = state;
      const next = { low: low.slice(), high: high.slice(), choice: choice.slice() };
      next.choice[number] = way;
      const offsets = propagate(next, [pair.a]) ? visit(next) : null;
      if (offsets !== null || looks > patience) return offsets;
    }
    return null;
  };

  /** The pair with the least freedom among those that the lower bounds violate; −1: none is. */
  const mostConstrained = (state: State): number => {
    let found = -1;
    let least = Infinity;
    looks += pairs.length;
    pairs.forEach((pair, number) => {
      const distance = at(state.low, pair.b) - at(state.low, pair.a);
      let isMet = false;
      let freedom = -Infinity;
      for (const range of pair.distances) {
        isMet ||= distance >= range.from && distance <= range.to;
        freedom = Math.max(freedom, slack(state, pair, range));
      }
      if (!isMet && freedom < least) [found, least] = [number, freedom];
    });
    return found;
  };

  const state = {
    low: new Float64Array(sizes.length),
    high: Float64Array.from(sizes, (bytes) => capacity - bytes),
    choice: new Int8Array(pairs.length).fill(-1),
  };
  const isPossible = state.high.every((offset) => offset >= 0);
  const offsets = isPossible && propagate(state, [...sizes.keys()]) ? visit(state) : null;
  return { offsets, isComplete: looks <= patience };
}

function at(array: Float64Array | Int8Array, index: number): number {
  return array[index] as number;
}

/** How far bounds may tighten before the pair has no distance in `range`; negative: it has none. */
function slack({ low, high }: State, { a, b }: Pair, { from, to }: Range): number {
  return Math.min(at(high, b) - at(low, a) - from, to - at(low, b) + at(high, a));
}
