/**
 * Alternatives of steps, and which of them cost least at so many cycles for each byte.
 *
 * Prices hold for all steps alike, so that each step can be chosen for by itself; only the code of
 * kernels is shared by steps.
 */
import type { Implementation } from './parts.js';
import type { Region } from './types.js';

/** Bytes that there are. Infinity: no limit. */
export interface Budget {
  /** Of flash, for the whole image. */
  readonly flashBytes: number;
  /** Of flash, for what is in every image: the runtime, and what calls the kernels. */
  readonly runtimeBytes: number;
  /** Of RAM, for copies of weights. */
  readonly sramBytes: number;
}

/** Machine code that an image has once, however many steps call it. */
export interface CodeUnit {
  /** Tells it from others. */
  readonly key: string;
  /** Estimated. */
  readonly bytes: number;
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
  readonly code: readonly CodeUnit[];
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
      priceOf(pick, prices) < priceOf(best, prices) ? pick : best,
    );
  });
}

/** In cycles. */
export function priceOf({ alternative, cycles, sramBytes }: Pick, { flash, sram }: Prices): number {
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
  /** By the budget: the price of flash is above the wanted ones that do not fit. */
  readonly isForced: boolean;
}

/**
 * The choice at those of the wanted prices of flash at which everything fits, and at the lowest that
 * fits where one is too low.
 *
 * @param worth of those the one at which it is least is taken
 */
export function settle(
  steps: readonly Step[],
  wanted: readonly number[],
  budget: Budget,
  worth: (picks: readonly Pick[]) => number,
): Settlement {
  const fits = (one: Settlement) => isWithin(budget, one);
  const free = wanted.map((flash) => settleAt(steps, flash, budget));
  const tooLow = free.filter((one) => !fits(one)).map(({ prices }) => prices.flash);
  const fitting = free.filter(fits).map((one) =>
    // A price of RAM may leave some over too.
    one.prices.sram > 0 ? upgraded(steps, one, one.prices.flash, budget) : one,
  );
  const settlements =
    tooLow.length === 0
      ? fitting
      : [...fitting, settleWithin(steps, Math.min(...tooLow), Math.max(...tooLow), budget)];
  return settlements.reduce((best, one) => (worth(one.picks) < worth(best.picks) ? one : best));
}

/**
 * @param wanted what is left over buys at this price
 * @param tooLow a price at which not everything fits
 */
function settleWithin(
  steps: readonly Step[],
  wanted: number,
  tooLow: number,
  budget: Budget,
): Settlement {
  const fits = (price: number) => isWithin(budget, settleAt(steps, price, budget));
  const flash = cheapestPrice(tooLow, fits);
  const settlement = settleAt(steps, flash, budget);
  return { ...upgraded(steps, settlement, wanted, budget), isForced: true };
}

function isWithin(budget: Budget, { picks }: Settlement): boolean {
  return imageBytes(picks, budget) <= budget.flashBytes;
}

/** The choice at a price of flash, whether or not it fits. */
function settleAt(steps: readonly Step[], flash: number, budget: Budget): Settlement {
  const settled = (steps: readonly Step[]): Settlement => {
    const fits = (sram: number) => sramOf(choose(steps, { flash, sram })) <= budget.sramBytes;
    const prices = { flash, sram: cheapestPrice(0, fits) };
    return { picks: fill(choose(steps, prices), budget.sramBytes), prices, isForced: false };
  };
  const cost = ({ picks }: Settlement) =>
    total(picks, ({ cycles }) => cycles) + flash * imageBytes(picks, budget);
  const all = settled(steps);
  if (flash === 0) return all;
  // RAM may not have room for the kernels that are left.
  const few = settled(withFewKernels(steps, all.prices, budget));
  return cost(few) < cost(all) ? few : all;
}

/**
 * The steps without kernels whose code costs more than what other kernels of these steps cost more:
 * given up one by one, or all but one at once.
 */
function withFewKernels(steps: readonly Step[], prices: Prices, budget: Budget): readonly Step[] {
  const weigh = (steps: readonly Step[]) => {
    const picks = choose(steps, prices);
    const code = prices.flash * codeBytesOf(picks, budget);
    return { steps, picks, cost: code + total(picks, (pick) => priceOf(pick, prices)) };
  };
  const all = new Set(steps.flatMap(({ alternatives }) => alternatives.map(templateOf)));
  const alone = [...all].map((template) => weigh(keep(steps, (other) => other === template)));
  let best = [weigh(steps), ...alone].reduce((a, b) => (b.cost < a.cost ? b : a));
  for (;;) {
    const { steps, picks, cost } = best;
    const used = new Set(picks.map(({ alternative }) => templateOf(alternative)));
    const [cheapest] = [...used]
      .map((template) => weigh(keep(steps, (other) => other !== template)))
      .sort((a, b) => a.cost - b.cost);
    if (cheapest === undefined || cheapest.cost >= cost) return steps;
    best = cheapest;
  }
}

