/**
 * Requantization in float32, as XNNPACK computes it (--rounding xnnpack): an accumulator times a
 * float32 scale, rounded to the nearest integer, halves to even (the fp32 requantization of
 * src/xnnpack/requantization.h; scales as in src/operators/convolution-nhwc.c).
 *
 * The result never falls as the accumulator grows, so integer arithmetic that agrees with it on both
 * sides of each of the at most 255 thresholds agrees everywhere. The float32 product makes halves of
 * accumulators near one, and those go to even, up for one threshold and down for another. Most
 * channels have a multiplier that goes through between all of them ('single', 'double'). Scales near
 * (2i + 1) / 2j make halves of all odd multiples of j, which no line separates: 'nudged' rounds to
 * some bits of a fraction first, as float32 does, and then to even.
 */
import { leastReaching } from './least-reaching.js';
import {
  clamp,
  frexp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  multiplyShift,
  nudgeWord,
  type Rounding,
} from './quant.js';

const { fround } = Math;

/** input · weight / output, in XNNPACK's order of float32 operations. */
export function floatScale(input: number, weight: number, output: number): number {
  return fround(fround(fround(input) * fround(weight)) / fround(output));
}

/** A float32 as a multiplier of the rounding 'float': its bits. */
export function floatMultiplier(scale: number): Multiplier {
  return { multiplier: new Int32Array(Float32Array.of(scale).buffer)[0] as number, shift: 0 };
}

/**
 * Whether integers compute the product exactly for the accumulators min … max, as the C helper
 * scale_as_float does: they are exact in float32, and shifts fit 64 bits.
 *
 * With P = |acc · scale| in units of 2^-shift, v its integer part and h = v + 1/2 in 2^e … 2^(e + 1),
 * the float32 nearest to P is h if |P − h| ≤ 2^(e − 24): half a unit of its last place, and the tie
 * goes to h, whose last bit is 0. Every other P stays on its side of h. So the output is v + 1 where
 * P ≥ h − 2^(e − 24), v odd, or where P > h + 2^(e − 24), v even. For v = 0, h is a power of two and
 * the unit below it smaller, but from there all go to 0.
 */
export function isExactAsFloat(scale: number, min: number, max: number): boolean {
  return scale >= 2 ** -22 && scale < 1 && min >= -(2 ** 24) && max <= 2 ** 24;
}

/** How XNNPACK requantizes one channel; min and max clamp its outputs. */
export interface FloatRequantization {
  /** A float32. */
  readonly scale: number;
  readonly zeroPoint: number;
  readonly min: number;
  readonly max: number;
}

/** Channels whose accumulators, for any input, are least … most. */
export interface FloatChannel extends FloatRequantization {
  readonly least: number;
  readonly most: number;
  /** What gives its outputs where that is not the float32 `scale`, which is then only their slope. */
  readonly by?: Requantizer;
}

/** Multipliers, one for each channel, and the rounding with which they are applied. */
export interface Requantizers {
  readonly multipliers: readonly Multiplier[];
  readonly rounding: Rounding;
  /** The float32 scales with which they agree, if they stand for these. */
  readonly scales?: readonly number[];
}

/** Forms of integer arithmetic. */
type IntegerRounding = 'double' | 'single' | 'nudged';

/**
 * Requantizes all channels in integers, by the first of the roundings with which each of them has a
 * multiplier with XNNPACK's bits; in float32 where there is none.
 */
export function floatRequantizers(
  channels: readonly FloatChannel[],
  preferred: readonly IntegerRounding[],
): Requantizers {
  const scales = channels.map(({ scale }) => scale);
  const found = integerRequantizers(channels, preferred);
  return { ...(found ?? { multipliers: scales.map(floatMultiplier), rounding: 'float' }), scales };
}

/** As `floatRequantizers`, for outputs of any arithmetic; null where no rounding has all multipliers. */
export function integerRequantizers(
  channels: readonly FloatChannel[],
  preferred: readonly IntegerRounding[],
): Requantizers | null {
  const steps = channels.map(stepsOf);
  for (const rounding of preferred) {
    const multipliers = multipliersOf(steps, rounding);
    if (multipliers !== null) return { multipliers, rounding };
  }
  return null;
}

