/**
 * Requantization by two 32-bit multiplications, for cores without a long multiply. It is exact: the
 * constants are found and proved channel by channel at compile time.
 *
 * With a = accumulator − base, all modulo 2^32:
 *
 *     a > top (unsigned, so also a < 0):  the lowest output if a < 0, else the highest
 *     otherwise:  sum  = a·high + ((a·low + (a·lower >> shift)) >> shift) + offset   (unsigned)
 *                 byte = sum >> 24
 *
 * high and low are the integer and the fractional part of the channel's multiplier in units of
 * 2^-24. lower, a third multiplication, is nonzero only for accumulators above about 2^19. The byte
 * is the int8 output: `offset` contains the zero point, and no other clamp is needed.
 *
 * TFLM rounds ties away from zero, so above zero its thresholds lie slightly below this line.
 * Outputs on both sides of zero need one more step; `high` and `low` are then in units of 2^-23:
 *
 *                 sum  = sum + (sum >> 31 << lift)
 *                 byte = (sum >> 23) + zeroPoint
 *
 * XNNPACK's float32 product makes halves of accumulators near one, which go to even: up at one threshold,
 * down at the next. A line that no offset puts between them is moved up until all thresholds are reached
 * early. The 2^bits least sums of an output then need a decision of their own (`Ties`):
 *
 *     sum mod 2^24 < 2^bits:  byte, or byte − 1 if it is `lowered`
 */

import type { NodeView } from '../../ir/graph.js';
import type { ChannelBounds } from '../../ir/op.js';
import type { OutputStage } from '../../ops/arithmetic/accumulation.js';
import { bendShift, realScale } from '../../ops/arithmetic/accumulation.js';
import { rangeAt } from '../../ops/arithmetic/bounds.js';
import { type Thresholds, thresholdsOf } from '../../ops/arithmetic/thresholds.js';
import type { MatchContext } from '../variant.js';
import { widestSlope } from './widest-slope.js';

export interface TwoMultiply {
  /** int32. */
  readonly base: number;
  /** 0 … 2^31 − 1. */
  readonly top: number;
  /** uint32, like the next two. */
  readonly high: number;
  /** 0 if one multiplication is enough. */
  readonly low: number;
  /** 0 if two multiplications are enough, as nearly always. */
  readonly lower: number;
  readonly offset: number;
  /** 1 … 31. */
  readonly shift: number;
  /** 0 … 22 if there are outputs on both sides of zero, otherwise null. */
  readonly lift: number | null;
  /** Added if `lift` is a number. */
  readonly zeroPoint: number;
  /** int8 outputs for a < 0 and for a > `top`. */
  readonly lowest: number;
  readonly highest: number;
  /** Whether all accumulators within the bounds lie in 0 … top, so that nothing is compared. */
  readonly inRange: boolean;
  /** null where the line alone gives all outputs, and with a lift. */
  readonly ties: Ties | null;
}

/** What the sums just above the least one of an output become. */
export interface Ties {
  /** Sums less than 2^bits above. */
  readonly bits: number;
  /** Outputs (int8) whose accumulators with such a sum are not yet theirs: they become the one below. */
  readonly lowered: readonly number[];
}

/** Accumulators base … base + top. */
type Accumulators = Pick<TwoMultiply, 'base' | 'top'>;
type Multipliers = Pick<TwoMultiply, 'high' | 'low' | 'lower' | 'shift'>;

/** How outputs follow from sums. */
interface Scale {
  /** Sums per step of the output. */
  readonly step: number;
  readonly lift: number | null;
  /** The greatest sum that fits; the least is 0. */
  readonly max: number;
  /** How far above its least sum an output may begin. */
  readonly slack: number;
  /** The least sum whose output is at least `first` + i. */
  least(i: number): number;
}

/** Bits of the sums that ties may have, of 24 of a fraction. */
const tieBits = [7, 8, 9, 10, 11];

/** Offsets from the rounded fractional part to try. */
const nudges = nudgesUpTo(2);
/** For float32 scales, whose thresholds leave narrower lines. */
const floatNudges = nudgesUpTo(32);

