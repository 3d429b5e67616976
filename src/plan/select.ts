/**
 * Which kernel computes each step, and where its weights live.
 *
 * Every fitting variant of a step is an alternative: so many cycles, so many bytes of flash. Weights
 * read from flash may miss a cache; copied to RAM at start they do not, while there is room. The
 * choice is the fewest cycles plus a price for each byte: of flash as `--optimize` says, of RAM (and
 * of flash, where the budget binds) the lowest price at which everything fits, found by bisection; what
 * that leaves over is spent where it gains most (prices.ts).
 */
import type { KernelContext, Optimize } from '../ir/op.js';
import { explain } from './explain.js';
import { arenaPrice } from './memory.js';
import type { Implementation } from './parts.js';
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
import type { Decision, KernelEstimate, KernelForm, Region } from './types.js';

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
 * tried; that with the least product of the image's bytes and the time to the power of `worthOfTime`
 * is taken.
 */
const flashPrices: Readonly<Record<Optimize, readonly number[]>> = {
  speed: [0],
  balanced: [0.2],
  size: Array.from({ length: 13 }, (_, i) => 2 ** i),
};

/** Exponent of the time: twice the time has to save an eighteenth of the image. */
const worthOfTime = 1 / 12;

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
  const goal = goalOf(possible, optimize, room);
  const { chosen, dense } = settleBoth(possible, optimize, goal, room);
  const { picks, prices, arenaBytes, isForced } = chosen;
  const image = imageBytes(picks, room);
  const byBudget = `the flash budget${image <= room.flashBytes ? ', spent where it gains most' : ''}`;
  const decision: Decision = {
    unit: target.costUnit,
    flashPrice: prices.flash,
    arenaPrice: goal.arenaPrice(prices.flash),
    arenaBytes,
    arenaRoomBytes: room.mostArenaBytes === Infinity ? null : Math.floor(room.mostArenaBytes),
    imageBytes: image,
    reason: isForced ? byBudget : `--optimize ${optimize}`,
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

function goalOf(steps: readonly Step[], optimize: Optimize, room: Room): Goal {
  const fastest = total(choose(steps, { flash: 0, sram: 0 }), ({ cycles }) => cycles);
  // What few weights save must not make each byte that is left dearer.
  const smallest = choose(steps.map(withAllWeights), { flash: 1e9, sram: 0 });
  const perByte = fastest / Math.max(1, flashOf(smallest));
  return {
    flashPrices: flashPrices[optimize].map((price) => price * perByte),
    arenaPrice: (flash) => arenaPrice(optimize, fastest, room.leastArenaBytes, flash),
    worth: (picks) => imageBytes(picks, room) * total(picks, ({ cycles }) => cycles) ** worthOfTime,
  };
}

/** The choice, and what it would be if kernels of all steps multiplied every weight. */
function settleBoth(
  steps: readonly Step[],
  optimize: Optimize,
  goal: Goal,
  room: Room,
): { readonly chosen: Settlement; readonly dense: Settlement } {
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
  return { chosen, dense };
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
