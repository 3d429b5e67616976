/**
 * Which kernel computes each step, and where its weights live.
 *
 * Every fitting variant of a step is an alternative: so many cycles, so many bytes of flash. Weights
 * read from flash may miss a cache; copied to RAM at start they do not, while there is room. The
 * choice is the fewest cycles plus a price for each byte: of flash as `--optimize` says, of RAM (and
 * of flash, where the budget binds) the lowest price at which everything fits, found by bisection; what
 * that leaves over is spent where it gains most (prices.ts).
 */
import type { Optimize, TargetTraits } from '../../ir/op.js';
import type { KernelContext } from '../../kernels/variant.js';
import { arenaPrice, arenaWorth, cheapestArena } from '../arena/memory.js';
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
  type Step,
  total,
  within,
} from './prices.js';
import type { Room } from './room.js';
import { type Goal, type Settlement, settle } from './settle.js';

export interface Choice {
  readonly implementation: Implementation;
  /** Where the weights of each of the kernel's calls lie; those of a second half as the first's. */
  readonly regions: readonly Region[];
  /** Of weights, in RAM. */
  readonly copiedBytes: number;
  /** For the report: the chosen one first, then the fastest. */
  readonly alternatives: readonly KernelEstimate[];
  /** What it would be if all steps were dense, in the RAM that is left then; null: it could not be. */
  readonly dense: KernelEstimate | null;
  readonly why: string;
}

/**
 * Shares of the cycles that a byte more must save, in relation to its share of the least constants
 * with zeros among them: at 0.2, twice these have to be worth a fifth of the time. For size each is
 * tried; that with the least product of the image's bytes, the time to the power of `worthOfTime` and
 * the arena to that of `worthOfArena` is taken.
 */
const flashPrices: Readonly<Record<Optimize, readonly number[]>> = {
  speed: [0],
  balanced: [0.2],
  size: Array.from({ length: 13 }, (_, i) => 2 ** i),
};

/** Exponent of the time beyond its budget: it outweighs whatever the image is. */
const tooLate = 100;

/** Exponents of the time and of the arena: twice of one has to save an eighteenth of the image. */
const worthOfTime = 1 / 12;
const worthOfArena = 1 / 12;

/**
 * What a kernel that skips zeros or packs weights may take, where no budget forces it: so many times
 * the cycles of the one that would be taken without it, and so many less. Estimates are a few per
 * cent off, of packed weights up to 10, and more for small layers: what is hardly faster may be slower.
 * null: anything.
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
 * A kernel for each of the steps, in their order.
 *
 * @returns also what decided, for the report
 */
export function selectKernels(
  steps: readonly Step[],
  { target, optimize }: KernelContext,
  room: Room,
): { readonly choices: readonly Choice[]; readonly decision: Decision } {
  const possible = within(steps, room.mostArenaBytes);
  const { goal, chosen, dense, share } = settleInTime(possible, optimize, room);
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
    const { alternatives, refused } = steps[step] as Step;
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

/** The limit that the arena would have if there were RAM for any. */
function wantedArena(
  steps: readonly Step[],
  { prices }: Settlement,
  goal: Goal,
  { leastArenaBytes }: Room,
): number {
  const ramPrice = goal.arenaPrice(prices.flash) + prices.sram;
  return cheapestArena(steps, prices, ramPrice, leastArenaBytes);
}

/** Only cycles are times: instructions are what a budget of time can be held against without them. */
function timeBudget({ costUnit }: TargetTraits): string {
  return `the time budget${costUnit === 'instructions' ? ', if each took a cycle' : ''}`;
}

interface InTime extends Both {
  readonly goal: Goal;
  /** Of the prices that `optimize` wants: below 1 so that it is fast enough. */
  readonly share: number;
}

/** Of the time that there is, where it can be kept to: estimates are a few per cent off. */
const timeMargin = 0.95;

/** Steps of the search for the share of the prices at which it is fast enough. */
const timeSteps = 10;

/**
 * The choice at the wanted prices of bytes; where that takes too long, at the largest share of them
 * at which it does not. Where nothing is fast enough, bytes cost nothing.
 */
function settleInTime(steps: readonly Step[], optimize: Optimize, room: Room): InTime {
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
  // By the logarithm: a share of a thousandth is as good as none.
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
function goalOf(steps: readonly Step[], optimize: Optimize, room: Room, share: number): Goal {
  const fastest = total(choose(steps, { flash: 0, sram: 0 }), ({ cycles }) => cycles);
  // What few weights save must not make each byte that is left dearer.
  const smallest = flashOf(choose(steps.map(withAllWeights), { flash: 1e9, sram: 0 }));
  // No image is smaller than its runtime: few weights must not make code dear either.
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

/** The choice, and what it would be if kernels of all steps multiplied every weight. */
interface Both {
  readonly chosen: Settlement;
  readonly dense: Settlement;
}

function settleBoth(steps: readonly Step[], optimize: Optimize, goal: Goal, room: Room): Both {
  // What a budget forces is not what is slow without it.
  const unlimited = { ...room, flashBytes: Infinity };
  const dense = settle(steps.map(withAllWeights), goal, unlimited);
  const most = mostTime[optimize];
  const fast = (most: MostTime) => {
    // What is slow depends on the RAM that is left, which depends on what is taken.
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

/** The least share of zeros of a pruned model: those that are not have a few per cent. */
const prunedShare = 0.25;

function isPruned(steps: readonly Step[]): boolean {
  const sum = (of: 'count' | 'zeros') =>
    steps.reduce((all, { weights }) => all + (weights?.[of] ?? 0), 0);
  return sum('zeros') > 0 && sum('zeros') >= prunedShare * sum('count');
}

/** The image of a model of the same layers without zeros: no channel of it is dead. */
function denseTwinBytes({ picks }: Settlement, room: Room): number {
  const constants = flashOf(picks);
  return imageBytes(picks, room) - constants + constants / room.source.liveShare;
}

/** What zeros have to save, as a share of the time, where they make the image larger. */
const gainForFlash = 0.2;

/**
 * A choice whose image is larger than that without kernels for zeros is kept where it is faster by
 * `gainForFlash` than what fits into as much flash, or where the latter would be slower than the
 * source's operators one by one, for which the same rule may decide otherwise.
 */
function noLargerThan(
  denseBytes: number,
  steps: readonly Step[],
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

/** Without kernels that skip zeros or pack weights, where there are others. */
function withAllWeights(step: Step): Step {
  const dense = step.alternatives.filter(
    ({ implementation }) => formOf(implementation) === 'dense',
  );
  return dense.length > 0 ? { ...step, alternatives: dense } : step;
}

/**
 * Of what skips zeros or packs weights stays what is faster than the choice without, by `mostTime`: as
 * one of these was settled.
 */
function withoutSlow(
  steps: readonly Step[],
  settlements: readonly Settlement[],
  { times, less }: MostTime,
): readonly Step[] {
  return steps.map((step) => {
    const of = (form: KernelForm) =>
      step.alternatives.filter(({ implementation }) => formOf(implementation) === form);
    const dense = of('dense');
    if (dense.length === 0) return step;
    const isFaster = (one: Alternative, others: readonly Alternative[]) =>
      settlements.some(({ prices, arenaBytes }) => {
        // Cycles that take RAM from other steps are dearer.
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
