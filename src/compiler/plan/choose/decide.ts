/** The choice for a goal, within budgets: which kernels may compete, and for how much RAM. */
import type { Optimize } from '../../ir/op.js';
import type { Implementation } from '../schedule/parts.js';
import type { KernelForm } from '../types.js';
import {
  type Alternative,
  choose,
  flashOf,
  type Pick,
  place,
  priceOf,
  type StepAlternatives,
  total,
} from './prices.js';
import type { Room } from './room.js';
import { fastestGoal, type Goal, goalOf, type Scale, type Totals } from './score.js';
import { type Found, search } from './search.js';

export interface Decided {
  readonly goal: Goal;
  readonly chosen: Found;
  /** The choice among dense kernels alone, without budgets. */
  readonly dense: Found;
  /** Decision.share */
  readonly share: number;
  /** What keeps the choice from what the goal alone would take. */
  readonly limit: Limit | null;
  /** What all of the board's flash would give, where the choice has less and it gains. */
  readonly withMoreFlash: Totals | null;
}

/**
 * Share of the time that may remain if weights take more RAM than their share: the application
 * loses RAM then, which the score does not count.
 */
const mostWithMoreCopies = 0.55;

/** A budget, or a bound of the goal's own: what an interpreter takes, and flash that stays free. */
export type Limit = 'flash' | 'time' | 'interpreter' | 'reserve';

/** The choice; with more RAM for copies of weights if that is much faster. */
export function decide(
  steps: readonly StepAlternatives[],
  optimize: Optimize,
  room: Room,
): Decided {
  const usual = decideWithin(steps, optimize, room);
  const { withMoreCopies, withAllCopies } = room;
  // Without a price, RAM holds all copies that save any time.
  const holdsAll = ({ chosen }: Decided) => chosen.prices.sram === 0;
  if (withMoreCopies === undefined || withAllCopies === undefined || holdsAll(usual)) return usual;
  const isSlow = ({ chosen }: Decided) => chosen.totals.cycles > boundOf(optimize, room);
  const more = decideWithin(steps, optimize, withMoreCopies);
  const most = mostWithMoreCopies * usual.chosen.totals.cycles;
  if (!isSlow(usual) && more.chosen.totals.cycles > most) return usual;
  return isSlow(more) && !holdsAll(more) ? decideWithin(steps, optimize, withAllCopies) : more;
}

function decideWithin(
  steps: readonly StepAlternatives[],
  optimize: Optimize,
  asked: Room,
): Decided {
  const free = { ...asked, flashBytes: Infinity, mostCycles: Infinity };
  const scale = scaleOf(steps);
  const goal = goalOf(optimize, scale, asked);
  const dense = search(steps.map(withAllWeights), goal, free);
  const most = mostTime[optimize];
  const allowed = most === null ? steps : clearlyFaster(steps, dense, most);
  let known: Found | null = null;
  const fastest = () => {
    known ??= search(allowed, fastestGoal, free);
    return known.totals.cycles;
  };
  const wanted = search(allowed, goal, free);
  const balanced = () => search(allowed, goalOf('balanced', scale, asked), free);
  const bounds = boundsFor(wanted, boundOf(optimize, asked), asked, fastest, balanced);
  const ideal = bounds === null ? wanted : search(allowed, goal, { ...free, ...bounds.most });
  const room = withMargin(asked, ideal, fastest);
  const isLarge = ideal.totals.imageBytes > room.flashBytes;
  const isLate = ideal.totals.cycles > room.mostCycles;
  const found = isLarge || isLate ? search(isLarge ? steps : allowed, goal, room) : ideal;
  const chosen =
    optimize === 'balanced' && !isLarge && isPruned(steps)
      ? noLargerThanDense(found, allowed, dense, goal, room)
      : found;
  const isMissed = chosen.totals.cycles > asked.mostCycles;
  const costs = goal.cost(chosen.totals) - goal.cost(ideal.totals);
  const share = !isLate ? 1 : isMissed ? 0 : Math.exp(-Math.max(0, costs));
  const limit = isLarge ? 'flash' : isLate ? 'time' : (bounds?.limit ?? null);
  const onBoard = { ...asked, flashBytes: asked.mostFlashBytes };
  const withMoreFlash = moreFlash(limit, chosen, () => search(allowed, goal, onBoard));
  return { goal, chosen, dense, share, limit, withMoreFlash };
}

/** The time that a goal allows itself, as a share of what an interpreter takes at the least. */
const ofInterpreter: Readonly<Record<Optimize, number>> = { speed: 1, balanced: 0.5, size: 1 };

function boundOf(optimize: Optimize, { interpreterCycles }: Room): number {
  return timeMargin * ofInterpreter[optimize] * interpreterCycles;
}

interface Bounds {
  readonly most: { readonly mostCycles?: number; readonly flashBytes?: number };
  readonly limit: Limit;
}

/**
 * A goal's own bound, where what it wants exceeds it and some choice does not. Flash that stays free
 * must not make speed slower than balanced, which leaves none.
 */
function boundsFor(
  { totals }: Found,
  mostCycles: number,
  { usualFlashBytes }: Room,
  fastest: () => number,
  balanced: () => Found,
): Bounds | null {
  if (totals.cycles > mostCycles && fastest() <= mostCycles) {
    return { most: { mostCycles }, limit: 'interpreter' };
  }
  if (totals.imageBytes <= usualFlashBytes) return null;
  const flashBytes = Math.max(usualFlashBytes, balanced().totals.imageBytes);
  return { most: { flashBytes }, limit: 'reserve' };
}

