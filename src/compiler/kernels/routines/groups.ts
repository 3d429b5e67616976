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
  const gains = gainsOf(weights, savings);
  const gain = (i: number, j: number) => gains[Math.max(i, j)]?.[Math.min(i, j)] ?? 0;
  const left = new Set(weights.keys());
  const partners = new Partners(left, gain);
  const groups: number[][] = [];
  while (left.size > 0) {
    const group: number[] = [];
    const shared = new Float64Array(weights.length);
    const add = (channel: number) => {
      group.push(channel);
      left.delete(channel);
      for (const i of left) shared[i] = (shared[i] as number) + gain(i, channel);
    };
    // The first two channels share the most; each further one shares the most with the group.
    add(best(left, (i) => partners.most(i)));
    while (group.length < size && left.size > 0) add(best(left, (i) => shared[i] as number));
    groups.push(group.sort((a, b) => a - b));
  }
  return groups;
}

/** What two channels save, at the larger index and the smaller. */
function gainsOf(weights: readonly ArrayLike<number>[], savings: Savings): readonly Float64Array[] {
  const all = weights.map((row) => Uint8Array.from(row, Math.abs));
  return all.map((a, i) =>
    Float64Array.from({ length: i }, (_, j) => sharedCycles(a, all[j] as Uint8Array, savings)),
  );
}

/** What each channel that is left saves at most with one other: looked for again where that one is gone. */
class Partners {
  private readonly found = new Map<number, { readonly other: number; readonly most: number }>();

  constructor(
    private readonly left: ReadonlySet<number>,
    private readonly gain: (i: number, j: number) => number,
  ) {}

  most(i: number): number {
    const known = this.found.get(i);
    if (known !== undefined && this.left.has(known.other)) return known.most;
    let [other, most] = [-1, -1];
    for (const j of this.left) {
      const value = i === j ? -1 : this.gain(i, j);
      if (value > most) [other, most] = [j, value];
    }
    this.found.set(i, { other, most });
    return most;
  }
}

function sharedCycles(a: Uint8Array, b: Uint8Array, savings: Savings): number {
  let cycles = 0;
  for (let tap = 0; tap < a.length; tap += 1) {
    cycles += savings[(a[tap] as number) * magnitudes + (b[tap] as number)] as number;
  }
  return cycles;
}

/** The first item with the highest score, of one item or more. */
function best(items: Iterable<number>, score: (item: number) => number): number {
  let [chosen, highest] = [-1, -Infinity];
  for (const item of items) {
    const value = score(item);
    if (value > highest) [chosen, highest] = [item, value];
  }
  return chosen;
}
