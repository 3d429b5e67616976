/**
 * The arena's bytes at each step with each kernel, and how large the arena may be for fast kernels.
 *
 * The arena is as large as its largest step. Kernels within that cost nothing, and the first kernel
 * beyond it pays for all. So the choice is a limit, and every step takes a kernel within it.
 */
import type { TensorId } from '../../ir/graph.js';
import {
  type Alternative,
  leastPriceOf,
  type Prices,
  type StepAlternatives,
} from '../choose/prices.js';
import { addedBytes, type KernelMemory, resolve, type Schedule } from './lifetimes.js';

/**
 * Bytes of the arena in every step with each of its kernels. No packing with that kernel needs
 * less.
 *
 * @param kernels for each step, what its possible kernels do to memory
 */
export function stepBytes(
  schedule: Schedule,
  kernels: readonly (readonly KernelMemory[])[],
): readonly (readonly number[])[] {
  const { nodes, owners, buffers, bufferOf, diesIn } = resolve(schedule);
  const bytes = (id: TensorId) => bufferOf(id)?.bytes ?? 0;
  // Indexed by step + 1, because inputs are written before the first step.
  const changes = new Float64Array(nodes.length + 3);
  const change = (step: number, by: number) => {
    changes[step + 1] = (changes[step + 1] ?? 0) + by;
  };
  for (const buffer of buffers) {
    change(buffer.first, buffer.bytes);
    change(buffer.last + 1, -buffer.bytes);
  }
  let liveBytes = changes[0] ?? 0;
  return nodes.map((node, step) => {
    liveBytes += changes[step + 1] ?? 0;
    return (kernels[step] ?? []).map(
      (kernel) => liveBytes + addedBytes(node, owners, kernel, bytes, diesIn(step)),
    );
  });
}

/**
 * Below this, doubling the arena costs little: scratch is a tile or a few rows for any model, and
 * few boards have less RAM for an arena.
 */
const leastDoubled = 16 * 1024;

/** The arena as it is priced: its growth on top of at least `leastDoubled` bytes. */
export function arenaWorth(bytes: number, leastBytes: number): number {
  return Math.max(leastBytes, leastDoubled) + bytes - leastBytes;
}

/** What each step could take, by the arena's bytes: the same at all prices. */
export interface Offers {
  /** The largest step, with its leanest kernel. */
  readonly leastArenaBytes: number;
  /** All alternatives in ascending order of their need. */
  readonly ascending: readonly { readonly step: number; readonly alternative: Alternative }[];
}

export function offersOf(steps: readonly StepAlternatives[]): Offers {
  const needs = steps.map(({ alternatives }) => alternatives.map((one) => one.arenaBytes));
  return {
    leastArenaBytes: largestOfLeast(needs),
    ascending: steps
      .flatMap(({ alternatives }, step) =>
        alternatives.map((alternative) => ({ step, alternative })),
      )
      .sort((a, b) => a.alternative.arenaBytes - b.alternative.arenaBytes),
  };
}

/**
 * The limit of the arena with the least total cost: the steps' kernels at `prices`, and the arena
 * at `ramPrice` a byte. The smallest limit wins a tie.
 *
 * @param leastBytes the arena's bytes with the leanest kernels
 */
export function cheapestArena(
  { leastArenaBytes, ascending }: Offers,
  prices: Prices,
  ramPrice: number,
  leastBytes: number,
): number {
  const least = Math.max(leastBytes, leastArenaBytes);
  const costs: number[] = [];
  let best = { bytes: least, cost: Infinity };
  let saved = 0;
  ascending.forEach(({ step, alternative }, i) => {
    const bytes = Math.max(least, alternative.arenaBytes);
    const before = costs[step] ?? Infinity;
    const cost = Math.min(before, leastPriceOf(alternative, prices));
    costs[step] = cost;
    if (bytes > least) saved += before - cost;
    // Alternatives with the same need are added together.
    const next = ascending[i + 1]?.alternative.arenaBytes ?? Infinity;
    if (next <= bytes) return;
    const total = ramPrice * (bytes - least) - saved;
    if (total < best.cost) best = { bytes, cost: total };
  });
  return best.bytes;
}

/** The largest step, with its leanest kernel. */
export function largestOfLeast(needs: readonly (readonly number[])[]): number {
  return needs.reduce((most, all) => Math.max(most, Math.min(...all)), 0);
}
