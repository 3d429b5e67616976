/**
 * The nonzero weights of a layer as the stream of
 * the helper dsp/multiply_sparse: for each output channel the weights and the
 * distances between their taps, in runs that fit the kernel's unrolled loop.
 */
import { word } from '../dsp/words.js';

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
  /** In the order of the columns. */
  readonly weights: Int8Array;
  /** Of `weights` (entriesOf). */
  readonly entries: readonly number[];
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
 * The entries of a filter, neighbouring weights that are not all zero: the position of the first weight of
 * each. Those of pairs, which begin anywhere, are as few as possible.
 */
export function entriesOf(weights: Int8Array, { entry }: StreamLoop): readonly number[] {
  const taps = entryTaps[entry];
  const entries: number[] = [];
  for (let i = 0; i < weights.length; ) {
    if (weights[i] === 0) {
      i += 1;
      continue;
    }
    const tap = entry === 'pairs' ? Math.min(i, weights.length - taps) : i - (i % taps);
    entries.push(tap);
    i = tap + taps;
  }
  return entries;
}

/** Words of an entry. */
const entryLength: Readonly<Record<EntryKind, number>> = { weight: 1, bytes: 2, pairs: 3 };

/** int32[]: channel after channel. */
export function streamOf(channels: readonly Channel[], loop: StreamLoop): Int32Array {
  const lengths = channels.map((channel) => channelLength(channel, loop));
  const words = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let end = 0;
  channels.forEach((channel, i) => {
    const begin = end;
    end += lengths[i] as number;
    writeChannel(words.subarray(begin, end), channel, loop);
  });
  return words;
}

/** Runs behind the first entry. */
function runsOf(entries: number, loop: StreamLoop): number {
  return Math.ceil((storedEntries(entries, loop) - 1) / (unrolled * loop.stepEntries));
}

function channelLength({ entries, constants }: Channel, loop: StreamLoop): number {
  const links = 2 * Math.max(0, runsOf(entries.length, loop) - 1);
  const stored = storedEntries(entries.length, loop) * entryLength[loop.entry];
  return stored + 2 + links + 1 + constants.length;
}

/** The first entry, the start, the first jump; runs, a jump before each further one; 0, the constants. */
function writeChannel(words: Int32Array, channel: Channel, loop: StreamLoop): void {
  const { weights, entries, start, constants } = channel;
  const { stepEntries, stepBytes } = loop;
  const length = entryLength[loop.entry];
  const stored = storedEntries(entries.length, loop);
  const perRun = unrolled * stepEntries;
  const stepsFrom = (first: number) => Math.min(perRun, stored - first) / stepEntries;
  let at = 0;
  for (let i = 0; i < stored; i += 1) {
    if (i === 1) {
      words[at] = start;
      words[at + 1] = (unrolled - stepsFrom(1)) * stepBytes;
      at += 2;
    } else if (i > 1 && (i - 1) % perRun === 0) {
      words[at] = -(linkBytes + stepsFrom(i) * stepBytes);
      at += 2;
    }
    // Remaining places hold zero weights for the previous tap, or for the first one.
    if (i < entries.length) writeEntry(words, at, weights, entries, i, loop);
    at += length;
  }
  if (stored === 1) {
    words[at] = start;
    words[at + 1] = unrolled * stepBytes;
    at += 2;
  }
  words.set(constants, at + 1);
}

/** @param i the entry's index in `entries` */
function writeEntry(
  words: Int32Array,
  at: number,
  weights: Int8Array,
  entries: readonly number[],
  i: number,
  { tapBytes, entry }: StreamLoop,
): void {
  const tap = entries[i] as number;
  const previous = i === 0 ? 0 : (entries[i - 1] as number);
  if (entry === 'weight') {
    words[at] = word((weights[tap] as number) * scale, (tap - previous) * tapBytes);
    return;
  }
  // The previous entry has the weights before its end.
  const end = i === 0 ? 0 : previous + entryTaps[entry];
  const own = (k: number) => (tap + k < end ? 0 : (weights[tap + k] ?? 0));
  if (entry === 'pairs') {
    words[at] = word(own(0) * scale, own(2) * scale);
    words[at + 1] = word(own(1) * scale, own(3) * scale);
    words[at + 2] = tap * tapBytes;
  } else {
    words[at] = (own(0) & 255) | ((own(1) & 255) << 8) | ((own(2) & 255) << 16) | (own(3) << 24);
    words[at + 1] = (tap - previous) * tapBytes;
  }
}
