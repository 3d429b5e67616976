/**
 * The choice for all steps: the prices, the limit of the arena, and the use of the bytes that
 * remain.
 *
 * Code and arena do not belong to a single step: steps share kernels, and the largest step sets the
 * arena. So both are settled here, for each price of flash that is tried.
 */
import { cheapestArena, type Offers, offersOf } from '../arena/memory.js';
import type { Region } from '../types.js';
import {
  type Alternative,
  type CodeUnit,
  choose,
  codeBytesOf,
  codeMargin,
  imageBytes,
  type Pick,
  type Piece,
  type Prices,
  place,
  placed,
  priceOf,
  type StepAlternatives,
  sramOf,
  sumOf,
  total,
  within,
} from './prices.js';
import type { Room } from './room.js';

/** A choice, with the prices and the limit that led to it. */
export interface Settlement {
  readonly picks: readonly Pick[];
  readonly prices: Prices;
  /** Limit of the arena: no step has a kernel with which the arena holds more. */
  readonly arenaBytes: number;
  /**
   * Whether the budget decides: the price of flash is above the wanted prices, which do not fit.
   */
  readonly isForced: boolean;
}

/** What a model's bytes are worth. */
export interface Goal {
  /** Cycles per byte of flash; each is tried. */
  readonly flashPrices: readonly number[];
  /** Cycles per byte of the arena, at a price of flash. */
  arenaPrice(flashPrice: number): number;
  /** The settlement with the lowest worth is taken. */
  worth(picks: readonly Pick[], arenaBytes: number): number;
}

/**
 * The choice at the wanted prices of flash at which everything fits. If a wanted price is too low,
 * also the choice at the lowest price that fits.
 */
export function settle(steps: readonly StepAlternatives[], goal: Goal, room: Room): Settlement {
  const fits = (one: Settlement) => isWithin(room, one);
  const offers = offersOf(steps);
  const at = (flash: number) => settleAt(steps, offers, flash, goal, room);
  const free = goal.flashPrices.map(at);
  const tooLow = free.filter((one) => !fits(one)).map(({ prices }) => prices.flash);
  const fitting = free.filter(fits).map((one) =>
    // A price of RAM may leave some RAM unused too.
    one.prices.sram > 0 ? upgraded(steps, one, one.prices.flash, room) : one,
  );
  const settlements =
    tooLow.length === 0 ? fitting : [...fitting, settleWithin(steps, tooLow, at, room)];
  const worth = ({ picks, arenaBytes }: Settlement) => goal.worth(picks, arenaBytes);
  return settlements.reduce((best, one) => (worth(one) < worth(best) ? one : best));
}

/**
 * @param tooLow prices at which the image does not fit
 * @param at the choice at a price of flash
 */
function settleWithin(
  steps: readonly StepAlternatives[],
  tooLow: readonly number[],
  at: (flash: number) => Settlement,
  room: Room,
): Settlement {
  const flash = cheapestPrice(Math.max(...tooLow), (price) => isWithin(room, at(price)));
  const settlement = at(flash);
  // Spend the unused bytes at the wanted price.
  return { ...upgraded(steps, settlement, Math.min(...tooLow), room), isForced: true };
}

function isWithin(room: Room, { picks }: Settlement): boolean {
  return imageBytes(picks, room) <= room.flashBytes;
}

/** The choice at a price of flash, whether or not it fits. */
function settleAt(
  steps: readonly StepAlternatives[],
  offers: Offers,
  flash: number,
  goal: Goal,
  room: Room,
): Settlement {
  const ofArena = goal.arenaPrice(flash);
  const cost = ({ picks, arenaBytes }: Settlement) =>
    total(picks, ({ cycles }) => cycles) + flash * imageBytes(picks, room) + ofArena * arenaBytes;
  const cheaper = (one: Settlement, other: Settlement) => (cost(other) < cost(one) ? other : one);
  const settled = (steps: readonly StepAlternatives[], offers: Offers, sram = 0): Settlement => {
    // The arena takes RAM from copies of weights.
    const arenaBytes = cheapestArena(offers, { flash, sram }, ofArena + sram, room.leastArenaBytes);
    return settleIn(arenaBytes, steps, flash, room);
  };
  const withCopies = (steps: readonly StepAlternatives[], offers: Offers): Settlement => {
    const first = settled(steps, offers);
    const { sram } = first.prices;
    return sram === 0 ? first : cheaper(first, settled(steps, offers, sram));
  };
  const all = withCopies(steps, offers);
  if (flash === 0) return all;
  // The remaining kernels may need more RAM than there is.
  const few = withFewKernels(steps, all.prices, ofArena, room);
  return cheaper(all, withCopies(few, offersOf(few)));
}

