/**
 * The choice with the lowest score (score.ts), by local search: choices at several prices
 * (start.ts) are improved by moves (moves.ts) until none gains. There is no chance in it.
 */
import { type Offers, offersOf } from '../arena/memory.js';
import { Draft, type Move } from './draft.js';
import { type Moves, movesOf, pairsOf, templateOf } from './moves.js';
import { choose, type Pick, place, type StepAlternatives } from './prices.js';
import type { Room } from './room.js';
import { type Cost, type Goal, isWithin, linearGoal, scoreOf, type Totals } from './score.js';
import { filled, ramPrice, type Start, startsAt } from './start.js';

/** A choice, the prices that led to it, and what it takes. */
export interface Found extends Start {
  readonly totals: Totals;
  readonly score: number;
}

/** How many of the best choices at a price are improved further. */
const mostStarts = 3;

export function search(steps: readonly StepAlternatives[], goal: Goal, room: Room): Found {
  const offers = offersOf(steps);
  const at = (flash: number) => foundAt(steps, offers, flash, goal, room);
  const found = goal.flashPrices.map(at);
  const isLarge = ({ totals }: Found) => totals.imageBytes > room.flashBytes;
  const isLate = ({ totals }: Found) => totals.cycles > room.mostCycles;
  const larger = edgeOf(found, isLarge, widening, at);
  const edge = [...larger, ...edgeOf([...found, ...larger], isLate, 1 / widening, at)];
  const ranked = [...found, ...edge].sort((a, b) => a.score - b.score);
  const best = ranked.filter(({ score }, i) => score !== ranked[i - 1]?.score);
  const starts = new Set([...best.slice(0, mostStarts), ...edge]);
  const first = [...starts]
    .map((start) =>
      improved(start, goal, room, [...movesOf(steps, start.prices), pairsOf(steps, start.prices)]),
    )
    .reduce(better);
  const last = edge.length === 0 ? first : withoutTemplates(steps, first, goal, room);
  const sram = ramPrice(last.picks, room.copyBytes(last.totals.arenaBytes));
  return { ...last, prices: { ...last.prices, sram } };
}

const better = (one: Found, other: Found) => (other.score < one.score ? other : one);

/** The best choice at a price of flash, as if there were no budgets; with its score within them. */
function foundAt(
  steps: readonly StepAlternatives[],
  offers: Offers,
  flash: number,
  goal: Goal,
  room: Room,
): Found {
  const arena = goal.arenaPrice(flash);
  const linear = linearGoal(flash, arena);
  const free = { ...room, flashBytes: Infinity, mostCycles: Infinity };
  const found = startsAt(steps, offers, flash, arena, room)
    .map((start) => improved(start, linear, free, movesOf(steps, start.prices)))
    .reduce(better);
  return { ...found, score: scoreOf(found.totals, goal, room) };
}

/** Factor by which prices are raised or lowered until a budget is kept, and how often. */
const widening = 16;
const mostWidened = 10;

/** Prices of flash below this are as good as none. */
const lowestPrice = 1e-3;

/** How often an interval of prices is halved, unless it is narrower. */
const mostHalved = 12;
const narrow = 1.001;

/**
 * Choices on both sides of the price from which on a budget is kept; none if it is kept anyway, one
 * if none keeps it.
 *
 * @param found choices at the wanted prices
 * @param isBad whether one exceeds the budget
 * @param factor of prices, towards those that keep it
 */
function edgeOf(
  found: readonly Found[],
  isBad: (one: Found) => boolean,
  factor: number,
  at: (price: number) => Found,
): readonly Found[] {
  const price = ({ prices }: Found) => Math.max(lowestPrice, prices.flash);
  const direction = Math.sign(Math.log(factor));
  const inOrder = [...found].sort((a, b) => direction * (price(a) - price(b)));
  const last = inOrder.findLastIndex(isBad);
  if (last < 0) return [];
  let bad = inOrder[last] as Found;
  let good = inOrder[last + 1] ?? null;
  for (let i = 0; good === null && i < mostWidened; i++) {
    const one = at(factor * price(bad));
    if (isBad(one)) bad = one;
    else good = one;
  }
  if (good === null) return [bad];
  for (let i = 0; i < mostHalved; i++) {
    const [low, high] = [price(bad), price(good)].sort((a, b) => a - b) as [number, number];
    if (high <= narrow * low) break;
    const one = at(Math.sqrt(low * high));
    if (isBad(one)) bad = one;
    else good = one;
  }
  return [good, bad];
}

/**
 * The choice without one of its templates, if that is better: its code makes room for faster
 * kernels, which no single move finds.
 */
