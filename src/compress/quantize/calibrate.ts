/** Methods that choose the range of an activation's 256 integers from a histogram of its values. */
import { clamp } from '../../ops/arithmetic/quant.js';
import type { Histogram } from './observe.js';
import { activationQuant, type RealRange, rangeOf } from './scheme.js';

export const calibrationMethods = ['min-max', 'percentile', 'mse', 'kl'] as const;
export type CalibrationMethod = (typeof calibrationMethods)[number];

/** The share of values that the percentile method keeps inside the range. */
export const keptShare = 0.9999;

export function calibrated(histogram: Histogram, method: CalibrationMethod): RealRange {
  switch (method) {
    case 'min-max':
      return { min: histogram.min, max: histogram.max };
    case 'percentile':
      return percentile(histogram, keptShare);
    case 'mse':
      return best(histogram, squaredError);
    case 'kl':
      return best(histogram, divergence);
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
function best(
  histogram: Histogram,
  loss: (histogram: Histogram, range: RealRange) => number,
): RealRange {
  let found: RealRange = histogram;
  let least = Number.POSITIVE_INFINITY;
  for (let percent = 100; percent >= 20; percent -= 1) {
    const range = { min: (histogram.min * percent) / 100, max: (histogram.max * percent) / 100 };
    const error = loss(histogram, range);
    if (error < least) [found, least] = [range, error];
  }
  return { min: found.min, max: found.max };
}

/** Middle of each bin, and the number that its values become. */
function* rounded({ min, max, counts }: Histogram, range: RealRange) {
  const quant = activationQuant(range);
  const [low, high] = [-128 - quant.zeroPoint, 127 - quant.zeroPoint];
  const width = (max - min) / counts.length;
  for (let bin = 0; bin < counts.length; bin += 1) {
    const count = counts[bin] as number;
    if (count === 0) continue;
    const value = min + (bin + 0.5) * width;
    const integer = clamp(Math.round(value / quant.scale), low, high);
    yield { value, count, integer, back: integer * quant.scale };
  }
}

function squaredError(histogram: Histogram, range: RealRange): number {
  let sum = 0;
  for (const { value, count, back } of rounded(histogram, range)) {
    sum += count * (value - back) ** 2;
  }
  return sum;
}

/** A probability in place of 0, which would make a divergence infinite. */
const unseen = 1e-12;

/**
 * The Kullback-Leibler divergence of the quantized distribution from the observed one (Migacz, 8-bit
 * Inference with TensorRT, 2017): clipped values count at the ends of the observed one, and are
 * missing from the quantized one, whose shares are spread evenly over the bins that become the same
 * integer. The bin of 0 is left out: a ReLU's zeros are exact in any scale.
 */
function divergence(histogram: Histogram, range: RealRange): number {
  const { min, max } = rangeOf(activationQuant(range));
  const width = (histogram.max - histogram.min) / histogram.counts.length;
  const groups = new Map<number, { inside: number; observed: number; bins: number }>();
  const inside: { count: number; integer: number }[] = [];
  for (const { value, count, integer } of rounded(histogram, range)) {
    if (Math.abs(value) <= width) continue;
    const group = groups.get(integer) ?? { inside: 0, observed: 0, bins: 0 };
    groups.set(integer, group);
    group.observed += count;
    if (value < min || value > max) continue;
    group.inside += count;
    group.bins += 1;
    inside.push({ count, integer });
  }
  const all = [...groups.values()];
  const observed = all.reduce((sum, group) => sum + group.observed, 0);
  const kept = all.reduce((sum, group) => sum + group.inside, 0);
  if (kept === 0) return Number.POSITIVE_INFINITY;
  let sum = 0;
  for (const { count, integer } of inside) {
    const group = groups.get(integer) as { inside: number; observed: number; bins: number };
    const clipped = (group.observed - group.inside) / group.bins;
    const p = (count + clipped) / observed;
    sum += p * Math.log(p / (group.inside / group.bins / kept));
  }
  // Clipped values whose integer nothing inside becomes: the quantized distribution lacks them.
  for (const { bins, observed: clipped } of all) {
    if (bins === 0) sum += (clipped / observed) * Math.log(clipped / observed / unseen);
  }
  return sum;
}
