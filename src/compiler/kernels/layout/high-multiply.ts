/**
 * Requantization by the upper half of one signed 64-bit product, for cores that have it (mulh):
 * exact, found and proved channel by channel at compile time.
 *
 *     scaled = accumulator · 2^scale + start                  (no overflow within the bounds)
 *     index  = (scaled · multiplier >> 32) >> shift           (both rounding down)
 *     output = first + clamp(index, 0, last)
 *
 * TFLM rounds ties away from zero: above zero its thresholds lie a little lower than the line below
 * has them. Outputs on both sides need two more steps, with index 0 for the zero point:
 *
 *     scaled = scaled + lift                                  (where scaled >= 0)
 *     index  = (scaled · multiplier >> 32 >> shift) + zero
 *
 * Proof: index never falls, so it is enough that it reaches i + 1 at the least accumulator whose
 * output is first + i + 1, and not at the one before.
 */

import type { ChannelBounds } from '../../ir/op.js';
import type { OutputStage } from '../../ops/arithmetic/accumulation.js';
import { realScale } from '../../ops/arithmetic/accumulation.js';
import { rangeAt } from '../../ops/arithmetic/bounds.js';
import { clamp } from '../../ops/arithmetic/quant.js';
import { type Thresholds, thresholdsOf } from '../../ops/arithmetic/thresholds.js';
import { widestSlope } from './widest-slope.js';

export interface HighMultiply {
  /** 0 … 23. */
  readonly scale: number;
  /** int32. */
  readonly start: number;
  /** 2^30 … 2^31 − 1; 0 where there is one output. */
  readonly multiplier: number;
  /** 0 … 31. */
  readonly shift: number;
  /** null: there is none of that. */
  readonly lifted: { readonly lift: number; readonly zero: number } | null;
  /** The int8 output of index 0, and the last index. */
  readonly first: number;
  readonly last: number;
  /** No accumulator within the bounds has an index outside 0 … last. */
  readonly inRange: boolean;
}

const int32Max = 2 ** 31 - 1;
/** With larger ones nothing is gained: `start` then has this many bits below an accumulator's. */
const mostScale = 23;
/**
 * Slopes near the multiplier to try. TFLM rounds twice, so its thresholds bend: with wide
 * accumulators only a slope some dozens away may pass between all of them.
 */
const nudges = [0, 1, 2, 4, 8, ...Array.from({ length: 64 }, (_, i) => 16 * (i + 1))].flatMap(
  (distance) => (distance === 0 ? [0] : [distance, -distance]),
);

/**
 * The constants of a channel whose accumulator (int32, bias included) is proved to lie in
 * min … max; null where none gives the bits of the definition everywhere.
 */
export function highMultiply(
  stage: OutputStage,
  channel: number,
  min: number,
  max: number,
): HighMultiply | null {
  const thresholds = thresholdsOf(stage, channel, min, max);
  if (thresholds === null) return null;
  const { first, least } = thresholds;
  if (least.length === 0) {
    const none = { scale: 0, start: 0, multiplier: 0, shift: 0, lifted: null };
    return { ...none, first, last: 0, inRange: true };
  }
  // Counted from the lowest output, or from zero.
  for (const zero of [0, stage.zeroPoint - first]) {
    const isLifted = zero > 0 && zero < least.length;
    if (zero !== 0 && !isLifted) continue;
    // Halves of a line with a step may have slopes that no whole line has.
    const between = isLifted ? anySlope : slopesThrough(thresholds, stage.zeroPoint - first);
    for (const line of linesOf(stage, channel, thresholds, zero)) {
      const slope = line.multiplier * 2 ** (line.scale - 32 - line.shift);
      if (slope <= between.low || slope >= between.high) continue;
      const starts = startsOf(line, thresholds, zero);
      if (starts === null) continue;
      const [start, lift] = starts;
      const lifted = isLifted ? { lift, zero } : null;
      const found = { ...line, start, lifted, first, last: least.length, inRange: false };
      const [bottom, top] = [indexOf(found, min), indexOf(found, max)];
      return { ...found, inRange: bottom >= 0 && top <= least.length };
    }
  }
  return null;
}

interface Slopes {
  readonly low: number;
  readonly high: number;
}

const anySlope: Slopes = { low: 0, high: Infinity };

/**
 * Bounds of the outputs per accumulator of a line through all thresholds, by those of three of them with each
 * other: it is past every other threshold, and not past it one accumulator before.
 *
 * @param middle where TFLM's line has a step
 */
function slopesThrough({ least }: Thresholds, middle: number): Slopes {
  let [low, high] = [0, Infinity];
  for (const anchor of new Set([0, clamp(middle, 0, least.length - 1), least.length - 1])) {
    for (let i = 0; i < least.length; i += 1) {
      const outputs = Math.abs(i - anchor);
      const accumulators = Math.abs((least[i] as number) - (least[anchor] as number));
      if (outputs === 0) continue;
      low = Math.max(low, outputs / (accumulators + 1));
      if (accumulators > 1) high = Math.min(high, outputs / (accumulators - 1));
    }
  }
  // Doubles round.
  return { low: low * (1 - 2 ** -40), high: high * (1 + 2 ** -40) };
}

