/**
 * Which kernel computes each step, and where its weights live.
 *
 * Every variant that applies to a step is an alternative with its cycles and its bytes of flash.
 * Weights read from flash may miss the cache; weights copied to RAM at start do not, but need room.
 * The choice minimizes cycles plus a price for each byte. `--optimize` sets the price of flash. The
 * price of RAM is the lowest at which everything fits, found by bisection; so is the price of flash
 * if the budget binds. The bytes that remain are spent where they gain most (settle.ts).
 */
import type { Optimize, TargetTraits } from '../../ir/op.js';
import type { KernelContext } from '../../kernels/variant.js';
import { arenaPrice, arenaWorth, cheapestArena, offersOf } from '../arena/memory.js';
import type { Implementation } from '../schedule/parts.js';
import type { Decision, KernelEstimate, KernelForm, Region } from '../types.js';
import { explain } from './explain.js';
import {
  type Alternative,
  choose,
  flashOf,
  imageBytes,
  type Pick,
  place,
  priceOf,
  type StepAlternatives,
  total,
  within,
} from './prices.js';
import type { Room } from './room.js';
import { type Goal, type Settlement, settle } from './settle.js';

export interface Choice {
  readonly implementation: Implementation;
  /** Where the weights of each of the kernel's calls lie. A second half uses those of the first. */
  readonly regions: readonly Region[];
  /** Bytes of weights that are copied to RAM. */
  readonly copiedBytes: number;
  /** For the report: the chosen kernel first, then by time. */
  readonly alternatives: readonly KernelEstimate[];
  /**
   * The kernel if all steps were dense, with the RAM that this leaves; null if no dense one fits.
   */
  readonly dense: KernelEstimate | null;
  readonly why: string;
}

/**
 * Prices of flash, relative to cycles per byte of the least dense constants: at 0.2, twice the
 * constants must save a fifth of the time. For size each price is tried; the result with the least
 * product of image bytes, time to the power of `worthOfTime` and arena to that of `worthOfArena` is
 * taken.
 */
const flashPrices: Readonly<Record<Optimize, readonly number[]>> = {
  speed: [0],
  balanced: [0.2],
  size: Array.from({ length: 13 }, (_, i) => 2 ** i),
};

/** Exponent of the time beyond its budget: it outweighs any size of the image. */
const tooLate = 100;

/** Exponents of time and arena: doubling one must save an eighteenth of the image. */
const worthOfTime = 1 / 12;
const worthOfArena = 1 / 12;

/**
 * The most cycles of a kernel that skips zeros or packs weights, if no budget forces it: `times`
 * those of the kernel that would be taken otherwise, minus `less`. Estimates are a few per cent
 * off, for packed weights up to 10 %, and more for small layers, so a kernel that is hardly faster
 * may be slower. null: no limit.
 */
const mostTime: Readonly<Record<Optimize, MostTime | null>> = {
  speed: { times: 1, less: 0 },
  balanced: { times: 0.9, less: 1000 },
  size: null,
};

interface MostTime {
  readonly times: number;
  readonly less: number;
}

/**
 * A kernel for each step, in the order of the steps.
 *
 * @returns also the decision, for the report
 */
export function selectKernels(
  steps: readonly StepAlternatives[],
  { target, optimize }: KernelContext,
  room: Room,
): { readonly choices: readonly Choice[]; readonly decision: Decision } {
  const possible = within(steps, room.mostArenaBytes);
  const { goal, chosen, dense, share } = settleWithCopies(possible, optimize, room);
  const { picks, prices, arenaBytes, isForced } = chosen;
  const image = imageBytes(picks, room);
  const byBudget = `the flash budget${image <= room.flashBytes ? ', spent where it gains most' : ''}`;
  const decision: Decision = {
    unit: target.costUnit,
    flashPrice: prices.flash,
    arenaPrice: goal.arenaPrice(prices.flash),
    arenaBytes,
    arenaRoomBytes: room.mostArenaBytes === Infinity ? null : Math.floor(room.mostArenaBytes),
    isShortOfRam: wantedArena(steps, chosen, goal, room) > room.mostArenaBytes,
    imageBytes: image,
    share,
    reason: isForced ? byBudget : share < 1 ? timeBudget(target) : `--optimize ${optimize}`,
  };
  const choices = picks.map((pick, step): Choice => {
    const { alternatives, refused } = steps[step] as StepAlternatives;
    const others = alternatives
      .filter((other) => other !== pick.alternative)
      .map((other) => place(other, prices.sram))
      .sort((a, b) => a.cycles - b.cycles);
    const estimates = [pick, ...others].map(estimateOf);
    const withAll = estimateOf(dense.picks[step] as Pick);
    return {
      implementation: pick.alternative.implementation,
      regions: pick.regions,
      copiedBytes: pick.sramBytes,
      alternatives: estimates,
      dense: withAll.form === 'dense' ? withAll : null,
      why: explain(estimates, refused, decision),
    };
  });
  return { choices, decision };
}