/** How one accumulator becomes an output. */
export interface Requantizer {
  readonly multiplier: Multiplier;
  readonly rounding: Rounding;
}

/** Of a single channel. */
export function requantizer(channel: FloatChannel): Requantizer {
  const { multipliers, rounding } = floatRequantizers([channel], ['double', 'single', 'nudged']);
  return { multiplier: multipliers[0] as Multiplier, rounding };
}

function multipliersOf(channels: readonly Steps[], rounding: IntegerRounding) {
  const multipliers: Multiplier[] = [];
  for (const channel of channels) {
    const multiplier = multiplierOf(channel, rounding);
    if (multiplier === null) return null;
    multipliers.push(multiplier);
  }
  return multipliers;
}

function multiplierOf(channel: Steps, rounding: IntegerRounding): Multiplier | null {
  if (rounding === 'nudged') return nudgedMultiplier(channel);
  // Roundings often differ in what a channel never reaches, or clamps.
  const own = channel.by?.multiplier;
  if (own !== undefined && isProved(channel, own, rounding)) return own;
  return integerMultiplier(channel, rounding);
}

/** A channel's outputs as steps. */
interface Steps extends FloatChannel {
  /** The first accumulators of outputs first + 1, first + 2, … up to that of `most`. */
  readonly crossings: readonly number[];
  readonly first: number;
}

function outputWith({ zeroPoint, min, max }: FloatChannel, by: Multiplier, rounding: Rounding) {
  return (acc: number) =>
    clamp(multiplyByQuantizedMultiplier(acc, by, rounding) + zeroPoint, min, max);
}

function stepsOf(channel: FloatChannel): Steps {
  const { scale, zeroPoint, least, most } = channel;
  const by = channel.by ?? { multiplier: floatMultiplier(scale), rounding: 'float' };
  const target = outputWith(channel, by.multiplier, by.rounding);
  const first = target(least);
  const crossings = Array.from({ length: target(most) - first }, (_, i) => {
    const value = first + 1 + i;
    const guess = Math.round((value - zeroPoint - 0.5) / scale);
    return leastReaching((acc) => target(acc) >= value, least, most, guess);
  });
  return { ...channel, crossings, first };
}

/** The proof, in exact arithmetic: the outputs on both sides of each step are the channel's. */
function isProved(steps: Steps, multiplier: Multiplier, rounding: IntegerRounding): boolean {
  const output = outputWith(steps, multiplier, rounding);
  const { crossings, first, least, most } = steps;
  const reaches = (acc: number, i: number) => {
    // Where outputs skip a value, the step before is at the same accumulator.
    if (crossings[i + 1] === acc) return true;
    return output(acc) === first + 1 + i;
  };
  const stays = (acc: number, i: number) =>
    acc < least || crossings[i - 1] === acc + 1 || output(acc) === first + i;
  return (
    output(most) === first + crossings.length &&
    (crossings[0] === least || output(least) === first) &&
    crossings.every((acc, i) => reaches(acc, i) && stays(acc - 1, i))
  );
}

/**
 * The multiplier with which `rounding` gives the same int8 for every accumulator of the channel; null
 * where there is none, or where the scale is 1 or more.
 *
 * With e = −shift, both roundings reach the value v if acc · m ≥ bound(v), which bounds m by the
 * accumulators on both sides of each threshold. With h = 2(v − zeroPoint) − 1:
 *
 *   single: floor((acc · m + 2^(30 + e)) / 2^(31 + e)) ≥ v − zeroPoint, so the bound is h · 2^(30 + e).
 *   double: y = floor((acc · m + 2^30) / 2^31) is then rounded by 2^e, halves away from zero. It needs
 *     y ≥ h · 2^(e − 1), or 1 more for v at or below the zero point: twice that bound, minus 1, · 2^30.
 */
