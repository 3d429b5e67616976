/**
 * Offsets for buffers of known lifetimes (dynamic storage allocation). An output may share memory
 * with an input that dies while it is written.
 *
 * First fit in several orders; if that misses the proven lower bound, the constraint search of
 * search.ts. There is no clock and no randomness: the same buffers get the same offsets.
 */
import { type DistanceRange, type Pair, Patience, solve } from './search.js';

/** Kernels may load words from any tensor. */
export const arenaAlign = 4;

/** Time counts steps, from −1 (inputs are written) to the number of steps (outputs are read). */
export interface Buffer {
  /** A multiple of the arena's alignment, and so is every offset. */
  readonly bytes: number;
  /** First and last step during which it is live, inclusive. */
  readonly first: number;
  readonly last: number;
}

/**
 * Two buffers that share one step, the last of `input` and the first of `output`, may share memory
 * if `output` begins at least `lead` bytes before `input`; if `exact`, exactly `lead` bytes.
 */
export interface Relation {
  /** Indices of buffers. */
  readonly input: number;
  readonly output: number;
  /** A multiple of the arena's alignment; may be negative. */
  readonly lead: number;
  readonly exact: boolean;
}

export interface Packing {
  /** In the order of the buffers. */
  readonly offsets: readonly number[];
  /** End of the highest buffer. */
  readonly bytes: number;
  /** No packing needs less: proved by the live bytes of one step, or by a completed search. */
  readonly lowerBoundBytes: number;
}

export function aligned(bytes: number): number {
  return Math.ceil(bytes / arenaAlign) * arenaAlign;
}

/** The most bytes that `output` can share with `input` under their relation. */
export function sharedBytes(
  input: number,
  output: number,
  { lead, exact }: Pick<Relation, 'lead' | 'exact'>,
): number {
  // Nested buffers have a distance from 0 to output − input; the nearest to it shares most.
  const distance = exact ? lead : Math.max(lead, Math.min(0, output - input));
  return Math.max(0, Math.min(output, distance + input) - Math.max(0, distance));
}

/**
 * The most bytes that a step needs: all buffers that are live in it, less what its output can
 * share. No packing needs less.
 */
export function lowerBound(
  buffers: readonly Buffer[],
  relations: readonly Relation[] = [],
): number {
  const changes = buffers.flatMap(({ bytes, first, last }) => [
    { step: first, bytes },
    { step: last + 1, bytes: -bytes },
  ]);
  const shared = new Map<number, number>();
  for (const relation of relations) {
    const input = bytesOf(buffers, relation.input);
    const output = bytesOf(buffers, relation.output);
    const all = (shared.get(relation.output) ?? 0) + sharedBytes(input, output, relation);
    shared.set(relation.output, Math.min(output, all));
  }
  for (const [output, bytes] of shared) {
    const step = buffers[output]?.first ?? 0;
    changes.push({ step, bytes: -bytes }, { step: step + 1, bytes });
  }
  changes.sort((a, b) => a.step - b.step);
  let live = 0;
  let most = 0;
  changes.forEach((change, i) => {
    live += change.bytes;
    if (changes[i + 1]?.step !== change.step) most = Math.max(most, live);
  });
  return most;
}

/** Searches that may be given up before the best packing so far is taken. */
const attempts = 3;

/** Packs the buffers so that two that are live during one step overlap only as `relations` allow. */
export function pack(
  buffers: readonly Buffer[],
  relations: readonly Relation[] = [],
  patience: Patience = new Patience(),
): Packing {
  const sizes = buffers.map(({ bytes }) => bytes);
  const pairs = pairsOf(buffers, relations);
  let proven = lowerBound(buffers, relations);
  let offsets = firstFit(buffers, pairs, proven);
  let bytes = endOf(buffers, offsets);
  // The bound can nearly always be reached; otherwise the search bisects the interval.
  for (let low = proven, target = low, open = attempts; low < bytes && open > 0; ) {
    const solution = solve(sizes, pairs, target, patience);
    if (solution.offsets !== null) {
      offsets = solution.offsets;
      bytes = endOf(buffers, offsets);
    } else {
      low = target + arenaAlign;
      if (solution.isComplete) proven = low;
      else open--;
    }
    target = low + Math.floor((bytes - arenaAlign - low) / 2 / arenaAlign) * arenaAlign;
  }
  return { offsets, bytes, lowerBoundBytes: proven };
}

