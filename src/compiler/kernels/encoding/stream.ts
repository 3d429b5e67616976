/**
 * The nonzero weights of a layer as the stream of
 * the helper dsp/multiply_sparse: for each output channel the weights and the
 * distances between their taps, in runs that fit the kernel's unrolled loop.
 */
import { word } from '../dsp/words.js';

/** Neighbouring weights that are not all zero. */
export interface Entry {
  /** Position of the first weight in the filter. */
  readonly tap: number;
  readonly weights: readonly number[];
}

/**
 * The kind of an entry in the stream. weight: a weight and the distance from the previous tap in
 * one word; bytes: four weights as bytes, and the distance; pairs: four weights as int16, 0 and 2,
 * then 1 and 3, as SXTB16 widens the input, and the position of the first.
 */
type EntryKind = 'weight' | 'bytes' | 'pairs';

/** Weights per entry. */
const entryTaps: Readonly<Record<EntryKind, 1 | 4>> = { weight: 1, bytes: 4, pairs: 4 };

/** Properties of a kernel's loop. */
export interface StreamLoop {
  /** Distance in bytes between the columns of neighbouring taps. */
  readonly tapBytes: number;
  readonly entry: EntryKind;
  /** Entries per step of the loop. */
  readonly stepEntries: number;
  /** Machine code of one step. */
  readonly stepBytes: number;
}

/** Steps of the unrolled loop. */
const unrolled = 8;
/** Machine code from the last step to the target of a jump of 0: a load, a jump, a NOP. */
const linkBytes = 8;
/** Weights are scaled as finish.ts expects of accumulators. */
const scale = 256;

export interface Channel {
  readonly entries: readonly Entry[];
  /** Initial value of the sums. */
  readonly start: number;
  /** Constants of the output stage: the words after the last jump. */
  readonly constants: readonly number[];
}

/** Stored entries of a channel: the first one, and whole steps. */
export function storedEntries(entries: number, { stepEntries }: StreamLoop): number {
  return 1 + Math.ceil(Math.max(0, entries - 1) / stepEntries) * stepEntries;
}

/**
 * Whether the distances fit: 16 bits beside a weight, 31 beside a block. Pairs need a filter of at
 * least four taps.
 */
export function isWithinReach(taps: number, { tapBytes, entry }: StreamLoop): boolean {
  if (entry === 'pairs' && taps < entryTaps[entry]) return false;
  return (taps - 1) * tapBytes < 2 ** (entry === 'weight' ? 16 : 31);
}

/**
 * The entries of a filter that are not all zero; for pairs, which begin anywhere, as few as
 * possible.
 */
export function entriesOf(weights: readonly number[], { entry }: StreamLoop): Entry[] {
  const taps = entryTaps[entry];
  const entries: Entry[] = [];
  for (let i = 0; i < weights.length; ) {
    if (weights[i] === 0) {
      i += 1;
      continue;
    }
    const tap = entry === 'pairs' ? Math.min(i, weights.length - taps) : i - (i % taps);
    // The previous entry holds the weights before i.
    const own = (_: number, k: number) => (tap + k < i ? 0 : (weights[tap + k] ?? 0));
    entries.push({ tap, weights: Array.from({ length: taps }, own) });
    i = tap + taps;
  }
  return entries;
}

/** int32[]: channel after channel. */
export function streamOf(channels: readonly Channel[], loop: StreamLoop): Int32Array {
  return Int32Array.from(channels.flatMap((channel) => channelWords(channel, loop)));
}

function channelWords({ entries, start, constants }: Channel, loop: StreamLoop): number[] {
  const { tapBytes, entry, stepEntries, stepBytes } = loop;
  const coded = entries.map(({ tap, weights }, i) => {
    const from = entry === 'pairs' ? 0 : (entries[i - 1]?.tap ?? 0);
    return entryWords(weights, (tap - from) * tapBytes, entry);
  });
  // Remaining places hold zero weights for the previous tap, or for the first one.
  const none = entryWords(new Array<number>(entryTaps[entry]).fill(0), 0, entry);
  while (coded.length < storedEntries(entries.length, loop)) coded.push(none);
  const [first = none, ...others] = coded;
  const runs: (typeof coded)[] = [];
  for (let i = 0; i < others.length; i += unrolled * stepEntries) {
    runs.push(others.slice(i, i + unrolled * stepEntries));
  }
  const steps = (run: readonly unknown[]) => run.length / stepEntries;
  const skipped = (unrolled - steps(runs[0] ?? [])) * stepBytes;
  const linked = runs.flatMap((run, i) => {
    const next = runs[i + 1];
    return [...run.flat(), ...(next ? [-(linkBytes + steps(next) * stepBytes), 0] : [])];
  });
  return [...first, start, skipped, ...linked, 0, ...constants];
}

function entryWords(weights: readonly number[], away: number, entry: EntryKind): readonly number[] {
  const [a = 0, b = 0, c = 0, d = 0] = weights;
  if (entry === 'weight') return [word(a * scale, away)];
  if (entry === 'pairs') return [word(a * scale, c * scale), word(b * scale, d * scale), away];
  return [(a & 255) | ((b & 255) << 8) | ((c & 255) << 16) | (d << 24), away];
}
