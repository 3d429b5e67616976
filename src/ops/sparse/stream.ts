/**
 * The weights of a layer that are not 0, as templates/kernels/dsp/support/define_sparse.hbs streams
 * through them: of each output channel the weights with the distances between their taps, in runs
 * that the kernel's unrolled loop takes at one go.
 */

/** A weight that is not 0. */
export interface Entry {
  /** Position in the filter. */
  readonly tap: number;
  readonly weight: number;
}

/** What a kernel's loop is made of. */
export interface StreamForm {
  /** Distance of the columns of two neighbouring taps. */
  readonly tapBytes: number;
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

/** Whether the distances fit into 16 bits. */
export function isWithinReach(taps: number, { tapBytes }: StreamForm): boolean {
  return (taps - 1) * tapBytes < 2 ** 16;
}

/** int32[]: channel after channel. */
export function streamOf(channels: readonly Channel[], form: StreamForm): Int32Array {
  return Int32Array.from(channels.flatMap((channel) => channelWords(channel, form)));
}

function channelWords({ entries, start, constants }: Channel, form: StreamForm): number[] {
  const { tapBytes, stepEntries, stepBytes } = form;
  let at = 0;
  const words = entries.map(({ tap, weight }) => {
    const distance = (tap - at) * tapBytes;
    at = tap;
    return (distance << 16) | ((weight * scale) & 0xffff);
  });
  // Places that are left over hold a weight of 0 for the tap before.
  while (words.length < storedEntries(entries.length, form)) words.push(0);
  const [first = 0, ...others] = words;
  const runs: number[][] = [];
  for (let i = 0; i < others.length; i += unrolled * stepEntries) {
    runs.push(others.slice(i, i + unrolled * stepEntries));
  }
  const steps = (run: readonly number[]) => run.length / stepEntries;
  const entry = (unrolled - steps(runs[0] ?? [])) * stepBytes;
  const linked = runs.flatMap((run, i) => {
    const next = runs[i + 1];
    return next === undefined ? run : [...run, -(linkBytes + steps(next) * stepBytes), 0];
  });
  return [first, start, entry, ...linked, 0, ...constants];
}
