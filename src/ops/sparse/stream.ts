/**
 * The weights of a layer that are not 0, as templates/kernels/dsp/support/define_sparse.hbs streams
 * through them: of each output channel the weights with the distances between their taps, in runs
 * that the kernel's unrolled loop takes at one go.
 */

/** Neighbouring weights that are not all 0. */
export interface Entry {
  /** Position of the first one in the filter. */
  readonly tap: number;
  readonly weights: readonly number[];
}

/** What a kernel's loop is made of. */
export interface StreamForm {
  /** Distance of the columns of two neighbouring taps. */
  readonly tapBytes: number;
  /** Weights of an entry. */
  readonly blockTaps: 1 | 4;
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

/** Whether the distances fit: into 16 bits beside a weight, into 31 beside a block. */
export function isWithinReach(taps: number, { tapBytes, blockTaps }: StreamForm): boolean {
  return (taps - 1) * tapBytes < 2 ** (blockTaps === 1 ? 16 : 31);
}

/** The entries of a filter that are not all 0. */
export function entriesOf(weights: readonly number[], { blockTaps }: StreamForm): Entry[] {
  const entries: Entry[] = [];
  for (let tap = 0; tap < weights.length; tap += blockTaps) {
    const block = weights.slice(tap, tap + blockTaps);
    if (block.some((weight) => weight !== 0)) entries.push({ tap, weights: block });
  }
  return entries;
}

/** int32[]: channel after channel. */
export function streamOf(channels: readonly Channel[], form: StreamForm): Int32Array {
  return Int32Array.from(channels.flatMap((channel) => channelWords(channel, form)));
}

function channelWords({ entries, start, constants }: Channel, form: StreamForm): number[] {
  const { tapBytes, blockTaps, stepEntries, stepBytes } = form;
  let at = 0;
  const coded = entries.map(({ tap, weights }) => {
    const distance = (tap - at) * tapBytes;
    at = tap;
    return entryWords(weights, distance);
  });
  // Places that are left over hold weights of 0 for the tap before.
  const none = entryWords(new Array<number>(blockTaps).fill(0), 0);
  while (coded.length < storedEntries(entries.length, form)) coded.push(none);
  const [first = none, ...others] = coded;
  const runs: (typeof coded)[] = [];
  for (let i = 0; i < others.length; i += unrolled * stepEntries) {
    runs.push(others.slice(i, i + unrolled * stepEntries));
  }
  const steps = (run: readonly unknown[]) => run.length / stepEntries;
  const entry = (unrolled - steps(runs[0] ?? [])) * stepBytes;
  const linked = runs.flatMap((run, i) => {
    const next = runs[i + 1];
    return [...run.flat(), ...(next ? [-(linkBytes + steps(next) * stepBytes), 0] : [])];
  });
  return [...first, start, entry, ...linked, 0, ...constants];
}

function entryWords(weights: readonly number[], distance: number): readonly number[] {
  const [a = 0, b = 0, c = 0, d = 0] = weights;
  if (weights.length === 1) return [(distance << 16) | ((a * scale) & 0xffff)];
  return [(a & 255) | ((b & 255) << 8) | ((c & 255) << 16) | (d << 24), distance];
}
