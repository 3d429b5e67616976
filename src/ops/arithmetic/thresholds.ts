/**
 * The requantisation of one channel as its steps: what proves that a cheaper form gives the same
 * bits. Both forms only ever rise with the accumulator, so it is enough to compare them where the
 * output changes, at most 255 places, instead of over all accumulators.
 */
import { finish, type OutputStage, wraps } from './accumulation.js';
import { clamp, saturatingRoundingDoublingHighMul } from './quant.js';

/** A channel's outputs over the accumulators min … max, both included. */
export interface Thresholds {
  readonly min: number;
  readonly max: number;
  /** The output of `min`. */
  readonly first: number;
  /**
   * least[i] is the least accumulator whose output is first + 1 + i or more: ascending, one entry
   * for each output up to that of `max`. Two entries are equal where the outputs skip a value.
   */
  readonly least: Int32Array;
}

/**
 * The thresholds of a channel between two accumulators (raw int32, bias included).
 *
 * Null where TFLM's left shift would wrap inside the bounds: the output then falls somewhere.
 */
export function thresholdsOf(
  stage: OutputStage,
  channel: number,
  min: number,
  max: number,
): Thresholds | null {
  const { multiplier = 0, shift = 0 } = stage.multipliers[channel] ?? {};
  if (wraps(stage, channel, min, max)) return null;
  const outputOf = (accumulator: number) => finish(stage, accumulator, channel);
  const first = outputOf(min);
  const least = new Int32Array(outputOf(max) - first);
  const perStep = 2 ** (31 - shift) / multiplier;
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
 * Whether a function that never falls as the accumulator rises gives the thresholds' output
 * everywhere between their bounds: it is asked at both ends of each run of equal outputs.
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
 * Whether no accumulator between the bounds meets TFLM's tie rule: halves go away from zero, which
 * tells below zero from above. Without it the two roundings are one shift,
 * (acc · multiplier + 2^30 + 2^(30 + e)) >> (31 + e) with e = −shift. Single rounding has no ties.
 */
export function isTieFree(stage: OutputStage, channel: number, min: number, max: number): boolean {
  const { multiplier = 0, shift = 0 } = stage.multipliers[channel] ?? {};
  if (stage.rounding === 'single' || shift >= 0) return true;
  const thresholds = thresholdsOf(stage, channel, min, max);
  const half = 2 ** (-shift - 1);
  const halvesUp = (x: number) => {
    const scaled = saturatingRoundingDoublingHighMul(x, multiplier) + half;
    return clamp(Math.floor(scaled * 2 ** shift) + stage.zeroPoint, stage.min, stage.max);
  };
  return thresholds !== null && agrees(thresholds, halvesUp);
}

/** The least x in [low, high] that reaches; `high` does. Gallops away from a guess, then halves. */
function leastReaching(
  reaches: (x: number) => boolean,
  low: number,
  high: number,
  guess: number,
): number {
  let [below, above] = [low - 1, high];
  let x = guess;
  let stride = 1;
  while (x > below && x < above) {
    if (reaches(x)) {
      above = x;
      x -= stride;
    } else {
      below = x;
      x += stride;
    }
    stride *= 2;
  }
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (reaches(middle)) above = middle;
    else below = middle;
  }
  return above;
}
