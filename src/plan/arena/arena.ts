/**
 * Offsets for buffers of known lifetimes (dynamic storage allocation), where an output may share
 * memory with an input that dies while it is written.
 *
 * First fit in several orders of placing; where that misses the proven lower bound, the constraint
 * search of search.ts. No clock and no chance: the same buffers get the same offsets.
 */
import { type Pair, type Range, solve } from './search.js';

/** Kernels may load words from any tensor. */
export const arenaAlign = 4;

/** Time runs in steps, from −1 (inputs are written) to the number of steps (outputs are read). */
export interface Buffer {
  /** A multiple of the arena's alignment, so every offset is one. */
  readonly bytes: number;
  /** First and last step during which it is live, inclusive. */
  readonly first: number;
  readonly last: number;
}

/**
 * Two buffers with one step in common, the last of `input` and the first of `output`, may share
 * memory if `output` begins `lead` bytes or more before `input`; if `exact`, just `lead` bytes.
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
  /** The end of the highest buffer. */
  readonly bytes: number;
  /** No packing needs less: proved by what is live in one step, or by a search that ended. */
  readonly lowerBoundBytes: number;
}

export function aligned(bytes: number): number {
  return Math.ceil(bytes / arenaAlign) * arenaAlign;
}

/** Most bytes that `output` can have in common with `input` under a relation of the two. */
export function sharedBytes(
  input: number,
  output: number,
  { lead, exact }: Pick<Relation, 'lead' | 'exact'>,
): number {
  // One within the other needs a distance of 0 to output − input; that nearest to it shares most.
  const distance = exact ? lead : Math.max(lead, Math.min(0, output - input));
  return Math.max(0, Math.min(output, distance + input) - Math.max(0, distance));
}

/**
 * The most bytes that one step needs: those of all buffers that are live during it, less what its
 * output can share. No packing can need less.
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

/** Searches given up before the best so far is taken as it is. */
const attempts = 3;

/** Packs the buffers so that two that are live during one step overlap only as `relations` allow. */
export function pack(buffers: readonly Buffer[], relations: readonly Relation[] = []): Packing {
  const sizes = buffers.map(({ bytes }) => bytes);
  const pairs = pairsOf(buffers, relations);
  let proven = lowerBound(buffers, relations);
  let offsets = firstFit(buffers, pairs, proven);
  let bytes = endOf(buffers, offsets);
  // Nearly always the bound can be reached; if not, the search halves what lies between.
  for (let low = proven, target = low, open = attempts; low < bytes && open > 0; ) {
    const solution = solve(sizes, pairs, target);
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

/** Those that share a step, with the distances at which both stay intact. */
function pairsOf(buffers: readonly Buffer[], relations: readonly Relation[]): readonly Pair[] {
  const related = new Map(relations.map((r) => [`${r.output} ${r.input}`, r]));
  const distances = (a: number, b: number): readonly Range[] => {
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
        ({ from }, next) => next === 0 || from - (ranges[next - 1]?.to ?? 0) <= arenaAlign,
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

/** The best of placing one buffer after the other, each as low as it can lie, in several orders. */
function firstFit(
  buffers: readonly Buffer[],
  pairs: readonly Pair[],
  bound: number,
): readonly number[] {
  /** For each buffer, the others of its pairs and which distances from them are taken. */
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
    const byOrder = [...buffers.entries()].sort(([i, a], [j, b]) => order(a, b) || i - j);
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
