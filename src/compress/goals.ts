/** What a compression shall reach, and how near a candidate is. */
import { BonsaiError } from '../errors.js';
import { rounded } from '../report/budgets.js';
import type { Assessment } from './assess.js';
import type { CostFigures, StepReport } from './workshop.js';

export interface Goals {
  /** Share of right answers. */
  readonly minAccuracy?: number | undefined;
  /** Of an inference. */
  readonly maxMs?: number | undefined;
  /** Bytes of the image. */
  readonly maxFlash?: number | undefined;
  /** Bytes of the arena and copies of weights. */
  readonly maxRam?: number | undefined;
}

/** What a cost's RAM is: only a build tells the firmware's variables and stack, which `run` counts. */
export const bareRam = "without the firmware's own";

/** Each budget that is set: the flag, what is needed, and the most that is allowed. */
function budgets({ maxMs, maxFlash, maxRam }: Goals, cost: CostFigures) {
  const all = [
    { flag: '--max-ms', unit: 'ms', needed: cost.ms, most: maxMs },
    { flag: '--max-flash', unit: 'bytes of flash', needed: cost.flashBytes, most: maxFlash },
    { flag: '--max-ram', unit: `bytes of RAM ${bareRam}`, needed: cost.ramBytes, most: maxRam },
  ];
  return all.flatMap(({ most, ...rest }) => (most === undefined ? [] : [{ ...rest, most }]));
}

/** What is needed as a share of the budget, where that is largest; at most 1 if all are met. */
export function strain(goals: Goals, cost: CostFigures | null): number {
  if (cost === null) return 0;
  return Math.max(0, ...budgets(goals, cost).map(({ needed, most }) => needed / most));
}

/**
 * How well a candidate does what the original does, 1 at best: accuracy; without labels the share of
 * samples in the original's class; without classes the share of the output's power that is signal.
 */
export function quality({ accuracy, agreement, snrDb }: Assessment): number {
  return accuracy ?? agreement ?? 1 - 10 ** (-snrDb / 10);
}

/** A loss that nobody minds: half a point. */
export const littleLoss = 0.005;

/** The least quality that the goals accept of a candidate. */
export function leastQuality({ minAccuracy }: Goals, original: Assessment): number {
  return minAccuracy ?? quality(original) - littleLoss;
}

/** 'over-budget' with what the best result needs and lacks; null if it meets all goals. */
export function goalsFault(
  where: string,
  goals: Goals,
  report: {
    readonly accuracy: { readonly int8: number } | null;
    readonly cost: { readonly after: CostFigures } | null;
    readonly steps: readonly StepReport[];
  },
): BonsaiError | null {
  const { accuracy, cost } = report;
  const over = cost === null ? [] : budgets(goals, cost.after).filter((b) => b.needed > b.most);
  const faults = over.map(
    ({ flag, unit, needed, most }) =>
      `needs ${rounded(needed)} ${unit} by estimate, ${flag} is ${most}`,
  );
  const { minAccuracy } = goals;
  if (minAccuracy !== undefined && accuracy !== null && accuracy.int8 < minAccuracy) {
    const share = (value: number) => `${(100 * value).toFixed(2)} %`;
    faults.push(
      `${share(accuracy.int8)} of the test samples are right, --min-accuracy is ${share(minAccuracy)}`,
    );
  }
  if (faults.length === 0) return null;
  const next =
    over.length === 0
      ? 'ask for less, train longer (--epochs), or give more samples'
      : 'allow more, train longer (--epochs), or begin with a smaller model';
  const hint = `the best that was found is written; ${next}`;
  return new BonsaiError('over-budget', where, faults.join('; '), hint);
}
