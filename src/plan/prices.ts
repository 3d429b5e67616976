/**
 * Alternatives of steps, and which of them cost least at so many cycles for each byte.
 *
 * Prices hold for all steps alike, so that each step can be chosen for by itself; only the code of
 * kernels is shared by steps.
 */
import type { Optimize } from '../ir/op.js';
import type { Implementation } from './parts.js';
import type { Region } from './types.js';

/** Bytes that there are. Infinity: no limit. */
export interface Budget {
  /** Of flash, for the whole image. */
  readonly flashBytes: number;
  /** Of RAM, for copies of weights. */
  readonly sramBytes: number;
}

/** The runtime with its serial line, and what a kernel takes besides: upper bounds of those measured. */
const runtimeBytes = 7 * 1024;
const kernelBytes: Readonly<Record<Optimize, number>> = { speed: 2600, balanced: 1250, size: 640 };

/** About what the code of an image takes that has so many different kernels. */
export function codeBytesOf(kernels: number, optimize: Optimize): number {
  return runtimeBytes + kernels * kernelBytes[optimize];
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

/** For each step what costs least; the code of kernels is not looked at. */
export function choose(steps: readonly Step[], prices: Prices): readonly Pick[] {
  return steps.map(({ alternatives }) => {
    const picks = alternatives.map((alternative) => place(alternative, prices.sram));
    return picks.reduce((best, pick) =>
      costOf(pick, prices) < costOf(best, prices) ? pick : best,
    );
  });
}

function costOf({ alternative, cycles, sramBytes }: Pick, { flash, sram }: Prices): number {
  return cycles + flash * alternative.flashBytes + (sramBytes === 0 ? 0 : sram * sramBytes);
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

/** What is chosen, and the prices that led to it. */
export interface Settlement {
  readonly picks: readonly Pick[];
  readonly prices: Prices;
  /** By the budget: the price of flash is above the wanted one. */
  readonly isForced: boolean;
}

/** The choice at the lowest prices, of flash from `wanted` on, at which everything fits. */
export function settle(
  steps: readonly Step[],
  wanted: number,
  budget: Budget,
  optimize: Optimize,
): Settlement {
  const settled = (flash: number) => settleAt(steps, flash, budget, optimize);
  const flash = cheapestPrice(
    wanted,
    (price) => imageBytes(settled(price).picks, optimize) <= budget.flashBytes,
  );
  const settlement = settled(flash);
  const isForced = flash > wanted;
  if (!isForced) return { ...settlement, isForced };
  return { ...settlement, picks: upgraded(steps, settlement, wanted, budget, optimize), isForced };
}

/** The choice at a price of flash, whether or not it fits. */
function settleAt(
  steps: readonly Step[],
  flash: number,
  { sramBytes }: Budget,
  optimize: Optimize,
): Omit<Settlement, 'isForced'> {
  const pricesFor = (steps: readonly Step[]): Prices => {
    const fits = (sram: number) => sramOf(choose(steps, { flash, sram })) <= sramBytes;
    return { flash, sram: cheapestPrice(0, fits) };
  };
  const few = withFewKernels(steps, pricesFor(steps), optimize);
  const prices = pricesFor(few);
  return { picks: choose(few, prices), prices };
}

/**
 * The steps without kernels whose code costs more than what other kernels of these steps cost more:
 * given up one by one.
 */
function withFewKernels(
  steps: readonly Step[],
  prices: Prices,
  optimize: Optimize,
): readonly Step[] {
  if (prices.flash === 0) return steps;
  const weigh = (steps: readonly Step[]) => {
    const picks = choose(steps, prices);
    const code = prices.flash * codeBytesOf(kernelsOf(picks).length, optimize);
    return { steps, picks, cost: code + total(picks, (pick) => costOf(pick, prices)) };
  };
  let best = weigh(steps);
  for (;;) {
    const { steps, picks, cost } = best;
    const [cheapest] = kernelsOf(picks)
      .map((kernel) => weigh(steps.map((step) => withoutKernel(step, kernel))))
      .sort((a, b) => a.cost - b.cost);
    if (cheapest === undefined || cheapest.cost >= cost) return steps;
    best = cheapest;
  }
}

/**
 * Where one price moves many steps at once, much may be left over: it goes, step by step, to what
 * gains most for each byte, as long as it fits and is worth the wanted price.
 */
function upgraded(
  steps: readonly Step[],
  { picks, prices }: Omit<Settlement, 'isForced'>,
  wanted: number,
  budget: Budget,
  optimize: Optimize,
): readonly Pick[] {
  const chosen = [...picks];
  for (;;) {
    const flashRoom = budget.flashBytes - imageBytes(chosen, optimize);
    const sramRoom = budget.sramBytes - sramOf(chosen);
    const uses = new Map<string, number>();
    for (const pick of chosen) uses.set(kernelOf(pick), (uses.get(kernelOf(pick)) ?? 0) + 1);
    const better = chosen.flatMap((now, index) =>
      (steps[index] as Step).alternatives.flatMap((alternative) => {
        const inSram = place(alternative, prices.sram);
        const isRoom = inSram.sramBytes - now.sramBytes <= sramRoom;
        const pick = isRoom ? inSram : place(alternative, Infinity);
        const gained = now.cycles - pick.cycles;
        const isNew = !uses.has(kernelOf(pick));
        const isLast = kernelOf(pick) !== kernelOf(now) && uses.get(kernelOf(now)) === 1;
        const kernels = (isNew ? 1 : 0) - (isLast ? 1 : 0);
        const bytes =
          alternative.flashBytes - now.alternative.flashBytes + kernels * kernelBytes[optimize];
        const isWorthIt = gained > 0 && gained >= wanted * bytes && bytes <= flashRoom;
        return isWorthIt ? [{ index, pick, density: gained / Math.max(1, bytes) }] : [];
      }),
    );
    const [best] = better.sort((a, b) => b.density - a.density);
    if (best === undefined) return chosen;
    chosen[best.index] = best.pick;
  }
}

function kernelsOf(picks: readonly Pick[]): readonly string[] {
  return [...new Set(picks.map(kernelOf))];
}

function kernelOf({ alternative }: Pick): string {
  return alternative.implementation.variant.template;
}

/** The step as it is where nothing else can compute it. */
function withoutKernel(step: Step, kernel: string): Step {
  const alternatives = step.alternatives.filter(
    ({ implementation }) => implementation.variant.template !== kernel,
  );
  return alternatives.length > 0 ? { ...step, alternatives } : step;
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
  let room = sramBytes - sramOf(picks);
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

/** Weights and tables. */
export function flashOf(picks: readonly Pick[]): number {
  return total(picks, ({ alternative }) => alternative.flashBytes);
}

/** Of flash, code included, about. */
export function imageBytes(picks: readonly Pick[], optimize: Optimize): number {
  return flashOf(picks) + codeBytesOf(kernelsOf(picks).length, optimize);
}

function sramOf(picks: readonly Pick[]): number {
  return total(picks, ({ sramBytes }) => sramBytes);
}