function endOf(buffers: readonly Buffer[], offsets: readonly number[]): number {
  return buffers.reduce((end, { bytes }, i) => Math.max(end, (offsets[i] ?? 0) + bytes), 0);
}

/** Buffers that share a step, with the distances at which both stay intact. */
function pairsOf(buffers: readonly Buffer[], relations: readonly Relation[]): readonly Pair[] {
  const related = new Map(relations.map((r) => [`${r.output} ${r.input}`, r]));
  const distances = (a: number, b: number): readonly DistanceRange[] => {
    const below = { from: -Infinity, to: -bytesOf(buffers, b) };
    const above = { from: bytesOf(buffers, a), to: Infinity };
    const relation = related.get(`${a} ${b}`);
    if (relation === undefined) return [below, above];
    const { lead, exact } = relation;
    if (!exact) return [below, { ...above, from: Math.min(lead, above.from) }];
    const isApart = lead <= below.to || lead >= above.from;
    return isApart ? [below, above] : [below, { from: lead, to: lead }, above];
  };
  const byStart = [...buffers.entries()].sort(([, a], [, b]) => a.first - b.first);
  const pairs: Pair[] = [];
  let live: typeof byStart = [];
  for (const [i, buffer] of byStart) {
    live = live.filter(([, { last }]) => last >= buffer.first);
    for (const [j] of live) {
      const [a, b] = related.has(`${i} ${j}`) ? [i, j] : [j, i];
      const ranges = distances(a, b);
      const isFree = ranges.every(
        ({ from }, next) => from - (ranges[next - 1]?.to ?? 0) <= arenaAlign,
      );
      if (!isFree) pairs.push({ a, b, distances: ranges });
    }
    live.push([i, buffer]);
  }
  return pairs;
}

function bytesOf(buffers: readonly Buffer[], index: number): number {
  return buffers[index]?.bytes ?? 0;
}

type Order = (a: Buffer, b: Buffer) => number;

const steps = (buffer: Buffer) => buffer.last - buffer.first + 1;

const orders: readonly Order[] = [
  (a, b) => b.bytes - a.bytes || a.first - b.first,
  (a, b) => a.first - b.first || b.bytes - a.bytes,
  (a, b) => steps(b) - steps(a) || b.bytes - a.bytes,
  (a, b) => b.bytes * steps(b) - a.bytes * steps(a) || a.first - b.first,
];

/**
 * First fit: places buffers one by one, each as low as possible, in several orders, and keeps the
 * best.
 */
function firstFit(
  buffers: readonly Buffer[],
  pairs: readonly Pair[],
  bound: number,
): readonly number[] {
  /** For each buffer, the other buffers of its pairs and the distances from them that are taken. */
  const taken: { other: number; from: number; to: number }[][] = buffers.map(() => []);
  for (const { a, b, distances } of pairs) {
    for (let i = 1; i < distances.length; i++) {
      const from = distances[i - 1]?.to ?? 0;
      const to = distances[i]?.from ?? 0;
      taken[b]?.push({ other: a, from, to });
      taken[a]?.push({ other: b, from: -to, to: -from });
    }
  }
  let best: readonly number[] = [];
  for (const order of orders) {
    const offsets = new Array<number>(buffers.length).fill(Number.NaN);
    const byOrder = [...buffers.entries()].sort(([, a], [, b]) => order(a, b));
    for (const [index] of byOrder) {
      const rivals = (taken[index] ?? [])
        .map(({ other, from, to }) => ({
          from: (offsets[other] ?? 0) + from,
          to: (offsets[other] ?? 0) + to,
        }))
        .filter(({ from }) => !Number.isNaN(from))
        .sort((x, y) => x.from - y.from);
      let offset = 0;
      for (const { from, to } of rivals) if (from < offset && offset < to) offset = to;
      offsets[index] = offset;
    }
    if (best.length === 0 || endOf(buffers, offsets) < endOf(buffers, best)) best = offsets;
    if (endOf(buffers, best) === bound) break;
  }
  return best;
}
