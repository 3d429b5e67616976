/** A sum of two quantized operands as two look-ups and a shift, exact for all 65 536 pairs. */
import type { Sum } from './sum.js';

/** out = clamp((tables[a + 128] + tables[256 + b + 128]) >> shift). */
export interface SumTables {
  /** Entries for a = −128 … 127, then entries for b. */
  readonly tables: Int32Array;
  readonly shift: number;
}

const least = -128;
const count = 256;
/** A finer resolution makes no further sum possible. */
const finestShift = 24;

/**
 * Tables whose sum, shifted and clamped to [low, high], is the operator's output for every pair of
 * operands; null where no tables of 32 bits do.
 *
 * The output of a pair bounds A[a] + B[b] from below and above. These are difference constraints in
 * A and −B, which relaxation (Bellman–Ford) solves: starting from the rounded real values, A and −B
 * are lowered until they meet every bound. If values still move after as many rounds as there are
 * unknowns, no solution exists.
 */
export function sumTablesOf(sum: Sum, low: number, high: number): SumTables | null {
  const a = Array.from({ length: count }, (_, i) => sum.ofA(least + i));
  const b = Array.from({ length: count }, (_, i) => sum.ofB(least + i));
  const largest = (values: readonly number[]) => Math.max(...values.map(Math.abs));
  const reach = (largest(a) + largest(b)) * sum.ratio + Math.abs(sum.zeroPoint) + 2;
  const shift = Math.min(finestShift, Math.floor(Math.log2((2 ** 31 - 1) / reach)));
  if (shift < 0) return null;
  const unit = 2 ** shift;
  const { lower, upper } = boundsOfPairs(sum, a, b, low, high, unit);
  const ofA = Float64Array.from(a, (x) => Math.round(x * sum.ratio * unit));
  // −B, since bounds of A + B are bounds of the difference of A and −B.
  const minusB = Float64Array.from(
    b,
    (y) => -Math.round((y * sum.ratio + sum.zeroPoint + 0.5) * unit),
  );
  for (let round = 0; relax(ofA, minusB, lower, upper); round += 1) {
    if (round > 2 * count) return null;
  }
  const ofB = minusB.map((value) => -value);
  const [leastA, mostA] = [Math.min(...ofA), Math.max(...ofA)];
  const [leastB, mostB] = [Math.min(...ofB), Math.max(...ofB)];
  const extremes = [leastA, mostA, leastB, mostB, leastA + leastB, mostA + mostB];
  if (extremes.some((value) => (value | 0) !== value)) return null;
  return { tables: Int32Array.of(...ofA, ...ofB), shift };
}

/** For each pair, the least and the greatest A + B that shift and clamp map to its output. */
function boundsOfPairs(
  sum: Sum,
  a: readonly number[],
  b: readonly number[],
  low: number,
  high: number,
  unit: number,
) {
  const lower = new Float64Array(count * count);
  const upper = new Float64Array(count * count);
  const { leastSums, isRising } = stepsOf(sum, a, b, low, high);
  for (let i = 0; i < count; i += 1) {
    let output = low;
    for (let rank = 0; rank < count; rank += 1) {
      const j = isRising ? rank : count - 1 - rank;
      const total = (a[i] as number) + (b[j] as number);
      while (output < high && total >= (leastSums[output - low] as number)) output += 1;
      lower[i * count + j] = output === low ? -Infinity : output * unit;
      upper[i * count + j] = output === high ? Infinity : (output + 1) * unit - 1;
    }
  }
  return { lower, upper };
}

/**
 * For each output above `low`, the least sum that gives this output or a greater one; Infinity if
 * no sum does. The output is non-decreasing in the sum, so bisection finds it.
 */
function stepsOf(sum: Sum, a: readonly number[], b: readonly number[], low: number, high: number) {
  const least = Math.min(...a) + Math.min(...b);
  const most = Math.max(...a) + Math.max(...b);
  const leastSums: number[] = [];
  for (let from = least, output = low + 1; output <= high; output += 1) {
    let to = most + 1;
    while (from < to) {
      const middle = Math.floor((from + to) / 2);
      if (sum.toOutput(middle) >= output) to = middle;
      else from = middle + 1;
    }
    leastSums.push(from > most ? Infinity : from);
  }
  return { leastSums, isRising: (b[0] as number) <= (b[count - 1] as number) };
}

/** One round of relaxation over all pairs; returns whether a value moved. */
function relax(
  ofA: Float64Array,
  minusB: Float64Array,
  lower: Float64Array,
  upper: Float64Array,
): boolean {
  let moved = false;
  for (let i = 0; i < count; i += 1) {
    let x = ofA[i] as number;
    for (let j = 0; j < count; j += 1) {
      const y = minusB[j] as number;
      const pair = i * count + j;
      const most = x - (lower[pair] as number);
      if (y > most) {
        minusB[j] = most;
        moved = true;
      }
      const highest = y + (upper[pair] as number);
      if (x > highest) {
        x = highest;
        moved = true;
      }
    }
    ofA[i] = x;
  }
  return moved;
}
