/**
 * What a choice of kernels takes, and how good that is: one number for a goal and its budgets.
 */
import type { Optimize } from '../../ir/op.js';
import { arenaWorth } from '../arena/memory.js';
import type { Room } from './room.js';

/** What all steps take together. */
export interface Totals {
  readonly cycles: number;
  /** Flash of the whole image, code included. */
  readonly imageBytes: number;
  readonly arenaBytes: number;
  /** Bytes of weights that are copied to RAM. */
  readonly copiedBytes: number;
}

/** What a goal weighs. */
export interface Cost {
  /** The logarithm of it: 0.01 more is 1 % worse. */
  cost(totals: Totals): number;
}

export interface Goal extends Cost {
  /** Cycles per byte of flash at which to look for good choices. */
  readonly flashPrices: readonly number[];
  /** Cycles per byte of the arena, at a price of flash. */
  arenaPrice(flashPrice: number): number;
}

/** Figures of a model that its costs are relative to. */
export interface Scale {
  /** With the fastest kernels. */
  readonly cycles: number;
  /** Of constants, with the smallest dense kernels: zeros must not make other bytes expensive. */
  readonly denseBytes: number;
}

/** Doubling the constants or the arena must save a fifth of the time of the fastest kernels. */
const worthOfBytes = 0.2;

/** With size, doubling the time or the arena must save an eighteenth of the image: 1 − 2^(−1/12). */
const exponent = 1 / 12;

/** With speed, doubling the image must save three hundredths of the time. */
const worthOfImage = -Math.log2(1 - 0.03);

/** The fewest cycles; of equally fast choices the smaller one is better. */
export const fastestGoal: Goal = {
  cost: (totals) => ln(totals.cycles) + 1e-9 * ln(totals.imageBytes),
  flashPrices: [0],
  arenaPrice: () => 0,
};

export function goalOf(optimize: Optimize, { cycles, denseBytes }: Scale, room: Room): Goal {
  const { leastArenaBytes, runtimeBytes } = room;
  // No image is smaller than its runtime, so few weights must not make code expensive.
  const bytes = Math.max(1, denseBytes, runtimeBytes);
  const arenaOf = (totals: Totals) => arenaWorth(totals.arenaBytes, leastArenaBytes);
  const least = arenaWorth(leastArenaBytes, leastArenaBytes);
  if (optimize === 'speed') {
    return {
      cost: (totals) => ln(totals.cycles) + worthOfImage * ln(totals.imageBytes),
      flashPrices: [0, (worthOfImage * cycles) / bytes],
      arenaPrice: () => 0,
    };
  }
  if (optimize === 'size') {
    return {
      cost: (totals) => ln(totals.imageBytes) + exponent * ln(totals.cycles * arenaOf(totals)),
      flashPrices: Array.from({ length: 13 }, (_, i) => (2 ** i * cycles) / bytes),
      arenaPrice: (flash) => (exponent * flash * (denseBytes + runtimeBytes)) / least,
    };
  }
  const flash = (worthOfBytes * cycles) / bytes;
  const arena = (worthOfBytes * cycles) / least;
  return {
    cost: (totals) => Math.log(totals.cycles + flash * totals.imageBytes + arena * arenaOf(totals)),
    flashPrices: [flash],
    arenaPrice: (price) => Math.min(arena, (price * bytes) / least),
  };
}

/** The cost at given prices: the logarithm of cycles. */
export function linearGoal(flash: number, arena: number): Cost {
  return {
    cost: ({ cycles, imageBytes, arenaBytes }) =>
      ln(cycles + flash * imageBytes + arena * arenaBytes),
  };
}

/**
 * A plan that exceeds a budget is worse than any that does not, and the worse the more: a hundredth
 * of the time weighs as much as 2.7 times the cost. An image that is too large is worse
 * than any that takes too long.
 */
const late = { atAll: 1e3, slope: 100 };
const large = { atAll: 1e6, slope: 1e4 };

/** Infinity: RAM does not hold the copies of weights beside the arena. */
export function scoreOf(totals: Totals, goal: Cost, room: Room): number {
  const { cycles, imageBytes, arenaBytes, copiedBytes } = totals;
  if (copiedBytes > room.copyBytes(arenaBytes)) return Infinity;
  return (
    goal.cost(totals) +
    excess(cycles, room.mostCycles, late) +
    excess(imageBytes, room.flashBytes, large)
  );
}

function excess(used: number, limit: number, { atAll, slope }: typeof late): number {
  return used > limit ? atAll + slope * Math.log(used / limit) : 0;
}

export function isWithin({ imageBytes, cycles }: Totals, room: Room): boolean {
  return imageBytes <= room.flashBytes && cycles <= room.mostCycles;
}

/** The logarithm; 0 of nothing. */
function ln(amount: number): number {
  return Math.log(Math.max(1, amount));
}
