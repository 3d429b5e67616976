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
import { type Goal, goalOf, type Scale } from './score.js';
import { type Found, search } from './search.js';

export interface Decided {
  readonly goal: Goal;
  readonly chosen: Found;
  /** The choice among dense kernels alone, without budgets. */
  readonly dense: Found;
  /** Decision.share */
  readonly share: number;
  /** The budget that the choice without budgets exceeds. */
  readonly budget: 'flash' | 'time' | null;
}

/**
 * Share of the time that may remain if weights take more RAM than their share: the application
 * loses RAM then, which the score does not count.
 */
const mostWithAllCopies = 0.55;

/** The choice; with more RAM for copies of weights if that is much faster. */
export function decide(
  steps: readonly StepAlternatives[],
  optimize: Optimize,
  room: Room,
): Decided {
  const usual = decideWithin(steps, optimize, room);
  // Without a price, RAM holds all copies that save any time.
  if (room.withMoreCopies === undefined || usual.chosen.prices.sram === 0) return usual;
  const all = decideWithin(steps, optimize, room.withMoreCopies);
  const most = mostWithAllCopies * usual.chosen.totals.cycles;
  return all.chosen.totals.cycles <= most ? all : usual;
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
  const ideal = search(allowed, goal, free);
  const room = withMargin(asked, ideal, () => search(allowed, goalOf('speed', scale, asked), free));
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
  return { goal, chosen, dense, share, budget: isLarge ? 'flash' : isLate ? 'time' : null };
}

function scaleOf(steps: readonly StepAlternatives[]): Scale {
  const fastest = choose(steps, { flash: 0, sram: 0 });
  const smallest = choose(steps.map(withAllWeights), { flash: 1e9, sram: 0 });
  return { cycles: total(fastest, ({ cycles }) => cycles), denseBytes: flashOf(smallest) };
}

/** Share of the time budget to aim at, if possible: estimates are a few per cent off. */
const timeMargin = 0.95;

function withMargin(room: Room, ideal: Found, fastest: () => Found): Room {
  const mostCycles = timeMargin * room.mostCycles;
  if (ideal.totals.cycles <= mostCycles) return room;
  return fastest().totals.cycles <= mostCycles ? { ...room, mostCycles } : room;
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