/**
 * The constants of a channel whose accumulator (int32, bias included) is proved to lie in min …
 * max; null if none of the tried constants gives the bits of the definition everywhere.
 *
 * @param onlyShift for a kernel that has `shift` in its instructions: no other shift, and no third
 *   multiplication
 * @param withTies for a kernel that knows `ties`: they are tried last
 */
export function twoMultiply(
  stage: OutputStage,
  channel: number,
  min: number,
  max: number,
  onlyShift: number | null = null,
  withTies = false,
): TwoMultiply | null {
  const thresholds = thresholdsOf(stage, channel, min, max);
  if (thresholds === null) return null;
  const { first, least } = thresholds;
  for (const { scale, range, slope } of linesOf(stage, channel, thresholds, withTies)) {
    for (const multiply of factorsOf(stage, range, slope, onlyShift)) {
      const scaled = productOf(range, multiply);
      const start = scaled && startOf(range, scaled, thresholds, scale);
      if (scaled === null || start === null) continue;
      const ties = tiesOf(range, (a) => start + scaled(a), thresholds, scale);
      if (ties === 'undecided') continue;
      const zero = scale.lift === null ? first * scale.step : 0;
      return {
        ...range,
        ...multiply,
        ties,
        offset: (start + zero) >>> 0,
        lift: scale.lift,
        zeroPoint: stage.zeroPoint,
        lowest: first,
        highest: first + least.length,
        inRange: min >= range.base && max <= range.base + range.top,
      };
    }
  }
  return null;
}

/** What of a line is decided before its factors. */
interface Line {
  readonly scale: Scale;
  readonly range: Accumulators;
  /** Sums per accumulator. */
  readonly slope: number;
}

/** Lines of the real slope, then of the one that leaves most room. */
function* linesOf(
  stage: OutputStage,
  channel: number,
  thresholds: Thresholds,
  withTies: boolean,
): Generator<Line> {
  const real = realScale(stage, channel);
  const { least } = thresholds;
  const scales = () => scalesOf(stage, channel, thresholds.first, withTies);
  const rangesAt = ({ step }: Scale) => rangesOf(thresholds, real * step);
  for (const scale of scales()) {
    const slope = least.length === 0 ? 0 : real * scale.step;
    for (const range of rangesAt(scale)) yield { scale, range, slope };
  }
  for (const scale of scales()) {
    if (scale.slack !== 0) continue;
    const crossings = Array.from(least, (at, i) => ({ at, level: scale.least(i + 1) }));
    const slope = widestSlope([crossings], real * scale.step);
    if (slope === null) continue;
    for (const range of rangesAt(scale)) yield { scale, range, slope };
  }
}

/** 0, 1, −1, 2, −2 and so on. */
export function nudgesUpTo(most: number): readonly number[] {
  return [0, ...Array.from({ length: most }, (_, i) => [i + 1, -i - 1]).flat()];
}

/** The constants of every channel; null if a channel has none. */
export function twoMultiplies(
  stage: OutputStage,
  accumulators: ChannelBounds,
  onlyShift: number | null = null,
): readonly TwoMultiply[] | null {
  const multiplies: TwoMultiply[] = [];
  for (const channel of accumulators.min.keys()) {
    const multiply = twoMultiply(stage, channel, ...rangeAt(accumulators, channel), onlyShift);
    if (multiply === null) return null;
    multiplies.push(multiply);
  }
  return multiplies;
}

/** Like `twoMultiplies`, computed once per node, since several variants need them. */
export function twoMultipliesOf(
  view: NodeView<object>,
  { facts, shared }: MatchContext,
  stage: OutputStage,
): readonly TwoMultiply[] | null {
  return shared(twoMultiplies, () => twoMultiplies(stage, facts.accumulator(view)));
}