/** Less is not worth a line in the report. */
const leastGainOfFlash = 0.03;

function moreFlash(limit: Limit | null, chosen: Found, all: () => Found): Totals | null {
  if (limit !== 'flash' && limit !== 'reserve') return null;
  const { totals } = all();
  const isFaster = totals.cycles <= (1 - leastGainOfFlash) * chosen.totals.cycles;
  return isFaster && totals.imageBytes > chosen.totals.imageBytes ? totals : null;
}

function scaleOf(steps: readonly StepAlternatives[]): Scale {
  const fastest = choose(steps, { flash: 0, sram: 0 });
  const smallest = choose(steps.map(withAllWeights), { flash: 1e9, sram: 0 });
  return { cycles: total(fastest, ({ cycles }) => cycles), denseBytes: flashOf(smallest) };
}

/** Share of the time budget to aim at, if possible: estimates are a few per cent off. */
const timeMargin = 0.95;

/** @param fastest cycles of the fastest choice */
function withMargin(room: Room, ideal: Found, fastest: () => number): Room {
  const mostCycles = timeMargin * room.mostCycles;
  if (ideal.totals.cycles <= mostCycles) return room;
  return fastest() <= mostCycles ? { ...room, mostCycles } : room;
}

/** Least share of zeros in a pruned model. Other models have a few per cent. */
const prunedShare = 0.25;

function isPruned(steps: readonly StepAlternatives[]): boolean {
  const sum = (of: 'count' | 'zeros') =>
    steps.reduce((all, { weights }) => all + (weights?.[of] ?? 0), 0);
  return sum('zeros') > 0 && sum('zeros') >= prunedShare * sum('count');
}

/** Share of the time that kernels for zeros must save if they make the image larger. */
const gainForFlash = 0.2;

/**
 * A choice that makes the image larger than dense kernels would has to save `gainForFlash` of the
 * time of what fits the dense image's flash. It is also kept if the smaller one would be slower
 * than the source's operators one by one, for which the same rule may decide differently.
 */
function noLargerThanDense(
  found: Found,
  steps: readonly StepAlternatives[],
  dense: Found,
  goal: Goal,
  room: Room,
): Found {
  // The image of the same layers without zeros, dead channels included.
  const constants = flashOf(dense.picks);
  const flashBytes = dense.totals.imageBytes - constants + constants / room.source.liveShare;
  if (found.totals.imageBytes <= flashBytes) return found;
  const smaller = search(steps, goal, { ...room, flashBytes });
  const { imageBytes, cycles } = smaller.totals;
  const isWorthIt = found.totals.cycles <= (1 - gainForFlash) * cycles;
  const isMet =
    imageBytes <= flashBytes && cycles <= Math.max(found.totals.cycles, room.mostCycles);
  return isWorthIt || !isMet || cycles > room.source.cycles() ? found : smaller;
}

interface MostTime {
  readonly times: number;
  readonly less: number;
}

/**
 * The most cycles of a kernel that skips zeros or packs weights: `times` those of the kernel that
 * would be taken otherwise, minus `less`. Estimates are a few per cent off, for packed weights up to
 * 10 %, and more for small layers, so a kernel that is hardly faster may be slower. null: no limit.
 */
const mostTime: Readonly<Record<Optimize, MostTime | null>> = {
  speed: { times: 1, less: 0 },
  balanced: { times: 0.9, less: 1000 },
  size: null,
};

/**
 * The steps without the kernels that take more than `most`, wherever weights lie: in flash, in RAM,
 * and where the dense choice's price of RAM puts them.
 */
function clearlyFaster(
  steps: readonly StepAlternatives[],
  { prices, totals }: Found,
  most: MostTime,
): readonly StepAlternatives[] {
  const isAffordable = ({ arenaBytes }: Alternative) => arenaBytes <= totals.arenaBytes;
  return steps.map((step) => {
    const of = (form: KernelForm) =>
      step.alternatives.filter(({ implementation }) => formOf(implementation) === form);
    const dense = of('dense');
    if (!dense.some(isAffordable)) return step;
    const isFaster = (one: Alternative, others: readonly Alternative[]) =>
      [Infinity, 0, prices.sram].some((sram) => {
        const alternatives = others.filter(isAffordable);
        const [best] = choose([{ ...step, alternatives }], { flash: prices.flash, sram });
        // Cycles include the price of RAM that other steps lose.
        const cost = (pick: Pick) => priceOf(pick, { flash: 0, sram });
        return cost(place(one, sram)) <= most.times * cost(best as Pick) - most.less;
      });
    const plain = [...dense, ...of('sparse').filter((one) => isFaster(one, dense))];
    const packed = of('packed').filter((one) => isFaster(one, plain));
    return { ...step, alternatives: [...plain, ...packed] };
  });
}

export function formOf({ variant }: Implementation): KernelForm {
  return variant.packs ? 'packed' : variant.skipsZeros ? 'sparse' : 'dense';
}

/** The step with its dense kernels only, if it has any. */
function withAllWeights(step: StepAlternatives): StepAlternatives {
  const dense = step.alternatives.filter(
    ({ implementation }) => formOf(implementation) === 'dense',
  );
  return dense.length > 0 ? { ...step, alternatives: dense } : step;
}
