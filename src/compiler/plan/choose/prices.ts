/**
 * Alternatives of steps, and which of them cost least at given prices per byte.
 *
 * All steps have the same prices, so each step can be chosen independently. Only the code of
 * kernels is shared by steps.
 */
import type { Implementation } from '../schedule/parts.js';
import type { Region } from '../types.js';

/** Machine code that an image contains once, however many steps call it. */
export interface CodeUnit {
  /** Identifies it. */
  readonly key: string;
  /** Estimated. */
  readonly bytes: number;
}

/** The constants of one call, which lie in one place. */
export interface Piece {
  readonly weightBytes: number;
  /** Cycles lost if they are read from flash, not RAM, during a run. */
  readonly missCycles: number;
}

export interface Alternative {
  readonly implementation: Implementation;
  /** Without cache misses. */
  readonly cycles: number;
  /** Weights and tables. */
  readonly flashBytes: number;
  /** Bytes of the arena during the step. */
  readonly arenaBytes: number;
  readonly code: readonly CodeUnit[];
  readonly pieces: readonly Piece[];
}

export interface StepAlternatives {
  readonly alternatives: readonly Alternative[];
  readonly refused: readonly string[];
  /** Absent if the step has none. */
  readonly weights?: { readonly count: number; readonly zeros: number };
}

/** An alternative with its pieces placed. */
export interface Pick {
  readonly alternative: Alternative;
  readonly regions: readonly Region[];
  readonly cycles: number;
  readonly sramBytes: number;
}

/** Cycles per byte. */
export interface Prices {
  readonly flash: number;
  readonly sram: number;
}

/** The steps with only those alternatives with which the arena holds at most `arenaBytes`. */
export function within(
  steps: readonly StepAlternatives[],
  arenaBytes: number,
): readonly StepAlternatives[] {
  return steps.map((step) => ({
    ...step,
    alternatives: step.alternatives.filter((one) => one.arenaBytes <= arenaBytes),
  }));
}

/** The alternative of each step that costs least, without the code of kernels. */
export function choose(steps: readonly StepAlternatives[], prices: Prices): readonly Pick[] {
  return steps.map(({ alternatives }) => {
    let [best] = alternatives;
    let least = Infinity;
    for (const alternative of alternatives) {
      const price = leastPriceOf(alternative, prices);
      if (price < least) [best, least] = [alternative, price];
    }
    return place(best as Alternative, prices.sram);
  });
}

/** In cycles. */
export function priceOf({ alternative, cycles, sramBytes }: Pick, { flash, sram }: Prices): number {
  return cycles + flash * alternative.flashBytes + (sramBytes === 0 ? 0 : sram * sramBytes);
}

/** `priceOf` what `place` returns, without the pick: a choice asks this of every alternative. */
export function leastPriceOf(
  { cycles, flashBytes, pieces }: Alternative,
  { flash, sram }: Prices,
): number {
  let time = cycles;
  let sramBytes = 0;
  for (const piece of pieces) {
    if (isCopied(piece, sram)) sramBytes += piece.weightBytes;
    else time += piece.missCycles;
  }
  return time + flash * flashBytes + (sramBytes === 0 ? 0 : sram * sramBytes);
}

/** Copies a piece to RAM if that saves more cycles than its bytes cost. */
export function place(alternative: Alternative, sramPrice: number): Pick {
  const regions = alternative.pieces.map(
    (piece): Region => (isCopied(piece, sramPrice) ? 'sram' : 'flash'),
  );
  return placed(alternative, regions);
}

function isCopied({ weightBytes, missCycles }: Piece, sramPrice: number): boolean {
  return missCycles > 0 && missCycles > sramPrice * weightBytes;
}

export function placed(alternative: Alternative, regions: readonly Region[]): Pick {
  let { cycles } = alternative;
  let sramBytes = 0;
  alternative.pieces.forEach(({ weightBytes, missCycles }, piece) => {
    if (regions[piece] === 'sram') sramBytes += weightBytes;
    else cycles += missCycles;
  });
  return { alternative, regions, cycles, sramBytes };
}

export function total(picks: readonly Pick[], of: (pick: Pick) => number): number {
  return picks.reduce((sum, pick) => sum + of(pick), 0);
}

/** Weights and tables. */
export function flashOf(picks: readonly Pick[]): number {
  return total(picks, ({ alternative }) => alternative.flashBytes);
}

/** Share by which code may be larger than its kernels were one by one. */
export const codeMargin = 0.1;

export function sramOf(picks: readonly Pick[]): number {
  return total(picks, ({ sramBytes }) => sramBytes);
}
