/** Where a search starts: the choice at given prices per byte, which all steps have alike. */
import { cheapestArena, type Offers } from '../arena/memory.js';
import {
  choose,
  type Pick,
  type Piece,
  type Prices,
  place,
  placed,
  type StepAlternatives,
  sramOf,
  total,
  within,
} from './prices.js';
import type { Room } from './room.js';

/** A choice, and the prices at which moves choose among alternatives. */
export interface Start {
  readonly picks: readonly Pick[];
  readonly prices: Prices;
}

/** At the cheapest limit of the arena: where RAM is free, and where copies of weights need it. */
export function startsAt(
  steps: readonly StepAlternatives[],
  offers: Offers,
  flash: number,
  arenaPrice: number,
  room: Room,
): readonly Start[] {
  const at = (sram: number) => {
    const limit = cheapestArena(offers, { flash, sram }, arenaPrice + sram, room.leastArenaBytes);
    return startWithin(steps, limit, flash, room);
  };
  const free = at(0);
  return free.prices.sram === 0 ? [free] : [free, at(free.prices.sram)];
}

/** With a limit of the arena, at the lowest price of RAM at which copies of weights fit. */
function startWithin(
  steps: readonly StepAlternatives[],
  arenaBytes: number,
  flash: number,
  room: Room,
): Start {
  const affordable = within(steps, arenaBytes);
  const copyBytes = room.copyBytes(arenaBytes);
  const at = (sram: number) => choose(affordable, { flash, sram });
  const sram = lowestPrice((price) => sramOf(at(price)) <= copyBytes, copyBytes);
  const picks = at(sram);
  return { picks: filled(picks, copyBytes - sramOf(picks)), prices: { flash, sram } };
}

/** The lowest price of RAM at which copies of the weights of these kernels fit. */
export function ramPrice(picks: readonly Pick[], copyBytes: number): number {
  const copied = (price: number) =>
    total(picks, ({ alternative }) => place(alternative, price).sramBytes);
  return lowestPrice((price) => copied(price) <= copyBytes, copyBytes);
}

/** A higher price of RAM is never tried. */
const highestPrice = 1e9;

/** The lowest price of RAM at which `fits` holds, by bisection of its logarithm; else the highest. */
function lowestPrice(fits: (price: number) => boolean, copyBytes: number): number {
  if (fits(0)) return 0;
  if (copyBytes === 0) return highestPrice;
  let [low, high] = [1e-3, 1e-3];
  while (high < highestPrice && !fits(high)) [low, high] = [high, 4 * high];
  for (let i = 0; i < 12; i++) {
    const middle = Math.sqrt(low * high);
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Unused RAM goes to the pieces that gain most per byte and still fit. */
export function filled(picks: readonly Pick[], unusedBytes: number): readonly Pick[] {
  if (unusedBytes <= 0) return picks;
  const pieces = picks.flatMap(({ alternative, regions }, step) =>
    alternative.pieces
      .map((piece, index) => ({ ...piece, step, index }))
      .filter(({ missCycles, index }) => missCycles > 0 && regions[index] !== 'sram'),
  );
  const density = (piece: Piece) => piece.missCycles / Math.max(1, piece.weightBytes);
  pieces.sort((a, b) => density(b) - density(a));
  const all = [...picks];
  let left = unusedBytes;
  for (const { step, index, weightBytes } of pieces) {
    if (weightBytes > left) continue;
    const { alternative, regions } = all[step] as Pick;
    all[step] = placed(alternative, regions.with(index, 'sram'));
    left -= weightBytes;
  }
  return all;
}
