/** Methods that choose the range of an activation's integers from a histogram of its values. */
import { clamp } from '../../compiler/ops/arithmetic/quant.js';
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
  let known: Bins | null = null;
  const bins = () => {
    known ??= binsOf(histogram);
    return known;
  };
  switch (method) {
    case 'min-max':
      return { min: histogram.min, max: histogram.max };
    case 'percentile':
      return percentile(histogram, keptShare);
    case 'mse':
      return best(histogram, (range) => squaredError(bins(), quantOf(range)));
    case 'kl':
      return best(histogram, (range) => divergence(bins(), quantOf(range)));
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

/** Middles and counts of the bins that have values, in their order: each of 81 ranges goes through them. */
interface Bins {
  readonly values: Float64Array;
  readonly counts: Float64Array;
  readonly width: number;
}

function binsOf({ min, max, counts }: Histogram): Bins {
  const width = (max - min) / counts.length;
  const filled = [...counts.keys()].filter((bin) => counts[bin] !== 0);
  return {
    values: Float64Array.from(filled, (bin) => min + (bin + 0.5) * width),
    counts: Float64Array.from(filled, (bin) => counts[bin] as number),
    width,
  };
}

/** Value → integer. */
function rounder(quant: ActivationQuant): (value: number) => number {
  const { min, max } = levelsOf(quant);
  return (value) => clamp(Math.round(value / quant.scale), min, max);
}

function squaredError({ values, counts }: Bins, quant: ActivationQuant): number {
  const integerOf = rounder(quant);
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    sum += (counts[i] as number) * (value - integerOf(value) * quant.scale) ** 2;
  }
  return sum;
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
function divergence({ values, counts, width }: Bins, quant: ActivationQuant): number {
  const { min, max } = rangeOf(quant);
  const integerOf = rounder(quant);
  const clipped = { low: 0, high: 0 };
  const inside: number[] = [];
  let kept = 0;
  for (let i = 0; i < values.length; i += 1) {
    const [value, count] = [values[i] as number, counts[i] as number];
    if (Math.abs(value) <= width) continue;
    if (value < min) clipped.low += count;
    else if (value > max) clipped.high += count;
    else {
      inside.push(i);
      kept += count;
    }
  }
  if (inside.length === 0) return Number.POSITIVE_INFINITY;
  const all = kept + clipped.low + clipped.high;
  let found = 0;
  let groups = 0;
  // Integers rise with the values: the bins that become one of them are neighbours.
  for (let from = 0; from < inside.length; groups += 1) {
    const integer = integerOf(values[inside[from] as number] as number);
    let to = from;
    let own = 0;
    for (; to < inside.length; to += 1) {
      const bin = inside[to] as number;
      if (integerOf(values[bin] as number) !== integer) break;
      own += counts[bin] as number;
    }
    for (let i = from; i < to; i += 1) {
      let observed = counts[inside[i] as number] as number;
      if (i === 0) observed += clipped.low;
      if (i === inside.length - 1) observed += clipped.high;
      found += (observed / all) * Math.log(observed / all / (own / (to - from) / kept));
    }
    from = to;
  }
  return found - (inside.length - groups) / (2 * all);
}
