/** Groups of output channels that are computed together because their weights share work. */
import { type ProductCycles, planCycles } from './products.js';

const magnitudes = 129;

/** Cycles that two weights save where they multiply the same word, by their magnitudes. */
export type Savings = Float32Array;

/** @param loadCycles what one word less to load saves, about */
export function savingsOf(cycles: ProductCycles, loadCycles: number): Savings {
  return Float32Array.from({ length: magnitudes ** 2 }, (_, i) => {
    const pair = [Math.floor(i / magnitudes), i % magnitudes];
    if (pair.includes(0)) return 0;
    const apart = pair.reduce((sum, weight) => sum + planCycles([weight], cycles), 0);
    return loadCycles + apart - planCycles(pair, cycles);
  });
}

/**
 * Groups of `size` of the channels (the last may be smaller), by greedy choice.
 *
 * @param weights of each channel, one a tap
 * @returns indices of channels
 */
export function groupChannels(
  weights: readonly ArrayLike<number>[],
  size: number,
  savings: Savings,
): readonly (readonly number[])[] {
  const gains = weights.map((a, i) =>
    weights.map((b, j) => (j < i ? sharedCycles(a, b, savings) : 0)),
  );
  const gain = (i: number, j: number) => gains[Math.max(i, j)]?.[Math.min(i, j)] ?? 0;
  const left = new Set(weights.keys());
  const groups: number[][] = [];
  while (left.size > 0) {
    const group: number[] = [];
    const add = (channel: number) => {
      group.push(channel);
      left.delete(channel);
    };
    // The first two channels share the most; each further one shares the most with the group.
    const [first] = best([...left], (i) =>
      Math.max(...[...left].map((j) => (i === j ? -1 : gain(i, j)))),
    );
    add(first as number);
    while (group.length < size && left.size > 0) {
      const [next] = best([...left], (i) => group.reduce((sum, j) => sum + gain(i, j), 0));
      add(next as number);
    }
    groups.push(group.sort((a, b) => a - b));
  }
  return groups;
}

function sharedCycles(a: ArrayLike<number>, b: ArrayLike<number>, savings: Savings): number {
  let cycles = 0;
  for (let tap = 0; tap < a.length; tap += 1) {
    const [p, q] = [Math.abs(a[tap] as number), Math.abs(b[tap] as number)];
    cycles += savings[p * magnitudes + q] as number;
  }
  return cycles;
}

/** The first item with the highest score, in an array; empty if there are no items. */
function best(items: readonly number[], score: (item: number) => number): readonly number[] {
  let highest = -Infinity;
  let chosen: number[] = [];
  for (const item of items) {
    const value = score(item);
    if (value > highest) [highest, chosen] = [value, [item]];
  }
  return chosen;
}
