/**
 * Dot products without spills, for cores with a 32-bit multiply and no SIMD: weights of several
 * output channels share a word, and one multiplication by an input value serves all of them.
 *
 * All arithmetic is modulo 2^32, so a word may hold any sum of weights times powers of two. Only
 * the whole sum of a run of taps must fit its lane, which is proved from the weights and the bounds
 * of the input. Two formats:
 *
 *     pairs:   a + 2^16 b                     two channels of 16 bits
 *     triples: a + 2^21 b and c + 2^11 b      three channels in two words: a and b of 21 bits,
 *                                             c of 22 (the second word has the rest of b's bits)
 *
 * A unit has five or six words per tap, as many accumulators as there are high registers. If a lane
 * cannot hold the sum over all taps, a unit has several runs, whose lanes are separated one by one.
 */
import type { Range } from '../../ops/arithmetic/bounds.js';

export type LaneFormat = 'pairs' | 'triples';

/** Weights of one output channel, one per tap, and the initial value of its sum (int32). */
export interface LaneChannel {
  readonly weights: ArrayLike<number>;
  readonly start: number;
}

/** Weights as the kernel reads them: the helper swar/multiply. */
export interface LaneTable {
  readonly format: LaneFormat;
  /** Units of six words; units of five words follow. */
  readonly wide: number;
  readonly narrow: number;
  readonly data: Int32Array;
  /** Words per tap, over all units. */
  readonly words: number;
  /** Runs of all units. */
  readonly runs: number;
}

/** A channel's lane in a unit: the factor of its weights in each word, and its limit. */
interface Lane {
  readonly words: readonly (readonly [word: number, factor: number])[];
  /** Width, sign included. */
  readonly bits: number;
}

const pair = (word: number): readonly Lane[] => [
  { words: [[word, 1]], bits: 16 },
  { words: [[word, 2 ** 16]], bits: 16 },
];
const triple = (word: number): readonly Lane[] => [
  { words: [[word, 1]], bits: 21 },
  {
    words: [
      [word, 2 ** 21],
      [word + 1, 2 ** 11],
    ],
    bits: 21,
  },
  { words: [[word + 1, 1]], bits: 22 },
];
const single = (word: number): readonly Lane[] => [{ words: [[word, 1]], bits: 32 }];

const lanesOf = {
  pairs: {
    wide: [0, 1, 2, 3, 4, 5].flatMap(pair),
    narrow: [0, 1, 2, 3, 4].flatMap(pair),
  },
  triples: {
    wide: [0, 2, 4].flatMap(triple),
    narrow: [...[0, 2].flatMap(triple), ...single(4)],
  },
} satisfies Record<LaneFormat, Record<Width, readonly Lane[]>>;

type Width = 'wide' | 'narrow';

/** Words per tap, bytes of code per tap, and approximate cycles per tap. */
const widths = {
  wide: { words: 6, tapBytes: 32, tapCycles: 23.6 },
  narrow: { words: 5, tapBytes: 28, tapCycles: 20.6 },
} as const;
/** Taps of the unrolled loop. */
const unrolled = 7;
/** Approximate cycles of a word, and of a run without its words. */
const wordCycles = 4;
const runCycles = 150;
const maxTaps = 2 ** 22 - 1;

export function channelsPerUnit(format: LaneFormat): Readonly<Record<Width, number>> {
  const { wide, narrow } = lanesOf[format];
  return { wide: wide.length, narrow: narrow.length };
}

/**
 * The channels' weights in the format with the fewest cycles; null if a single product does not fit
 * a lane, or if there are too many taps.
 *
 * @param inputs bounds of the value of each tap
 */
export function laneTable(
  channels: readonly LaneChannel[],
  inputs: readonly Range[],
): LaneTable | null {
  if (inputs.length > maxTaps) return null;
  const tables = (['pairs', 'triples'] as const).flatMap((format) => {
    const table = tableIn(format, channels, inputs);
    return table === null ? [] : [table];
  });
  const [first, second] = tables.sort((a, b) => cyclesOf(a) - cyclesOf(b));
  return first ?? second ?? null;
}

/** Approximate cycles per row of the input, for the choice only. */
function cyclesOf({ data, runs }: LaneTable): number {
  return wordCycles * data.length + runCycles * runs;
}