/** The constants of each channel, null for one that has none, whatever the others have. */
export function eachTwoMultiply(
  view: NodeView<object>,
  context: MatchContext,
  stage: OutputStage,
): readonly (TwoMultiply | null)[] {
  const all = twoMultipliesOf(view, context, stage);
  if (all !== null) return all;
  const accumulators = context.facts.accumulator(view);
  return context.shared(eachTwoMultiply, () =>
    Array.from(accumulators.min, (_, channel) =>
      twoMultiply(stage, channel, ...rangeAt(accumulators, channel)),
    ),
  );
}

/** The constants of each channel, with ties where there are no others; null if a channel has none. */
export function tyingMultipliesOf(
  view: NodeView<object>,
  context: MatchContext,
  stage: OutputStage,
): readonly TwoMultiply[] | null {
  const each = eachTwoMultiply(view, context, stage);
  const accumulators = context.facts.accumulator(view);
  return context.shared(tyingMultipliesOf, () => {
    const all: TwoMultiply[] = [];
    for (const [channel, line] of each.entries()) {
      const bounds = rangeAt(accumulators, channel);
      const multiply = line ?? twoMultiply(stage, channel, ...bounds, null, true);
      if (multiply === null) return null;
      all.push(multiply);
    }
    return all;
  });
}

/** Eight words with a bit for each output, as an unsigned byte: 1 where it is lowered. */
export function loweredWords(lowered: Iterable<number>): Int32Array {
  const words = new Int32Array(8);
  for (const output of lowered) {
    const byte = output & 255;
    words[byte >> 5] = (words[byte >> 5] as number) | (1 << (byte & 31));
  }
  return words;
}

/** The output of an accumulator within the bounds, in the 32-bit arithmetic of a core. */
export function applyTwoMultiply(multiply: TwoMultiply, accumulator: number): number {
  const a = (accumulator - multiply.base) >>> 0;
  if (!multiply.inRange && a > multiply.top)
    return (a | 0) < 0 ? multiply.lowest : multiply.highest;
  const lower = Math.imul(a, multiply.lower) >>> multiply.shift;
  const low = ((Math.imul(a, multiply.low) + lower) >>> 0) >>> multiply.shift;
  const sum = (Math.imul(a, multiply.high) + low + multiply.offset) >>> 0;
  if (multiply.lift === null) {
    const output = sum >> 24;
    const { ties } = multiply;
    if (ties === null || sum % 2 ** 24 >= 2 ** ties.bits) return output;
    return ties.lowered.includes(output) ? output - 1 : output;
  }
  const stepped = (sum + ((sum >>> 31) << multiply.lift)) >>> 0;
  return (((stepped >>> 23) + multiply.zeroPoint) << 24) >> 24;
}

/**
 * Scales that count outputs from `first`; or from zero, in the middle, where TFLM's line has a
 * step.
 */
function* scalesOf(
  stage: OutputStage,
  channel: number,
  first: number,
  withTies: boolean,
): Generator<Scale> {
  const step = 2 ** 24;
  const line = { step, lift: null, max: 2 ** 32 - 1, least: (i: number) => i * step };
  yield { ...line, slack: 0 };
  const half = step / 2;
  const lift = 23 + (bendShift(stage, channel) ?? -24);
  if (lift >= 0 && lift <= 22) {
    yield {
      step: half,
      lift,
      max: 2 ** 32 - 1 - 2 ** lift,
      slack: 0,
      least: (i) => {
        const steps = first + i - stage.zeroPoint;
        return 2 ** 31 + steps * half - (steps > 0 ? 2 ** lift : 0);
      },
    };
  }
  if (!withTies) return;
  for (const bits of tieBits) yield { ...line, slack: 2 ** bits };
}

/**
 * All accumulators if few of them saturate; otherwise those from the first threshold to the last,
 * since outside the comparison alone gives the output.
 */
function rangesOf({ min, max, least }: Thresholds, sumsPerUnit: number): readonly Accumulators[] {
  const ranges: Accumulators[] = [];
  if (least.length === 0 || (max - min) * sumsPerUnit < 2 ** 32)
    ranges.push({ base: min, top: max - min });
  const [lowest] = least;
  const highest = least.at(-1);
  if (lowest !== undefined && highest !== undefined) {
    ranges.push({ base: lowest - 1, top: highest - lowest });
  }
  // Differences beyond int32 would compare wrongly.
  return ranges.filter(
    ({ base, top }) => top < 2 ** 31 && max - base < 2 ** 31 && min - base >= -(2 ** 31),
  );
}

