/**
 * Which kernel computes each step, and where its weights live.
 *
 * Every variant that applies to a step is an alternative with its cycles and its bytes of flash.
 * Weights read from flash may miss the cache; weights copied to RAM at start do not, but need room.
 * The choice (decide.ts) is the one with the lowest score (score.ts) that a search finds (search.ts).
 */
import type { TargetTraits } from '../../ir/op.js';
import type { KernelContext } from '../../kernels/variant.js';
import { cheapestArena, offersOf } from '../arena/memory.js';
import type { Implementation } from '../schedule/parts.js';
import type { Decision, KernelEstimate, Region } from '../types.js';
import { decide, formOf } from './decide.js';
import { explain } from './explain.js';
import { type Pick, place, type StepAlternatives, within } from './prices.js';
import type { Room } from './room.js';
import type { Goal } from './score.js';
import type { Found } from './search.js';

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
  const { goal, chosen, dense, share, limit, withMoreFlash } = decide(possible, optimize, room);
  const { picks, prices, totals } = chosen;
  const { arenaBytes, imageBytes } = totals;
  const isKept = imageBytes <= room.flashBytes;
  const asked = `--optimize ${optimize}`;
  const reasons = {
    interpreter: `${asked}, in less time than an interpreter`,
    reserve: `${asked}, in three quarters of the flash or what balanced takes`,
    flash: `the flash budget${isKept ? ', spent where it gains most' : ''}`,
    time: timeBudget(target),
  };
  const decision: Decision = {
    unit: target.costUnit,
    flashPrice: prices.flash,
    arenaPrice: goal.arenaPrice(prices.flash),
    arenaBytes,
    arenaRoomBytes: room.mostArenaBytes === Infinity ? null : Math.floor(room.mostArenaBytes),
    isShortOfRam: wantedArena(steps, chosen, goal, room) > room.mostArenaBytes,
    imageBytes,
    share,
    reason: limit === null ? asked : reasons[limit],
    withMoreFlash: withMoreFlash && {
      imageBytes: withMoreFlash.imageBytes,
      timeShare: withMoreFlash.cycles / totals.cycles,
    },
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

/** The arena's limit if RAM were unlimited. */
function wantedArena(
  steps: readonly StepAlternatives[],
  { prices }: Found,
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