function integerMultiplier(steps: Steps, rounding: 'single' | 'double'): Multiplier | null {
  const { scale, zeroPoint, crossings, first } = steps;
  const [fraction, shift] = frexp(scale);
  if (shift > 0 || shift < -30) return null;
  const isTwice = rounding === 'double' && shift < 0;
  // m keeps 31 bits, as quantizeMultiplier has them.
  let [low, high] = [2 ** 30, 2 ** 31 - 1];
  crossings.forEach((acc, i) => {
    const half = 2 * (first + 1 + i - zeroPoint) - 1;
    const reached = half * 2 ** -shift;
    const bound = (isTwice ? reached + (half < 0 ? 2 : 0) - 1 : reached) * 2 ** 30;
    const [atCrossing, before] = [bound / acc, bound / (acc - 1)];
    if (acc > 0) low = Math.max(low, Math.ceil(atCrossing));
    if (acc < 0) high = Math.min(high, Math.floor(atCrossing));
    if (acc > 1) high = Math.min(high, Math.ceil(before) - 1);
    if (acc < 1) low = Math.max(low, Math.floor(before) + 1);
  });
  if (low > high) return null;
  // The bounds are doubles, which may be off by one.
  const found = { multiplier: clamp(Math.round(fraction * 2 ** 31), low, high), shift };
  return isProved(steps, found, rounding) ? found : null;
}

/** Distances from the exact slope to try: 64 of 2^31 move an output of 128 by 2^-18. */
const nearby = [
  1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256,
];
const slopes = [0, ...nearby.flatMap((distance) => [distance, -distance])];

/**
 * The multiplier and the offset of the rounding 'nudged'. For a slope m each step bounds the offset:
 * round(acc · 2^left · m / 2^31) + offset ≥ h · 2^(right − 1) at its first accumulator, not before; 1
 * more for odd v − zeroPoint, which halves do not reach. Fewer bits of a fraction make more halves.
 *
 * Accumulators beyond all steps may saturate: the output never falls, so it is then the clamp's. Any
 * saturation at 2^30 or more gives the same.
 */
function nudgedMultiplier(steps: Steps): Multiplier | null {
  const { scale, crossings } = steps;
  const [fraction, exponent] = frexp(scale);
  const reach = Math.max(1, ...crossings.map((acc) => Math.max(acc, 1 - acc)));
  const widest = Math.min(28 - Math.floor(Math.log2(reach)), 31 + exponent);
  for (let left = widest; left >= 0; left -= 1) {
    const right = left - exponent;
    if (right < 14 || right > 29 || !saturates(steps, left)) continue;
    const found = nudgedBy(steps, left, right, fraction);
    if (found !== null) return found;
  }
  return null;
}

function nudgedBy(steps: Steps, left: number, right: number, fraction: number): Multiplier | null {
  const { zeroPoint, crossings, first, least } = steps;
  for (const slope of slopes) {
    const multiplier = Math.round(fraction * 2 ** 31) + slope;
    if (multiplier < 2 ** 30 || multiplier >= 2 ** 31) continue;
    let [low, high] = [-(2 ** 15), 2 ** 15 - 1];
    for (let i = 0; i < crossings.length && low <= high; i += 1) {
      const acc = crossings[i] as number;
      const above = first + 1 + i - zeroPoint;
      const bound = (2 * above - 1) * 2 ** (right - 1) + (above & 1);
      const product = (x: number) => multiplyShift(x * 2 ** left, multiplier, 2 ** 30, 31);
      low = Math.max(low, bound - product(acc));
      if (acc > least) high = Math.min(high, bound - 1 - product(acc - 1));
    }
    if (low > high) continue;
    const word = nudgeWord({ left, right, offset: clamp(0, low, high) });
    const found = { multiplier, shift: word };
    if (isProved(steps, found, 'nudged')) return found;
  }
  return null;
}

/** Whether the outputs of accumulators that a shift by `left` saturates are clamped. */
function saturates({ crossings, first, least, most, min, max }: Steps, left: number): boolean {
  const limit = 2 ** (30 - left);
  return (most < limit || first + crossings.length === max) && (least > -limit || first === min);
}
