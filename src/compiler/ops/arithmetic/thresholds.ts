/**
 * The requantization of one channel as a step function, used to prove that a cheaper instruction
 * sequence gives the same bits. Both are non-decreasing in the accumulator, so it is enough to
 * compare them where the output changes, at most 255 places, instead of for every accumulator.
 */
import { finish, type OutputStage, realScale, wraps } from './accumulation.js';
import { leastReaching } from './least-reaching.js';
import { clamp, saturatingRoundingDoublingHighMul } from './quant.js';

/** A channel's outputs for the accumulators min … max, both inclusive. */
export interface Thresholds {
  readonly min: number;
  readonly max: number;
  /** The output for the accumulator `min`. */
  readonly first: number;
  /**
   * least[i] is the least accumulator whose output is first + 1 + i or more. Ascending, one entry
   * for each output up to that of `max`; two entries are equal where the outputs skip a value.
   */
  readonly least: Int32Array;
}

/**
 * The thresholds of a channel between two accumulators (raw int32, bias included).
 *
 * Null where TFLM's left shift would wrap inside the bounds: the output is then not monotonic.
 */
export function thresholdsOf(
  stage: OutputStage,
  channel: number,
  min: number,
  max: number,
): Thresholds | null {
  if (wraps(stage, channel, min, max)) return null;
  const outputOf = (accumulator: number) => finish(stage, accumulator, channel);
  const first = outputOf(min);
  const least = new Int32Array(outputOf(max) - first);
  const perStep = 1 / realScale(stage, channel);
  let from = min;
  for (let i = 0; i < least.length; i += 1) {
    const value = first + 1 + i;
    const estimate = Math.round((value - stage.zeroPoint - 0.5) * perStep);
    from = leastReaching((x) => outputOf(x) >= value, from, max, estimate);
    least[i] = from;
  }
  return { min, max, first, least };
}

/**
 * Whether a non-decreasing function of the accumulator has the same outputs as the thresholds, from
 * `min` to `max`. It is evaluated at both ends of each interval of equal outputs.
 */
export function agrees(
  { min, max, first, least }: Thresholds,
  candidate: (accumulator: number) => number,
): boolean {
  let start = min;
  for (let i = 0; i <= least.length; i += 1) {
    const end = i < least.length ? (least[i] as number) - 1 : max;
    if (end < start) continue;
    if (candidate(start) !== first + i || candidate(end) !== first + i) return false;
    start = end + 1;
  }
  return true;
}

/**
 * Whether no accumulator between the bounds meets a tie in TFLM's second rounding, which rounds
 * halves away from zero and so treats negative values differently. Without ties the two roundings
 * are one shift, (acc · multiplier + 2^30 + 2^(30 + e)) >> (31 + e) with e = −shift. Single
 * rounding has no such ties.
 */
export function isTieFree(stage: OutputStage, channel: number, min: number, max: number): boolean {
  const { multiplier = 0, shift = 0 } = stage.multipliers[channel] ?? {};
  if (stage.rounding !== 'double' || shift >= 0) return true;
  const thresholds = thresholdsOf(stage, channel, min, max);
  const half = 2 ** (-shift - 1);
  const halvesUp = (x: number) => {
    const scaled = saturatingRoundingDoublingHighMul(x, multiplier) + half;
    return clamp(Math.floor(scaled * 2 ** shift) + stage.zeroPoint, stage.min, stage.max);
  };
  return thresholds !== null && agrees(thresholds, halvesUp);
}