function withoutTemplates(
  steps: readonly StepAlternatives[],
  found: Found,
  goal: Goal,
  room: Room,
): Found {
  let best = found;
  for (const name of new Set(found.picks.map(({ alternative }) => templateOf(alternative)))) {
    const { picks, prices, totals } = best;
    const kept = steps.map((step) => {
      const alternatives = step.alternatives.filter(
        (one) => templateOf(one) !== name && one.arenaBytes <= totals.arenaBytes,
      );
      return alternatives.length > 0 ? { ...step, alternatives } : step;
    });
    const others = choose(kept, prices);
    const start = picks.map((pick, step) =>
      templateOf(pick.alternative) === name ? (others[step] as Pick) : pick,
    );
    const other = improved({ picks: start, prices }, goal, room, movesOf(kept, prices));
    best = better(best, other);
  }
  return best;
}

/** Limit of rounds of moves. */
const mostRounds = 60;

function improved(
  { picks, prices }: Start,
  goal: Cost,
  room: Room,
  kinds: readonly Moves[],
): Found {
  const draft = new Draft(picks, room);
  for (let round = 0; round < mostRounds; round++) {
    if (!kinds.some((kind) => isImproved(draft, goal, kind(draft)))) break;
  }
  const totals = draft.totals();
  return { picks: draft.picks, prices, totals, score: scoreOf(totals, goal, room) };
}

/** A smaller gain may be an error of rounding. */
const leastGain = 1e-12;

/** Makes the moves that lower the score, those first that gain most for what they take. */
function isImproved(draft: Draft, goal: Cost, moves: Iterable<Move>): boolean {
  const { room } = draft;
  const ranked = rankedMoves(draft, goal, moves);
  const wasWithin = isWithin(draft.totals(), room);
  let score = scoreOf(draft.totals(), goal, room);
  const changed = new Set<number>();
  for (const move of ranked) {
    if (move.some(([step]) => changed.has(step))) continue;
    const back = draft.apply(move);
    const after = scoreOf(draft.totals(), goal, room);
    if (!(score - after > leastGain)) {
      draft.apply(back);
      continue;
    }
    score = after;
    for (const [step] of move) changed.add(step);
    // From here on moves are worth what they gain, not what they free.
    if (!wasWithin && isWithin(draft.totals(), room)) break;
  }
  return changed.size > 0;
}

/** The moves that lower the score: the largest gain for its share of free flash and RAM first. */
export function rankedMoves(draft: Draft, goal: Cost, moves: Iterable<Move>): readonly Move[] {
  const { room } = draft;
  const now = draft.totals();
  const score = scoreOf(now, goal, room);
  const freeFlash = room.flashBytes - now.imageBytes;
  const freeRam = room.copyBytes(now.arenaBytes) - now.copiedBytes;
  const taken = (then: Totals) =>
    isWithin(now, room)
      ? shareOf(then.imageBytes - now.imageBytes, freeFlash) +
        shareOf(then.copiedBytes - now.copiedBytes, freeRam)
      : goal.cost(then) - goal.cost(now);
  const ranked: { readonly move: Move; readonly density: number }[] = [];
  for (const wanted of moves) {
    if (wanted.length === 0) continue;
    const [move, then] = withinRam(draft, wanted);
    const gain = score - scoreOf(then, goal, room);
    if (gain > leastGain) ranked.push({ move, density: gain / Math.max(1e-9, taken(then)) });
  }
  return ranked.sort((a, b) => b.density - a.density).map(({ move }) => move);
}

function shareOf(bytes: number, room: number): number {
  return Math.max(0, bytes) / Math.max(1, room);
}

/**
 * The move with the copies of weights that RAM holds then, and the totals after it: none of several
 * steps where RAM does not hold all, more of all steps where the arena shrinks.
 */
function withinRam(draft: Draft, move: Move): readonly [Move, Totals] {
  const { room } = draft;
  const then = draft.totalsAfter(move);
  const left = room.copyBytes(then.arenaBytes) - then.copiedBytes;
  if (move.length > 1 && left < 0) {
    return withTotals(
      draft,
      move.map(([step, { alternative }]) => [step, place(alternative, Infinity)]),
    );
  }
  if (left <= 0 || then.arenaBytes >= draft.totals().arenaBytes) return [move, then];
  const back = draft.apply(move);
  const picks = filled(draft.picks, left);
  draft.apply(back);
  const isMoved = (pick: Pick, step: number) => pick !== draft.picks[step];
  return withTotals(
    draft,
    [...picks.entries()].filter(([step, pick]) => isMoved(pick, step)),
  );
}

function withTotals(draft: Draft, move: Move): readonly [Move, Totals] {
  return [move, draft.totalsAfter(move)];
}
