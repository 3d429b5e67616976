/**
 * The nonzero weights of a convolution, for kernels whose pixels share words: two bytes each, two
 * weights in a word, cut into runs whose sums fit the lanes.
 */
import type { Range } from '../../ops/arithmetic/bounds.js';

/** Two weights, and the number of taps skipped before each; see multiply_sparse_pixels.hbs. */
interface Pair extends Bounds {
  readonly word: number;
}

/** Of the sum of a pair's products in a lane. */
interface Bounds {
  readonly min: number;
  readonly max: number;
}

export interface Entry {
  /** Taps from the previous pair to this one. */
  readonly gap: number;
  readonly weight: number;
  readonly input: Range;
}

export interface SparseStream {
  /** int32[]: for each channel the number of its runs, then their words. */
  readonly data: Int32Array;
  /** Pairs of all channels. */
  readonly pairs: number;
  readonly runs: number;
}

/** For the two places in a word, the largest distance that can be stored. */
const mostSkipped = [255, 127] as const;
/** Flag: another word of the run follows. */
const followed = 2 ** 23;
/** Taps after the last one that a zero weight reads to fill the last word. */
export const spareTaps = 1;

/**
 * @param channels weights of each, one per tap
 * @param inputs bounds of each tap's value
 * @param unit bytes of a tap in scratch, in eighths
 * @param limit lanes hold −limit … limit − 1: at least two products
 */
export function sparsePixelStream(
  channels: readonly ArrayLike<number>[],
  inputs: readonly Range[],
  unit: number,
  limit: number,
): SparseStream {
  const words: number[] = [];
  let [pairs, runs] = [0, 0];
  for (const weights of channels) {
    const channel = cut(pairsOf(weights, inputs, unit), limit);
    words.push(channel.length);
    for (const run of channel) {
      words.push(...run.map(({ word }, i) => (i + 1 < run.length ? word | followed : word)));
      pairs += run.length;
    }
    runs += channel.length;
  }
  return { data: Int32Array.from(words), pairs, runs };
}

function pairsOf(
  weights: ArrayLike<number>,
  inputs: readonly Range[],
  unit: number,
): readonly Pair[] {
  const reach = (entry: number) => Math.floor((mostSkipped[entry % 2] as number) / unit);
  return inPairs(entriesOf(weights, inputs, reach)).map(([a, b]) => pairOf(a, b, unit));
}

/** Entries two at a time, at least one pair; a zero weight fills the last one. */
export function inPairs(entries: readonly Entry[]): readonly (readonly [Entry, Entry])[] {
  const count = Math.max(1, Math.ceil(entries.length / 2));
  return Array.from({ length: count }, (_, i) => [
    entries[2 * i] ?? noEntry,
    entries[2 * i + 1] ?? noEntry,
  ]);
}

export const noEntry: Entry = { gap: 0, weight: 0, input: [0, 0] };

/**
 * The nonzero weights of a channel, with zero weights where a distance is too large.
 *
 * @param reachOf the largest distance that an entry can store, by its position
 */
export function entriesOf(
  weights: ArrayLike<number>,
  inputs: readonly Range[],
  reachOf: (entry: number) => number,
): readonly Entry[] {
  const entries: Entry[] = [];
  let next = 0;
  const reach = () => reachOf(entries.length);
  for (let tap = 0; tap < weights.length; tap += 1) {
    const weight = weights[tap] as number;
    if (weight === 0) continue;
    for (let most = reach(); tap - next > most; most = reach()) {
      entries.push({ gap: most, weight: 0, input: [0, 0] });
      next += most + 1;
    }
    entries.push({ gap: tap - next, weight, input: inputs[tap] as Range });
    next = tap + 1;
  }
  return entries;
}

function pairOf(a: Entry, b: Entry, unit: number): Pair {
  const low = (a.weight & 255) | ((a.gap * unit) << 8);
  return { word: low | ((b.gap * unit) << 16) | (b.weight << 24), ...boundsOf(a, b) };
}

/** Bounds of the sum of two products. */
export function boundsOf(a: Entry, b: Entry): Bounds {
  const ends = [a, b].map(({ weight, input }) => input.map((value) => weight * value));
  const sum = (of: (...values: number[]) => number) =>
    ends.reduce((all, values) => all + of(...values), 0);
  return { min: sum(Math.min), max: sum(Math.max) };
}

/** Runs as long as their sums fit. */
export function cut<P extends Bounds>(
  pairs: readonly P[],
  limit: number,
): readonly (readonly P[])[] {
  const runs: P[][] = [];
  let [min, max] = [0, 0];
  for (const pair of pairs) {
    const run = runs.at(-1);
    [min, max] = [min + pair.min, max + pair.max];
    if (run !== undefined && min >= -limit && max < limit) {
      run.push(pair);
    } else {
      runs.push([pair]);
      [min, max] = [pair.min, pair.max];
    }
  }
  return runs;
}
