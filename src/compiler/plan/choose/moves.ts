/** Moves from a choice to others near it: what a search tries. */
import type { Change, Draft, Move } from './draft.js';
import {
  type Alternative,
  leastPriceOf,
  type Pick,
  type Prices,
  place,
  type StepAlternatives,
  within,
} from './prices.js';
import type { Room } from './room.js';

/** Moves of one kind from the draft's present choice. */
export type Moves = (draft: Draft) => Iterable<Move>;

/**
 * Kinds of moves, the cheapest to try first: each is tried where those before it gain nothing.
 *
 * @param prices at which a move chooses among the alternatives that it may take
 */
export function movesOf(steps: readonly StepAlternatives[], prices: Prices): readonly Moves[] {
  const options = optionsOf(steps, prices);
  const menus = menusOf(steps, prices);
  const within = menusWithin(steps, prices);
  return [
    (draft) => swaps(options, draft),
    (draft) => templates(menus, draft),
    (draft) => templates(within(draft), draft),
  ];
}

/** Moves of two steps, where some RAM or a budget has to be shared among steps. */
export function pairsOf(steps: readonly StepAlternatives[], prices: Prices): Moves {
  const options = optionsOf(steps, prices);
  return (draft) => (isScarce(prices, draft.room) ? pairs(options, draft) : []);
}

/** Each alternative with its weights where the price of RAM puts them, all in flash, all in RAM. */
function optionsOf(
  steps: readonly StepAlternatives[],
  { sram }: Prices,
): readonly (readonly Pick[])[] {
  return steps.map(({ alternatives }) =>
    alternatives.flatMap((alternative) => {
      const all = [sram, Infinity, 0].map((price) => place(alternative, price));
      const isFirst = ({ sramBytes }: Pick, i: number) =>
        all.findIndex((other) => other.sramBytes === sramBytes) === i;
      return all.filter(isFirst);
    }),
  );
}

/** One step takes another kernel, or its weights move. */
function* swaps(options: readonly (readonly Pick[])[], { picks }: Draft): Iterable<Move> {
  for (const [step, all] of options.entries()) {
    const now = picks[step] as Pick;
    for (const pick of all) {
      const isSame = pick.alternative === now.alternative && pick.sramBytes === now.sramBytes;
      if (!isSame) yield [[step, pick]];
    }
  }
}

/** A step's cheapest pick of each template, by price. */
type Menu = readonly (readonly [template: string, pick: Pick])[];

function menusOf(steps: readonly StepAlternatives[], prices: Prices): readonly Menu[] {
  return steps.map(({ alternatives }) => {
    const cheapest = new Map<string, { readonly one: Alternative; readonly price: number }>();
    for (const one of alternatives) {
      const price = leastPriceOf(one, prices);
      const name = templateOf(one);
      if (price < (cheapest.get(name)?.price ?? Infinity)) cheapest.set(name, { one, price });
    }
    return [...cheapest]
      .sort(([, a], [, b]) => a.price - b.price)
      .map(([name, { one }]) => [name, place(one, prices.sram)] as const);
  });
}

/** The menus that the draft's arena holds. Most drafts have the arena of the one before. */
function menusWithin(
  steps: readonly StepAlternatives[],
  prices: Prices,
): (draft: Draft) => readonly Menu[] {
  let known: { readonly arenaBytes: number; readonly menus: readonly Menu[] } | null = null;
  return (draft) => {
    const { arenaBytes } = draft.totals();
    if (known?.arenaBytes === arenaBytes) return known.menus;
    known = { arenaBytes, menus: menusOf(within(steps, arenaBytes), prices) };
    return known.menus;
  };
}

export function templateOf({ implementation }: Alternative): string {
  return implementation.variant.template;
}

/** A template computes all steps that it can, or none: its code comes or goes as a whole. */
function* templates(menus: readonly Menu[], draft: Draft): Iterable<Move> {
  for (const name of new Set(menus.flatMap((menu) => menu.map(([name]) => name)))) {
    const move = moveTo(menus, menus.keys(), (other) => other === name);
    yield move.filter(([step]) => templateOf((draft.picks[step] as Pick).alternative) !== name);
  }
  const users = usersOf(draft);
  for (const [name, steps] of users) {
    yield moveTo(menus, steps, (other) => other !== name);
    yield moveTo(menus, steps, (other) => other !== name && users.has(other));
  }
}

/** The steps of each template. */
function usersOf({ picks }: Draft): ReadonlyMap<string, readonly number[]> {
  const users = new Map<string, number[]>();
  for (const [step, { alternative }] of picks.entries()) {
    const name = templateOf(alternative);
    users.set(name, [...(users.get(name) ?? []), step]);
  }
  return users;
}

/** To the cheapest of some templates, where a step has any of them. */
function moveTo(
  menus: readonly Menu[],
  steps: Iterable<number>,
  isWanted: (template: string) => boolean,
): Move {
  const move: Change[] = [];
  for (const step of steps) {
    const found = menus[step]?.find(([name]) => isWanted(name));
    if (found !== undefined) move.push([step, found[1]]);
  }
  return move;
}

function isScarce({ sram }: Prices, room: Room): boolean {
  return sram > 0 || room.flashBytes < Infinity || room.mostCycles < Infinity;
}

/** How many picks of each side to combine. */
const mostPaired = 24;

/** A faster pick that does not fit alone, and a smaller one of another step that makes room. */
function* pairs(options: readonly (readonly Pick[])[], draft: Draft): Iterable<Move> {
  const changes = [...swaps(options, draft)].flat();
  const nowOf = ([step]: Change) => draft.picks[step] as Pick;
  const gain = (change: Change) => nowOf(change).cycles - change[1].cycles;
  const isSmaller = (change: Change) => {
    const [now, then] = [nowOf(change), change[1]];
    return (
      then.alternative.flashBytes < now.alternative.flashBytes ||
      then.alternative.arenaBytes < now.alternative.arenaBytes ||
      then.sramBytes < now.sramBytes
    );
  };
  const most = (some: readonly Change[]) =>
    [...some].sort((a, b) => gain(b) - gain(a)).slice(0, mostPaired);
  const faster = most(changes.filter((one) => !isSmaller(one) && gain(one) > 0));
  const smaller = most(changes.filter(isSmaller));
  for (const up of faster) {
    for (const down of smaller) if (up[0] !== down[0]) yield [up, down];
  }
}