/** The choice at a price of flash, with a limit of the arena. */
function settleIn(
  arenaBytes: number,
  steps: readonly StepAlternatives[],
  flash: number,
  room: Room,
): Settlement {
  const affordable = within(steps, arenaBytes);
  const copyBytes = room.copyBytes(arenaBytes);
  const fits = (sram: number) => sramOf(choose(affordable, { flash, sram })) <= copyBytes;
  const prices = { flash, sram: cheapestPrice(0, fits) };
  const picks = fill(choose(affordable, prices), copyBytes);
  return { picks, prices, arenaBytes, isForced: false };
}

/**
 * Gives up kernels whose code costs more than the cycles, bytes and arena by which other kernels in
 * their steps are more expensive: one after the other, or all but one at once.
 *
 * @param ofArena price of a byte of the arena
 */
function withFewKernels(
  steps: readonly StepAlternatives[],
  prices: Prices,
  ofArena: number,
  room: Room,
): readonly StepAlternatives[] {
  const ramPrice = ofArena + prices.sram;
  const weigh = (steps: readonly StepAlternatives[]) => {
    const arenaBytes = cheapestArena(offersOf(steps), prices, ramPrice, room.leastArenaBytes);
    const picks = choose(within(steps, arenaBytes), prices);
    const shared = prices.flash * codeBytesOf(picks, room) + ramPrice * arenaBytes;
    return { steps, picks, cost: shared + total(picks, (pick) => priceOf(pick, prices)) };
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

/** The steps with the kept kernels only. A step that no kept kernel can compute is unchanged. */
function keep(
  steps: readonly StepAlternatives[],
  isKept: (template: string) => boolean,
): readonly StepAlternatives[] {
  return steps.map((step) => {
    const alternatives = step.alternatives.filter((one) => isKept(templateOf(one)));
    return alternatives.length > 0 ? { ...step, alternatives } : step;
  });
}

function templateOf({ implementation }: Alternative): string {
  return implementation.variant.template;
}

/**
 * One price moves many steps at once and may leave many bytes unused. They are spent step by step
 * on the largest gain for its share of the unused bytes, while it fits and is worth the wanted
 * price.
 */
function upgraded(
  steps: readonly StepAlternatives[],
  settlement: Settlement,
  wanted: number,
  room: Room,
): Settlement {
  const { prices, arenaBytes } = settlement;
  const chosen = [...settlement.picks];
  for (;;) {
    const flashRoom = room.flashBytes - imageBytes(chosen, room);
    const sramRoom = room.copyBytes(arenaBytes) - sramOf(chosen);
    const uses = new Map<string, number>();
    for (const { key } of chosen.flatMap(({ alternative }) => alternative.code)) {
      uses.set(key, (uses.get(key) ?? 0) + 1);
    }
    const better = chosen.flatMap((now, index) =>
      (steps[index] as StepAlternatives).alternatives.flatMap((alternative) => {
        if (alternative.arenaBytes > arenaBytes) return [];
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

/** Bytes by which the code grows if a step changes its kernel. */
function codeAdded(now: Pick, { code }: Alternative, uses: ReadonlyMap<string, number>): number {
  const isNew = ({ key }: CodeUnit) => !uses.has(key);
  const isLast = ({ key }: CodeUnit) =>
    uses.get(key) === 1 && !code.some((unit) => unit.key === key);
  return sumOf(code.filter(isNew)) - sumOf(now.alternative.code.filter(isLast));
}

/**
 * The least price, from `least` on, at which `fits` holds, by bisection; a very high one if none
 * does.
 */
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

/** Unused RAM goes to the pieces that gain most per byte and still fit. */
function fill(picks: readonly Pick[], copyBytes: number): readonly Pick[] {
  let left = copyBytes - sramOf(picks);
  const regions = picks.map((pick) => [...pick.regions]);
  const pieces = picks.flatMap(({ alternative }, step) =>
    alternative.pieces.map((piece, index) => ({ ...piece, step, index })),
  );
  const density = (piece: Piece) => piece.missCycles / Math.max(1, piece.weightBytes);
  pieces.sort((a, b) => density(b) - density(a));
  for (const { step, index, weightBytes, missCycles } of pieces) {
    const mine = regions[step] as Region[];
    if (mine[index] === 'sram' || missCycles === 0 || weightBytes > left) continue;
    mine[index] = 'sram';
    left -= weightBytes;
  }
  return picks.map(({ alternative }, step) => placed(alternative, regions[step] as Region[]));
}