/** Share of the time that may remain if weights take more RAM than their share. */
const mostWithAllCopies = 0.5;

/** The choice; with more RAM for copies of weights if that halves the time. */
function settleWithCopies(
  steps: readonly StepAlternatives[],
  optimize: Optimize,
  room: Room,
): InTime {
  const usual = settleInTime(steps, optimize, room);
  // Without a price, RAM holds all copies that save any time.
  if (room.withMoreCopies === undefined || usual.chosen.prices.sram === 0) return usual;
  const all = settleInTime(steps, optimize, room.withMoreCopies);
  const most = mostWithAllCopies * cyclesOf(usual.chosen);
  return cyclesOf(all.chosen) <= most ? all : usual;
}

/** The arena's limit if RAM were unlimited. */
function wantedArena(
  steps: readonly StepAlternatives[],
  { prices }: Settlement,
  goal: Goal,
  { leastArenaBytes }: Room,
): number {
  const ramPrice = goal.arenaPrice(prices.flash) + prices.sram;
  return cheapestArena(offersOf(steps), prices, ramPrice, leastArenaBytes);
}

/**
 * A time budget needs cycles. A target that counts instructions is compared as if each took one.
 */
function timeBudget({ costUnit }: TargetTraits): string {
  return `the time budget${costUnit === 'instructions' ? ', if each took a cycle' : ''}`;
}

interface InTime extends Both {
  readonly goal: Goal;
  /** Share of the prices that `optimize` wants; below 1 if the time budget needs it. */
  readonly share: number;
}

/** Share of the time budget to aim at, if possible: estimates are a few per cent off. */
const timeMargin = 0.95;

/** Steps of the search for the largest share of the prices that meets the time budget. */
const timeSteps = 10;

/**
 * The choice at the wanted prices. If that is too slow: at the largest share of these prices that
 * is fast enough, or with free bytes if none is.
 */
function settleInTime(steps: readonly StepAlternatives[], optimize: Optimize, room: Room): InTime {
  const at = (share: number): InTime => {
    const goal = goalOf(steps, optimize, room, share);
    return { goal, ...settleBoth(steps, optimize, goal, room), share };
  };
  const wanted = at(1);
  const cautious = timeMargin * room.mostCycles;
  if (cyclesOf(wanted.chosen) <= cautious) return wanted;
  let best = at(0);
  const limit = cyclesOf(best.chosen) <= cautious ? cautious : room.mostCycles;
  const isFast = ({ chosen }: InTime) => cyclesOf(chosen) <= limit;
  if (isFast(wanted)) return wanted;
  if (!isFast(best)) return best;
  // The search is logarithmic: a share of a thousandth is as good as none.
  let [low, high] = [-3, 0];
  for (let i = 0; i < timeSteps; i++) {
    const middle = (low + high) / 2;
    const tried = at(10 ** middle);
    if (isFast(tried)) {
      best = tried;
      low = middle;
    } else {
      high = middle;
    }
  }
  return best;
}

function cyclesOf({ picks }: Settlement): number {
  return total(picks, ({ cycles }) => cycles);
}

/** @param share of the prices that `optimize` wants */
function goalOf(
  steps: readonly StepAlternatives[],
  optimize: Optimize,
  room: Room,
  share: number,
): Goal {
  const fastest = total(choose(steps, { flash: 0, sram: 0 }), ({ cycles }) => cycles);
  // Zeros make the constants smaller, but must not make the remaining bytes more expensive.
  const smallest = flashOf(choose(steps.map(withAllWeights), { flash: 1e9, sram: 0 }));
  // No image is smaller than its runtime, so few weights must not make code expensive either.
  const perByte = fastest / Math.max(1, smallest, room.runtimeBytes);
  const { leastArenaBytes } = room;
  return {
    flashPrices: flashPrices[optimize].map((price) => share * price * perByte),
    arenaPrice: (flash) =>
      optimize === 'size'
        ? (flash * worthOfArena * (smallest + room.runtimeBytes)) /
          arenaWorth(leastArenaBytes, leastArenaBytes)
        : arenaPrice(optimize, share * fastest, leastArenaBytes),
    worth: (picks, arenaBytes) => {
      const cycles = total(picks, (pick) => pick.cycles);
      const late = Math.max(1, cycles / room.mostCycles);
      const arena = arenaWorth(arenaBytes, leastArenaBytes) ** worthOfArena;
      return imageBytes(picks, room) * arena * cycles ** worthOfTime * late ** tooLate;
    },
  };
}

/** The choice, and the choice among dense kernels alone. */
interface Both {
  readonly chosen: Settlement;
  readonly dense: Settlement;
}