/** Constants near the exact multiplier, those with one multiplication first. */
function* factorsOf(
  { scales }: OutputStage,
  { top }: Accumulators,
  sumsPerUnit: number,
  onlyShift: number | null,
): Generator<Multipliers> {
  const exact = top === 0 ? 0 : sumsPerUnit;
  const high = Math.floor(exact);
  const shift = onlyShift ?? Math.min(31, Math.clz32(top));
  yield { high, low: 0, lower: 0, shift };
  yield { high: high + 1, low: 0, lower: 0, shift };
  const fraction = (exact - high) * 2 ** shift;
  for (const nudge of scales === undefined ? nudges : floatNudges) {
    const low = Math.round(fraction) + nudge;
    if (low > 0) yield { high, low, lower: 0, shift };
  }
  if (onlyShift !== null) return;
  const low = Math.floor(fraction);
  const rest = Math.round((fraction - low) * 2 ** shift);
  for (const nudge of nudges) {
    if (low > 0 && rest + nudge > 0) yield { high, low, lower: rest + nudge, shift };
  }
}

/** a · high + ((a · low + (a · lower >> shift)) >> shift); null if that overflows for a = top. */
function productOf(
  { top }: Accumulators,
  { high, low, lower, shift }: Multipliers,
): ((a: number) => number) | null {
  const unit = 2 ** shift;
  const lowPart = (a: number) => a * low + Math.floor((a * lower) / unit);
  if (Math.max(top * high, top * lower, lowPart(top)) >= 2 ** 32) return null;
  return (a) => a * high + Math.floor(lowPart(a) / unit);
}

/**
 * The least sum at a = 0 with which the output crosses every threshold of the range at the right
 * place, or early by less than the scale's slack. The output never falls, so nothing else must be checked.
 */
function startOf(
  { base, top }: Accumulators,
  scaled: (a: number) => number,
  { least }: Thresholds,
  scale: Scale,
): number | null {
  let atLeast = Math.max(0, scale.least(0));
  let atMost = Math.min(scale.max, scale.least(least.length + 1) - 1) - scaled(top);
  for (let k = 0; k < least.length && atLeast <= atMost; k += 1) {
    // After the first threshold check the last ones, where a slope that is too steep or too flat
    // shows.
    const i = k === 0 ? 0 : least.length - k;
    const crossing = (least[i] as number) - base;
    const sum = scale.least(i + 1);
    if (crossing <= top) atLeast = Math.max(atLeast, sum - scaled(Math.max(crossing, 0)));
    const before = Math.min(crossing - 1, top);
    if (before >= 0) atMost = Math.min(atMost, sum - 1 + scale.slack - scaled(before));
  }
  return atLeast <= atMost ? atLeast : null;
}

/**
 * The ties of a line that has slack. The proof: sums never fall. If the sum of the accumulator before an
 * output's first one is in the slack, that of the first one must lie beyond: `lowered` then lowers
 * accumulators before the first one alone. If not, none of these is in the slack.
 */
function tiesOf(
  { base, top }: Accumulators,
  sumOf: (a: number) => number,
  { first, least }: Thresholds,
  scale: Scale,
): Ties | 'undecided' | null {
  if (scale.slack === 0) return null;
  const lowered: number[] = [];
  for (const [i, threshold] of least.entries()) {
    const crossing = threshold - base;
    const sum = scale.least(i + 1);
    const isKept = crossing <= top && sumOf(Math.max(crossing, 0)) < sum + scale.slack;
    const before = Math.min(crossing - 1, top);
    const isLowered = before >= 0 && sumOf(before) >= sum;
    if (isKept && isLowered) return 'undecided';
    if (isLowered) lowered.push(first + i + 1);
  }
  return { bits: Math.log2(scale.slack), lowered };
}
