/**
 * The choice for all steps: at which prices, within which arena, and what that leaves over.
 *
 * Code and the arena belong to no step alone: kernels share the one, and the largest step sets the
 * other. So both are settled here, for each price of flash that is tried.
 */
import { cheapestArena } from '../arena/memory.js';
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
  type Step,
  sramOf,
  sumOf,
  total,
  within,
} from './prices.js';
import type { Room } from './room.js';

/** What is chosen, and what led to it. */
export interface Settlement {
  readonly picks: readonly Pick[];
  readonly prices: Prices;
  /** No step has a kernel with which the arena holds more. */
  readonly arenaBytes: number;
  /** By the budget: the price of flash is above the wanted ones that do not fit. */
  readonly isForced: boolean;
}

/** What a model's bytes are worth. */
export interface Goal {
  /** In cycles for each byte of flash: each is tried. */
  readonly flashPrices: readonly number[];
  /** In cycles for each byte of the arena, at a price of flash. */
  arenaPrice(flashPrice: number): number;
  /** Of what is settled at the prices the one at which this is least is taken. */
  worth(picks: readonly Pick[], arenaBytes: number): number;
}

/**
 * The choice at those of the wanted prices of flash at which everything fits, and at the lowest that
 * fits where one is too low.
 */
export function settle(steps: readonly Step[], goal: Goal, room: Room): Settlement {
  const fits = (one: Settlement) => isWithin(room, one);
  const free = goal.flashPrices.map((flash) => settleAt(steps, flash, goal, room));
  const tooLow = free.filter((one) => !fits(one)).map(({ prices }) => prices.flash);
  const fitting = free.filter(fits).map((one) =>
    // A price of RAM may leave some over too.
    one.prices.sram > 0 ? upgraded(steps, one, one.prices.flash, room) : one,
  );
  const settlements =
    tooLow.length === 0 ? fitting : [...fitting, settleWithin(steps, tooLow, goal, room)];
  const worth = ({ picks, arenaBytes }: Settlement) => goal.worth(picks, arenaBytes);
  return settlements.reduce((best, one) => (worth(one) < worth(best) ? one : best));
}

/** @param tooLow prices at which not everything fits */
function settleWithin(
  steps: readonly Step[],
  tooLow: readonly number[],
  goal: Goal,
  room: Room,
): Settlement {
  const fits = (price: number) => isWithin(room, settleAt(steps, price, goal, room));
  const flash = cheapestPrice(Math.max(...tooLow), fits);
  const settlement = settleAt(steps, flash, goal, room);
  // What is left over buys at the wanted price.
  return { ...upgraded(steps, settlement, Math.min(...tooLow), room), isForced: true };
}

function isWithin(room: Room, { picks }: Settlement): boolean {
  return imageBytes(picks, room) <= room.flashBytes;
}

/** The choice at a price of flash, whether or not it fits. */
function settleAt(steps: readonly Step[], flash: number, goal: Goal, room: Room): Settlement {
  const ofArena = goal.arenaPrice(flash);
  const cost = ({ picks, arenaBytes }: Settlement) =>
    total(picks, ({ cycles }) => cycles) + flash * imageBytes(picks, room) + ofArena * arenaBytes;
  const cheaper = (one: Settlement, other: Settlement) => (cost(other) < cost(one) ? other : one);
  const settled = (steps: readonly Step[], sram = 0): Settlement => {
    // What the arena takes is no longer there for copies of weights.
    const arenaBytes = cheapestArena(steps, { flash, sram }, ofArena + sram, room.leastArenaBytes);
    return settleIn(arenaBytes, steps, flash, room);
  };
  const withCopies = (steps: readonly Step[]): Settlement => {
    const first = settled(steps);
    const { sram } = first.prices;
    return sram === 0 ? first : cheaper(first, settled(steps, sram));
  };
  const all = withCopies(steps);
  if (flash === 0) return all;
  // RAM may not have room for the kernels that are left.
  const few = withFewKernels(steps, all.prices, ofArena, room);
  return cheaper(all, withCopies(few));
}

/** The choice at a price of flash in an arena of so many bytes. */
function settleIn(
  arenaBytes: number,
  steps: readonly Step[],
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
 * The steps without kernels whose code costs more than what other kernels of these steps cost more,
 * the arena for them included: given up one by one, or all but one at once.
 *
 * @param ofArena price of a byte of the arena
 */
function withFewKernels(
  steps: readonly Step[],
  prices: Prices,
  ofArena: number,
  room: Room,
): readonly Step[] {
  const ramPrice = ofArena + prices.sram;
  const weigh = (steps: readonly Step[]) => {
    const arenaBytes = cheapestArena(steps, prices, ramPrice, room.leastArenaBytes);
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
      (steps[index] as Step).alternatives.flatMap((alternative) => {
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