function settleBoth(
  steps: readonly StepAlternatives[],
  optimize: Optimize,
  goal: Goal,
  room: Room,
): Both {
  // Compare speed as if flash were unlimited.
  const unlimited = { ...room, flashBytes: Infinity };
  const dense = settle(steps.map(withAllWeights), goal, unlimited);
  const most = mostTime[optimize];
  const fast = (most: MostTime) => {
    // Which kernels are slow depends on the RAM that is left, which depends on the chosen kernels.
    const first = settle(withoutSlow(steps, [dense], most), goal, unlimited);
    return withoutSlow(steps, [dense, first], most);
  };
  const allowed = most === null ? steps : fast(most);
  const free = settle(allowed, goal, room);
  const chosen = free.isForced && allowed !== steps ? settle(steps, goal, room) : free;
  if (optimize !== 'balanced' || free.isForced || !isPruned(steps)) return { chosen, dense };
  return {
    chosen: noLargerThan(denseTwinBytes(dense, room), allowed, chosen, goal, room),
    dense,
  };
}

/** Least share of zeros in a pruned model. Other models have a few per cent. */
const prunedShare = 0.25;

function isPruned(steps: readonly StepAlternatives[]): boolean {
  const sum = (of: 'count' | 'zeros') =>
    steps.reduce((all, { weights }) => all + (weights?.[of] ?? 0), 0);
  return sum('zeros') > 0 && sum('zeros') >= prunedShare * sum('count');
}

/** Image bytes of the same layers without zeros, dead channels included. */
function denseTwinBytes({ picks }: Settlement, room: Room): number {
  const constants = flashOf(picks);
  return imageBytes(picks, room) - constants + constants / room.source.liveShare;
}

/** Share of the time that kernels for zeros must save if they make the image larger. */
const gainForFlash = 0.2;

/**
 * Keeps a choice that makes the image larger than dense kernels would, if it saves `gainForFlash`
 * of the time of what fits the dense image's flash. It also keeps the choice if the smaller one
 * would be slower than the source's operators one by one, for which the same rule may decide
 * differently.
 */
function noLargerThan(
  denseBytes: number,
  steps: readonly StepAlternatives[],
  chosen: Settlement,
  goal: Goal,
  room: Room,
): Settlement {
  if (imageBytes(chosen.picks, room) <= denseBytes) return chosen;
  const smaller = settle(steps, goal, { ...room, flashBytes: denseBytes });
  const isWorthIt = cyclesOf(chosen) <= (1 - gainForFlash) * cyclesOf(smaller);
  const isMet =
    imageBytes(smaller.picks, room) <= denseBytes &&
    cyclesOf(smaller) <= Math.max(cyclesOf(chosen), room.mostCycles);
  if (isWorthIt || !isMet || cyclesOf(smaller) > room.source.cycles()) return chosen;
  return { ...smaller, isForced: false };
}

function formOf({ variant }: Implementation): KernelForm {
  return variant.packs ? 'packed' : variant.skipsZeros ? 'sparse' : 'dense';
}

/** The step with its dense kernels only, if it has any. */
function withAllWeights(step: StepAlternatives): StepAlternatives {
  const dense = step.alternatives.filter(
    ({ implementation }) => formOf(implementation) === 'dense',
  );
  return dense.length > 0 ? { ...step, alternatives: dense } : step;
}

/**
 * Removes the kernels that skip zeros or pack weights but are not faster, by `mostTime`, than the
 * choice without them in one of the settlements.
 */
function withoutSlow(
  steps: readonly StepAlternatives[],
  settlements: readonly Settlement[],
  { times, less }: MostTime,
): readonly StepAlternatives[] {
  return steps.map((step) => {
    const of = (form: KernelForm) =>
      step.alternatives.filter(({ implementation }) => formOf(implementation) === form);
    const dense = of('dense');
    if (dense.length === 0) return step;
    const isFaster = (one: Alternative, others: readonly Alternative[]) =>
      settlements.some(({ prices, arenaBytes }) => {
        // Cycles include the price of RAM that other steps lose.
        const cost = (pick: Pick) => priceOf(pick, { ...prices, flash: 0 });
        const affordable = others.filter((other) => other.arenaBytes <= arenaBytes);
        if (affordable.length === 0) return true;
        const [best] = choose([{ ...step, alternatives: affordable }], prices);
        return best === undefined || cost(place(one, prices.sram)) <= times * cost(best) - less;
      });
    const plain = [...dense, ...of('sparse').filter((one) => isFaster(one, dense))];
    return {
      ...step,
      alternatives: [...plain, ...of('packed').filter((one) => isFaster(one, plain))],
    };
  });
}

function estimateOf({ alternative, cycles }: Pick): KernelEstimate {
  const { variant, parts } = alternative.implementation;
  return {
    kernel: variant.template,
    cores: parts.length,
    form: formOf(alternative.implementation),
    count: Math.round(cycles),
    bytes: alternative.flashBytes,
    arenaBytes: alternative.arenaBytes,
  };
}
