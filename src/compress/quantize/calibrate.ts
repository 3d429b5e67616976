/** Methods that choose the range of an activation's integers from a histogram of its values. */
import { clamp } from '../../ops/arithmetic/quant.js';
import type { Histogram } from './observe.js';
import {
  type ActivationQuant,
  type ActivationType,
  activationQuant,
  levelsOf,
  type RealRange,
  rangeOf,
} from './scheme.js';

export const calibrationMethods = ['min-max', 'percentile', 'mse', 'kl'] as const;
export type CalibrationMethod = (typeof calibrationMethods)[number];

/** The share of values that the percentile method keeps inside the range. */
export const keptShare = 0.9999;

/** @param type of the integers that the range gets */
export function calibrated(
  histogram: Histogram,
  method: CalibrationMethod,
  type: ActivationType = 'int8',
): RealRange {
  const quantOf = (range: RealRange) => activationQuant(range, type);
  switch (method) {
    case 'min-max':
      return { min: histogram.min, max: histogram.max };
    case 'percentile':
      return percentile(histogram, keptShare);
    case 'mse':
      return best(histogram, (range) => squaredError(histogram, quantOf(range)));
    case 'kl':
      return best(histogram, (range) => divergence(histogram, quantOf(range)));
  }
}

function percentile({ min, max, counts }: Histogram, share: number): RealRange {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const spare = ((1 - share) / 2) * total;
  const width = (max - min) / counts.length;
  let [low, below] = [0, 0];
  while (low < counts.length - 1 && below + (counts[low] as number) <= spare) {
    below += counts[low] as number;
    low += 1;
  }
  let [high, above] = [counts.length, 0];
  while (high > low + 1 && above + (counts[high - 1] as number) <= spare) {
    above += counts[high - 1] as number;
    high -= 1;
  }
  return { min: min + low * width, max: min + high * width };
}

/** The range, among shares of the extremes, whose quantization has the least `loss`. */
function best(histogram: Histogram, loss: (range: RealRange) => number): RealRange {
  let found: RealRange = histogram;
  let least = Number.POSITIVE_INFINITY;
  for (let percent = 100; percent >= 20; percent -= 1) {
    const range = { min: (histogram.min * percent) / 100, max: (histogram.max * percent) / 100 };
    const error = loss(range);
    if (error < least) [found, least] = [range, error];
  }
  return { min: found.min, max: found.max };
}

/** Middle of each bin, and the number that its values become. */
function* rounded({ min, max, counts }: Histogram, quant: ActivationQuant) {
  const levels = levelsOf(quant);
  const width = (max - min) / counts.length;
  for (let bin = 0; bin < counts.length; bin += 1) {
    const count = counts[bin] as number;
    if (count === 0) continue;
    const value = min + (bin + 0.5) * width;
    const integer = clamp(Math.round(value / quant.scale), levels.min, levels.max);
    yield { value, count, integer, back: integer * quant.scale };
  }
}

function squaredError(histogram: Histogram, quant: ActivationQuant): number {
  let sum = 0;
  for (const { value, count, back } of rounded(histogram, quant)) {
    sum += count * (value - back) ** 2;
  }
  return sum;
}

/** Bins that become one integer. */
interface Group {
  /** Values of these bins. */
  kept: number;
  /** Bins that the observed distribution has. */
  bins: number;
}

/**
 * The Kullback-Leibler divergence of the quantized distribution from the observed one (Migacz, 8-bit
 * Inference with TensorRT, 2017). In the observed one clipped values count in the last bin inside
 * the range; the quantized one lacks them, and spreads the values of an integer evenly over its
 * bins. The bins at 0 are left out: a ReLU's zeros are exact in any scale.
 *
 * Few samples fill bins unevenly by chance, which looks like a loss where many bins become one
 * integer. Each bin beyond the first of an integer adds 1 / 2n to the divergence of n values by
 * chance (Miller, 1955; Madow); that is taken away, or narrow ranges would seem best.
 */
function divergence(histogram: Histogram, quant: ActivationQuant): number {
  const { min, max } = rangeOf(quant);
  const width = (histogram.max - histogram.min) / histogram.counts.length;
  const inside: { count: number; observed: number; integer: number }[] = [];
  const clipped = { low: 0, high: 0 };
  for (const { value, count, integer } of rounded(histogram, quant)) {
    if (Math.abs(value) <= width) continue;
    if (value < min) clipped.low += count;
    else if (value > max) clipped.high += count;
    else inside.push({ count, observed: count, integer });
  }
  const [first, last] = [inside[0], inside.at(-1)];
  if (first === undefined || last === undefined) return Number.POSITIVE_INFINITY;
  first.observed += clipped.low;
  last.observed += clipped.high;
  const groups = new Map<number, Group>();
  for (const { count, integer } of inside) {
    const group = groups.get(integer) ?? { kept: 0, bins: 0 };
    groups.set(integer, group);
    group.kept += count;
    group.bins += 1;
  }
  const kept = inside.reduce((sum, { count }) => sum + count, 0);
  const all = kept + clipped.low + clipped.high;
  const found = inside.reduce((sum, { observed, integer }) => {
    const { kept: own, bins } = groups.get(integer) as Group;
    return sum + (observed / all) * Math.log(observed / all / (own / bins / kept));
  }, 0);
  return found - (inside.length - groups.size) / (2 * all);
}
