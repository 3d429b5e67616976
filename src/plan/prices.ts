/**
 * Alternatives of steps, and which of them cost least at so many cycles for each byte.
 *
 * Prices hold for all steps alike, so that each step can be chosen for by itself.
 */
import type { Implementation } from './parts.js';
import type { Region } from './types.js';

/** Bytes that constants may take. Infinity: no limit. */
export interface ConstantBudget {
  /** Of flash, for weights and tables. */
  readonly flashBytes: number;
  /** Of RAM, for copies of weights. */
  readonly sramBytes: number;
}

/** A piece of constants that lies in one place: those of one call. */
export interface Piece {
  readonly weightBytes: number;
  /** Cycles that it costs to read them from flash during a run rather than from RAM. */
  readonly missCycles: number;
}

export interface Alternative {
  readonly implementation: Implementation;
  /** Without misses of the cache. */
  readonly cycles: number;
  /** Weights and tables. */
  readonly flashBytes: number;
  readonly pieces: readonly Piece[];
}

export interface Step {
  readonly alternatives: readonly Alternative[];
  readonly refused: readonly string[];
}

/** An alternative with its pieces placed. */
export interface Pick {
  readonly alternative: Alternative;
  readonly regions: readonly Region[];
  readonly cycles: number;
  readonly sramBytes: number;
}

/** In cycles for each byte. */
export interface Prices {
  readonly flash: number;
  readonly sram: number;
}

export function choose(steps: readonly Step[], prices: Prices): readonly Pick[] {
  return steps.map(({ alternatives }) => {
    const picks = alternatives.map((alternative) => place(alternative, prices.sram));
    const cost = (pick: Pick) =>
      pick.cycles +
      prices.flash * pick.alternative.flashBytes +
      (pick.sramBytes === 0 ? 0 : prices.sram * pick.sramBytes);
    return picks.reduce((best, pick) => (cost(pick) < cost(best) ? pick : best));
  });
}

/** Each piece goes to RAM where that saves more cycles than its bytes cost. */
export function place(alternative: Alternative, sramPrice: number): Pick {
  const regions = alternative.pieces.map(
    ({ weightBytes, missCycles }): Region =>
      missCycles > 0 && missCycles > sramPrice * weightBytes ? 'sram' : 'flash',
  );
  return placed(alternative, regions);
}

function placed(alternative: Alternative, regions: readonly Region[]): Pick {
  let { cycles } = alternative;
  let sramBytes = 0;
  alternative.pieces.forEach(({ weightBytes, missCycles }, piece) => {
    if (regions[piece] === 'sram') sramBytes += weightBytes;
    else cycles += missCycles;
  });
  return { alternative, regions, cycles, sramBytes };
}

/** The lowest prices, of flash from `wanted` on, at which everything fits. */
export function pricesFor(steps: readonly Step[], wanted: number, budget: ConstantBudget): Prices {
  const flash = cheapestPrice(wanted, (price) => {
    const picks = choose(steps, { flash: price, sram: Infinity });
    return flashOf(picks) <= budget.flashBytes;
  });
  const sram = cheapestPrice(0, (price) => {
    const picks = choose(steps, { flash, sram: price });
    return total(picks, (pick) => pick.sramBytes) <= budget.sramBytes;
  });
  return { flash, sram };
}

/** The least price from `least` on at which `fits` holds, by bisection; far above where none does. */
function cheapestPrice(least: number, fits: (price: number) => boolean): number {
  if (fits(least)) return least;
  let low = Math.max(least, 1e-3);
  let high = low;
  while (high < 1e9 && !fits(high)) {
    low = high;
    high *= 4;
  }
  for (let i = 0; i < 24; i++) {
    const middle = (low + high) / 2;
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** What a price leaves over goes to the pieces that gain most for each byte and still fit. */
export function fill(picks: readonly Pick[], sramBytes: number): readonly Pick[] {
  let room = sramBytes - total(picks, (pick) => pick.sramBytes);
  const regions = picks.map((pick) => [...pick.regions]);
  const left = picks.flatMap(({ alternative }, step) =>
    alternative.pieces.map((piece, index) => ({ ...piece, step, index })),
  );
  const density = (piece: Piece) => piece.missCycles / Math.max(1, piece.weightBytes);
  left.sort((a, b) => density(b) - density(a));
  for (const { step, index, weightBytes, missCycles } of left) {
    const mine = regions[step] as Region[];
    if (mine[index] === 'sram' || missCycles === 0 || weightBytes > room) continue;
    mine[index] = 'sram';
    room -= weightBytes;
  }
  return picks.map(({ alternative }, step) => placed(alternative, regions[step] as Region[]));
}

export function total(picks: readonly Pick[], of: (pick: Pick) => number): number {
  return picks.reduce((sum, pick) => sum + of(pick), 0);
}

export function flashOf(picks: readonly Pick[]): number {
  return total(picks, ({ alternative }) => alternative.flashBytes);
}