/** The steps with those kernels only; as they are where no other can compute them. */
function keep(steps: readonly Step[], isKept: (template: string) => boolean): readonly Step[] {
  return steps.map((step) => {
    const alternatives = step.alternatives.filter((one) => isKept(templateOf(one)));
    return alternatives.length > 0 ? { ...step, alternatives } : step;
  });
}

function templateOf({ implementation }: Alternative): string {
  return implementation.variant.template;
}

/**
 * Where one price moves many steps at once, much may be left over: it goes, step by step, to what
 * gains most for its share of that, as long as it fits and is worth the wanted price.
 */
function upgraded(
  steps: readonly Step[],
  settlement: Settlement,
  wanted: number,
  budget: Budget,
): Settlement {
  const { prices } = settlement;
  const chosen = [...settlement.picks];
  for (;;) {
    const flashRoom = budget.flashBytes - imageBytes(chosen, budget);
    const sramRoom = budget.sramBytes - sramOf(chosen);
    const uses = new Map<string, number>();
    for (const { key } of chosen.flatMap(({ alternative }) => alternative.code)) {
      uses.set(key, (uses.get(key) ?? 0) + 1);
    }
    const better = chosen.flatMap((now, index) =>
      (steps[index] as Step).alternatives.flatMap((alternative) => {
        const inSram = place(alternative, prices.sram);
        const isRoom = inSram.sramBytes - now.sramBytes <= sramRoom;
        const pick = isRoom ? inSram : place(alternative, Infinity);
        const gained = now.cycles - pick.cycles;
        if (gained <= 0) return [];
        const bytes =
          alternative.flashBytes -
          now.alternative.flashBytes +
          (1 + codeMargin) * codeAdded(now, alternative, uses);
        const isWorthIt = gained >= wanted * bytes && bytes <= flashRoom;
        if (!isWorthIt) return [];
        const added = pick.sramBytes - now.sramBytes;
        const share = shareOf(bytes, flashRoom) + shareOf(added, sramRoom);
        return [{ index, pick, density: gained / Math.max(1e-9, share) }];
      }),
    );
    const [best] = better.sort((a, b) => b.density - a.density);
    if (best === undefined) return { ...settlement, picks: chosen };
    chosen[best.index] = best.pick;
  }
}

function shareOf(bytes: number, room: number): number {
  return Math.max(0, bytes) / Math.max(1, room);
}

/** Bytes by which the code grows where a step gets another kernel. */
function codeAdded(now: Pick, { code }: Alternative, uses: ReadonlyMap<string, number>): number {
  const isNew = ({ key }: CodeUnit) => !uses.has(key);
  const isLast = ({ key }: CodeUnit) =>
    uses.get(key) === 1 && !code.some((unit) => unit.key === key);
  return sumOf(code.filter(isNew)) - sumOf(now.alternative.code.filter(isLast));
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
  if (!fits(high)) return high;
  for (let i = 0; i < 24; i++) {
    const middle = (low + high) / 2;
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** What a price leaves over of RAM goes to the pieces that gain most for each byte and still fit. */
function fill(picks: readonly Pick[], sramBytes: number): readonly Pick[] {
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

/** By how much code may be larger than its kernels were one by one, as a share. */
const codeMargin = 0.1;

/** Of flash: the code too, estimated. */
export function imageBytes(picks: readonly Pick[], budget: Budget): number {
  return flashOf(picks) + Math.ceil((1 + codeMargin) * codeBytesOf(picks, budget));
}

function codeBytesOf(picks: readonly Pick[], { runtimeBytes }: Budget): number {
  const units = picks.flatMap(({ alternative }) => alternative.code);
  return runtimeBytes + sumOf([...new Map(units.map((unit) => [unit.key, unit])).values()]);
}

function sumOf(units: readonly CodeUnit[]): number {
  return units.reduce((sum, { bytes }) => sum + bytes, 0);
}

function sramOf(picks: readonly Pick[]): number {
  return total(picks, ({ sramBytes }) => sramBytes);
}