interface Unit {
  readonly width: Width;
  readonly lanes: readonly Lane[];
  /** The last unit may have fewer channels than lanes. */
  readonly channels: readonly LaneChannel[];
}

function tableIn(
  format: LaneFormat,
  channels: readonly LaneChannel[],
  inputs: readonly Range[],
): LaneTable | null {
  const units = unitsOf(format, channels);
  const data: number[] = [];
  let runs = 0;
  for (const unit of units) {
    const cuts = cutRuns(unit, inputs);
    if (cuts === null) return null;
    runs += cuts.length;
    cuts.forEach((begin, run) => {
      const end = cuts[run + 1] ?? inputs.length;
      data.push(headOf(unit.width, end - begin, run > 0, run + 1 < cuts.length));
      for (let tap = begin; tap < end; tap += 1) data.push(...wordsOf(unit, tap));
      if (run === 0) data.push(...unit.lanes.map((_, i) => unit.channels[i]?.start ?? 0));
    });
  }
  const count = (width: Width) => units.filter((unit) => unit.width === width).length;
  return {
    format,
    wide: count('wide'),
    narrow: count('narrow'),
    data: Int32Array.from(data, (word) => word | 0),
    words: units.reduce((sum, { width }) => sum + widths[width].words, 0),
    runs,
  };
}

/** The cheapest mix of wide and narrow units, wide ones first. */
function unitsOf(format: LaneFormat, channels: readonly LaneChannel[]): readonly Unit[] {
  const { wide, narrow } = lanesOf[format];
  let best = { wide: 0, narrow: 0, cycles: Infinity };
  for (let n = Math.ceil(channels.length / wide.length); n >= 0; n -= 1) {
    const left = Math.max(0, channels.length - n * wide.length);
    const others = Math.ceil(left / narrow.length);
    const cycles = n * widths.wide.tapCycles + others * widths.narrow.tapCycles;
    if (cycles < best.cycles) best = { wide: n, narrow: others, cycles };
  }
  let first = 0;
  return Array.from({ length: best.wide + best.narrow }, (_, i) => {
    const width: Width = i < best.wide ? 'wide' : 'narrow';
    const lanes = lanesOf[format][width];
    const unit = { width, lanes, channels: channels.slice(first, first + lanes.length) };
    first += lanes.length;
    return unit;
  });
}

/**
 * The first tap of each run, with as few runs as possible; null if a lane cannot hold one product.
 */
function cutRuns({ lanes, channels }: Unit, inputs: readonly Range[]): readonly number[] | null {
  const cuts = [0];
  let sums = channels.map(() => ({ min: 0, max: 0 }));
  for (let tap = 0; tap < inputs.length; tap += 1) {
    const [low, high] = inputs[tap] as Range;
    const products = channels.map(({ weights }) => {
      const weight = weights[tap] as number;
      return { min: weight * (weight > 0 ? low : high), max: weight * (weight > 0 ? high : low) };
    });
    const grown = sums.map(({ min, max }, i) => ({
      min: min + (products[i]?.min ?? 0),
      max: max + (products[i]?.max ?? 0),
    }));
    if (fit(grown, lanes)) {
      sums = grown;
      continue;
    }
    if (!fit(products, lanes)) return null;
    cuts.push(tap);
    sums = products;
  }
  return cuts;
}

function fit(
  sums: readonly { readonly min: number; readonly max: number }[],
  lanes: readonly Lane[],
): boolean {
  return sums.every(({ min, max }, i) => {
    const limit = 2 ** ((lanes[i] as Lane).bits - 1);
    return min >= -limit && max < limit;
  });
}

function headOf(width: Width, taps: number, isLater: boolean, isFollowed: boolean): number {
  const skipped = (unrolled - (taps % unrolled)) % unrolled;
  const head = skipped * widths[width].tapBytes + taps * 2 ** 8;
  return head + (isFollowed ? 2 ** 30 : 0) + (isLater ? 2 ** 31 : 0);
}

function wordsOf({ width, lanes, channels }: Unit, tap: number): readonly number[] {
  const words = new Array<number>(widths[width].words).fill(0);
  channels.forEach(({ weights }, i) => {
    const weight = weights[tap] as number;
    for (const [word, factor] of (lanes[i] as Lane).words) {
      words[word] = (words[word] as number) + weight * factor;
    }
  });
  return words;
}