/** Lines of about the real slope, then those of the one that leaves most room, also with a bit more of `start`. */
function* linesOf(
  stage: OutputStage,
  channel: number,
  thresholds: Thresholds,
  zero: number,
): Generator<Line> {
  const { min, max, least } = thresholds;
  const origin = least[Math.max(0, zero - 1)] as number;
  const reach = Math.max(max - origin, origin - min) + 1;
  const scale = Math.min(mostScale, Math.floor(Math.log2(int32Max / reach)) - 1);
  // Numbers of up to 2^53 are exact.
  const isExact = (bits: number) => bits >= 0 && Math.max(-min, max) * 2 ** bits < 2 ** 52;
  const real = realScale(stage, channel);
  if (isExact(scale)) yield* slopesAbout(real, scale);
  const crossings = Array.from(least, (at, i) => ({ at, level: i + 1 - zero }));
  const halves = zero === 0 ? [crossings] : [crossings.slice(0, zero), crossings.slice(zero)];
  const widest = widestSlope(halves, real);
  for (const bits of [scale, scale + 1]) {
    if (widest !== null && bits <= mostScale && isExact(bits)) yield* slopesAbout(widest, bits);
  }
}

/** Slopes to try, steep enough for all bits of a product's upper half. @param slope outputs per accumulator */
function* slopesAbout(slope: number, scale: number): Generator<Line> {
  // A unit of `scaled` is worth so many 2^-32 of an output.
  const unit = slope * 2 ** (32 - scale);
  const lowered = Math.floor(Math.log2(int32Max / unit));
  if (lowered < 0 || lowered > 31) return;
  const steep = Math.round(unit * 2 ** lowered);
  for (const nudge of nudges) {
    if (steep + nudge <= int32Max) yield { scale, multiplier: steep + nudge, shift: lowered };
  }
}

/** The constants of every channel; null where one has none. */
export function highMultiplies(
  stage: OutputStage,
  accumulators: ChannelBounds,
): readonly HighMultiply[] | null {
  const multiplies: HighMultiply[] = [];
  for (const channel of accumulators.min.keys()) {
    const multiply = highMultiply(stage, channel, ...rangeAt(accumulators, channel));
    if (multiply === null) return null;
    multiplies.push(multiply);
  }
  return multiplies;
}

/** The output of an accumulator within the bounds, as a core computes it. */
export function applyHighMultiply(multiply: HighMultiply, accumulator: number): number {
  return multiply.first + Math.max(0, Math.min(multiply.last, indexOf(multiply, accumulator)));
}

type Line = Pick<HighMultiply, 'scale' | 'multiplier' | 'shift'>;

function indexOf(
  { scale, start, multiplier, shift, lifted }: Omit<HighMultiply, 'first' | 'last' | 'inRange'>,
  accumulator: number,
): number {
  const { lift, zero } = lifted ?? { lift: 0, zero: 0 };
  const scaled = BigInt.asIntN(32, BigInt(accumulator) * 2n ** BigInt(scale) + BigInt(start));
  const raised = scaled >= 0n ? scaled + BigInt(lift) : scaled;
  return Number((raised * BigInt(multiplier)) >> BigInt(32 + shift)) + zero;
}

/**
 * A start with which the line crosses every threshold where it should, and how much higher it is
 * for indices above zero; null if there is none.
 */
function startsOf(
  { scale, multiplier, shift }: Line,
  { min, max, least }: Thresholds,
  zero: number,
): readonly [start: number, lift: number] | null {
  const unit = 2 ** scale;
  // An index is worth so many of `scaled`: a whole number, and a rest of `multiplier`.
  const step = 2n ** BigInt(32 + shift);
  const whole = Number(step / BigInt(multiplier));
  const rest = Number(step % BigInt(multiplier));
  /** Of the thresholds from `from` to `to` − 1, within what keeps sums in 32 bits. */
  const between = (from: number, to: number): readonly [number, number] | null => {
    let atLeast = -int32Max - min * unit;
    let atMost = int32Max - max * unit;
    for (let i = from; i < to && atLeast <= atMost; i += 1) {
      const index = i + 1 - zero;
      // The least `scaled` with that index. Exact: a product is below 2^40, and a quotient that is
      // not whole lies 2^-31 away from whole numbers at least.
      const ceiling = index * whole + Math.ceil((index * rest) / multiplier);
      atLeast = Math.max(atLeast, ceiling - (least[i] as number) * unit);
      atMost = Math.min(atMost, ceiling - 1 - ((least[i] as number) - 1) * unit);
    }
    return atLeast <= atMost ? [atLeast, atMost] : null;
  };
  const middle = ([low, high]: readonly [number, number]) => Math.round((low + high) / 2);
  const lower = between(0, zero === 0 ? least.length : zero);
  if (lower === null) return null;
  const start = middle(lower);
  // It is added modulo 2^32: what counts is that sums fit.
  if (zero === 0) return [start | 0, 0];
  const upper = between(zero, least.length);
  if (upper === null) return null;
  const lift = middle(upper) - start;
  return lift >= 0 ? [start | 0, lift] : null;
}
