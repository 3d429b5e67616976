/**
 * The weights of a layer that are not 0, as templates/kernels/dsp/support/multiply_sparse.hbs streams
 * through them: of each output channel the weights with the distances between their taps, in runs
 * that the kernel's unrolled loop takes at one go.
 */
import { word } from '../dsp/words.js';

/** Neighbouring weights that are not all 0. */
export interface Entry {
  /** Position of the first one in the filter. */
  readonly tap: number;
  readonly weights: readonly number[];
}

/**
 * What an entry has in the stream: a weight and the distance from the tap before in one word; four
 * weights as bytes, and the distance; or four as int16, 0 and 2, then 1 and 3, as SXTB16 widens the
 * input, and the place of the first.
 */
type EntryForm = 'weight' | 'bytes' | 'pairs';

/** Weights of an entry. */
const entryTaps: Readonly<Record<EntryForm, 1 | 4>> = { weight: 1, bytes: 4, pairs: 4 };

/** What a kernel's loop is made of. */
export interface StreamForm {
  /** Distance of the columns of two neighbouring taps. */
  readonly tapBytes: number;
  readonly entry: EntryForm;
  /** Entries of one step of the loop. */
  readonly stepEntries: number;
  /** Machine code of one step. */
  readonly stepBytes: number;
}

/** Steps of the unrolled loop. */
const unrolled = 8;
/** Machine code behind the last step up to where a jump of 0 leads: a load, a jump, a NOP. */
const linkBytes = 8;
/** Weights are scaled to what finish.ts wants of accumulators. */
const scale = 256;

export interface Channel {
  readonly entries: readonly Entry[];
  /** What the sums begin with. */
  readonly start: number;
  /** What it takes to finish them: the words behind the last jump. */
  readonly constants: readonly number[];
}

/** Entries of a channel as they are stored: the first one and whole steps. */
export function storedEntries(entries: number, { stepEntries }: StreamForm): number {
  return 1 + Math.ceil(Math.max(0, entries - 1) / stepEntries) * stepEntries;
}

/**
 * Whether the distances fit: into 16 bits beside a weight, into 31 beside a block. Pairs need a filter
 * of four taps to lie in.
 */
export function isWithinReach(taps: number, { tapBytes, entry }: StreamForm): boolean {
  if (entry === 'pairs' && taps < entryTaps[entry]) return false;
  return (taps - 1) * tapBytes < 2 ** (entry === 'weight' ? 16 : 31);
}

/** The entries of a filter that are not all 0; of pairs, which begin anywhere, as few as there can be. */
export function entriesOf(weights: readonly number[], { entry }: StreamForm): Entry[] {
  const taps = entryTaps[entry];
  const entries: Entry[] = [];
  for (let i = 0; i < weights.length; ) {
    if (weights[i] === 0) {
      i += 1;
      continue;
    }
    const tap = entry === 'pairs' ? Math.min(i, weights.length - taps) : i - (i % taps);
    // The entry before has what lies before i.
    const own = (_: number, k: number) => (tap + k < i ? 0 : (weights[tap + k] ?? 0));
    entries.push({ tap, weights: Array.from({ length: taps }, own) });
    i = tap + taps;
  }
  return entries;
}

/** int32[]: channel after channel. */
export function streamOf(channels: readonly Channel[], form: StreamForm): Int32Array {
  return Int32Array.from(channels.flatMap((channel) => channelWords(channel, form)));
}

function channelWords({ entries, start, constants }: Channel, form: StreamForm): number[] {
  const { tapBytes, entry, stepEntries, stepBytes } = form;
  const coded = entries.map(({ tap, weights }, i) => {
    const from = entry === 'pairs' ? 0 : (entries[i - 1]?.tap ?? 0);
    return entryWords(weights, (tap - from) * tapBytes, entry);
  });
  // Places that are left over hold weights of 0 for the tap before, or for the first one.
  const none = entryWords(new Array<number>(entryTaps[entry]).fill(0), 0, entry);
  while (coded.length < storedEntries(entries.length, form)) coded.push(none);
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

function entryWords(weights: readonly number[], away: number, entry: EntryForm): readonly number[] {
  const [a = 0, b = 0, c = 0, d = 0] = weights;
  if (entry === 'weight') return [word(a * scale, away)];
  if (entry === 'pairs') return [word(a * scale, c * scale), word(b * scale, d * scale), away];
  return [(a & 255) | ((b & 255) << 8) | ((c & 255) << 16) | (d << 24), away];
}
