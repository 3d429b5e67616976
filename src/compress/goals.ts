/** What a compression shall reach, what is the least that is worth it, and how near a candidate is. */
import { BonsaiError } from '../errors.js';
import { rounded } from '../report/budgets.js';
import type { Assessment, Standard } from './assess.js';
import type { CostFigures } from './workshop.js';

export interface Goals {
  /** Share of right answers. */
  readonly minAccuracy?: number | undefined;
  /** Signal to noise of the outputs beside the float model's, in dB; of several outputs each. */
  readonly minSnr?: number | undefined;
  /**
   * Mean absolute error (MAE) in the outputs' real units, of several outputs each: from targets, else
   * from the float model's outputs.
   */
  readonly maxError?: number | undefined;
  /** Of an inference. */
  readonly maxMs?: number | undefined;
  /** Bytes of the image. */
  readonly maxFlash?: number | undefined;
  /** Bytes of RAM, as `run` counts them. */
  readonly maxRam?: number | undefined;
}

/** As `run` reports them; compare.ts of report/ has the meaning of `basis`. */
export interface Linked {
  readonly ms: number;
  readonly flashBytes: number;
  readonly ramBytes: number;
  /** 'built': time is estimated, and RAM is the most that it is. */
  readonly basis: 'simulated' | 'built' | 'estimated';
  /** Why it got no further; null if the model ran. */
  readonly note: string | null;
}

type Figures = Pick<CostFigures, 'ms' | 'flashBytes' | 'ramBytes'>;

/** Each budget that is set: the flag, what is needed, and the most that is allowed. */
function budgets({ maxMs, maxFlash, maxRam }: Goals, cost: Figures) {
  const all = [
    { flag: '--max-ms', unit: 'ms', needed: cost.ms, most: maxMs },
    { flag: '--max-flash', unit: 'bytes of flash', needed: cost.flashBytes, most: maxFlash },
    { flag: '--max-ram', unit: 'bytes of RAM', needed: cost.ramBytes, most: maxRam },
  ];
  return all.flatMap(({ most, ...rest }) => (most === undefined ? [] : [{ ...rest, most }]));
}

/** What is needed as a share of the budget, where that is largest; at most 1 if all are met. */
export function strain(goals: Goals, cost: Figures | null): number {
  if (cost === null) return 0;
  return Math.max(0, ...budgets(goals, cost).map(({ needed, most }) => needed / most));
}

/**
 * How well a candidate does its task, 1 at best: accuracy; for targets the share of their variance
 * that is explained (R²); without labels the share of samples in the original's class; without
 * classes the share of the output's power that is signal.
 */
export function quality({ accuracy, agreement, error, snrDb }: Assessment): number {
  const explained = error?.from === 'targets' ? error.explained : null;
  return accuracy ?? agreement ?? explained ?? 1 - 10 ** (-snrDb / 10);
}

/** A loss that nobody minds: half a point. */
export const littleLoss = 0.005;

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
const decibels = (value: number) => `${value.toFixed(1)} dB`;

/** The least that a user names: each flag, whether it is met, and what is said where it is not. */
function named(goals: Goals, { accuracy, snrDb, error }: Assessment) {
  const { minAccuracy, minSnr, maxError } = goals;
  const found: { readonly isMet: boolean; readonly text: string }[] = [];
  if (minAccuracy !== undefined && accuracy !== null) {
    const text = `${percent(accuracy)} of the test samples are right, --min-accuracy is ${percent(minAccuracy)}`;
    found.push({ isMet: accuracy >= minAccuracy, text });
  }
  if (minSnr !== undefined) {
    const text = `the outputs have an SNR of ${decibels(snrDb)} on the test samples, --min-snr is ${decibels(minSnr)}`;
    found.push({ isMet: snrDb >= minSnr, text });
  }
  if (maxError !== undefined && error !== null) {
    const text = `the mean absolute error is ${rounded(error.mae)} on the test samples, --max-error is ${rounded(maxError)}`;
    found.push({ isMet: error.mae <= maxError, text });
  }
  return found;
}

/**
 * The share of what the original has over an answer that looks at no sample, below which a result is
 * of no use (docs/compression.md, 'The floor').
 */
export const leastShare = 0.75;

/** The least quality that the user did not have to ask for; −∞ where the original has none. */
export function floorOf({ original, blind, samples }: Standard): number {
  const own = quality(original);
  if (own <= blind) return Number.NEGATIVE_INFINITY;
  // A sample more or less decides nothing. 1.5: shares of samples are no exact numbers.
  const slack = original.error === null ? 1.5 / samples : 0;
  return blind + leastShare * (own - blind) - slack;
}

/** Whether a candidate is worth anything: it has what the user named, else the floor's quality. */
export function isUseful(goals: Goals, assessment: Assessment, standard: Standard): boolean {
  const asked = named(goals, assessment);
  if (asked.length > 0) return asked.every(({ isMet }) => isMet);
  return isAboveFloor(assessment, standard);
}

/** Numbers that are no nearer to those wanted than their mean are of no use, however large it is. */
function isAboveFloor(assessment: Assessment, standard: Standard): boolean {
  const floor = floorOf(standard);
  if (floor === Number.NEGATIVE_INFINITY) return true;
  return quality(assessment) >= floor && (assessment.error?.explained ?? 1) > 0;
}

/** Whether there is nothing to look for any more but cost: as asked, else hardly a loss. */
export function isGood(goals: Goals, assessment: Assessment, { original }: Standard): boolean {
  const asked = named(goals, assessment);
  if (asked.length > 0) return asked.every(({ isMet }) => isMet);
  return quality(assessment) >= quality(original) - littleLoss;
}

/** @throws BonsaiError 'usage' for a least that this model and these samples do not measure */
export function checkGoals({ minAccuracy, maxError }: Goals, { original }: Standard): void {
  if (minAccuracy !== undefined && original.accuracy === null) {
    const message = 'needs labels, and a model whose outputs are classes';
    const hint = 'leave it out, or label the samples: a class for each output';
    throw new BonsaiError('usage', '--min-accuracy', message, hint);
  }
  if (maxError !== undefined && original.error === null) {
    const message = "is for outputs that are numbers; this model's are classes";
    throw new BonsaiError('usage', '--max-error', message, 'use --min-accuracy, or --min-snr');
  }
}

/** What a goal that is missed is told with. */
export interface Reached {
  /** On the test samples. */
  readonly got: Assessment;
  readonly standard: Standard;
  readonly cost: CostFigures | null;
  /** By which it is judged, where it was built. */
  readonly linked?: Linked | null;
  /** Why the board does not take it, whatever the budgets are; null: it does. */
  readonly refusal?: BonsaiError | null;
}

/** 'over-budget' with what the best result needs and lacks; null if it meets all goals. */
export function goalsFault(where: string, goals: Goals, reached: Reached): BonsaiError | null {
  const { got, standard, cost, linked = null, refusal = null } = reached;
  const figures = linked ?? cost;
  const over = figures === null ? [] : budgets(goals, figures).filter((b) => b.needed > b.most);
  const isEstimate = (flag: string) =>
    linked === null ||
    linked.basis === 'estimated' ||
    (linked.basis === 'built' && flag !== '--max-flash');
  const needs = over.map(
    ({ flag, unit, needed, most }) =>
      `needs ${rounded(needed)} ${unit}${isEstimate(flag) ? ' by estimate' : ''}, ${flag} is ${most}`,
  );
  const asked = named(goals, got);
  const own = named(goals, standard.original);
  const lacks = asked.flatMap(({ isMet, text }, i) => {
    if (isMet) return [];
    return [own[i]?.isMet === false ? `${text}, which the float model misses too` : text];
  });
  const isUseless = asked.length === 0 && !isAboveFloor(got, standard);
  const faults = [
    ...(refusal === null ? [] : [refusal.message]),
    ...needs,
    ...lacks,
    ...(isUseless ? [uselessText(got, standard)] : []),
  ];
  if (faults.length === 0) return null;
  const ways = [
    refusal !== null
      ? 'take a larger board'
      : over.length === 0
        ? 'ask for less accuracy'
        : 'allow more',
    'train longer (--epochs)',
    over.length === 0 && refusal === null ? 'give more samples' : 'begin with a smaller model',
    ...(isUseless ? [`accept this with ${acceptance(got)}`] : []),
  ];
  const next = `${ways.slice(0, -1).join(', ')}, or ${ways.at(-1)}`;
  const hint = `the nearest result that was found is written; ${next}`;
  return new BonsaiError('over-budget', where, faults.join('; '), hint);
}

/** What was reached, and the floor. */
function uselessText(got: Assessment, standard: Standard): string {
  const { original, task, blind } = standard;
  const floor = floorOf(standard);
  if (got.accuracy !== null) {
    const float = `the float model has ${percent(original.accuracy ?? 0)}, one class for all ${percent(blind)}`;
    return `${percent(got.accuracy)} of the test samples are right, the floor is ${percent(floor)} (${float})`;
  }
  if (got.agreement !== null) {
    const one = `one class for all gives ${percent(blind)}`;
    return `${percent(got.agreement)} of the test samples are in the float model's class, the floor is ${percent(floor)} (${one})`;
  }
  if (task === 'values') {
    const r2 = (share: number) => share.toFixed(2);
    const own = `the float model ${r2(quality(original))}`;
    return `the outputs explain ${r2(quality(got))} of the variance of the targets (R²) of the test samples, ${own}; the floor is ${r2(floor)}`;
  }
  const reached = `the outputs have an SNR of ${decibels(got.snrDb)} on the test samples`;
  if (quality(got) < floor) return `${reached}, the floor is ${decibels(floorDb)}`;
  return `${reached}, but are no nearer to the float model's than their mean is`;
}

const floorDb = -10 * Math.log10(1 - leastShare);

/** The flag by which a result that is below the floor is good enough. */
function acceptance({ accuracy, snrDb }: Assessment): string {
  if (accuracy !== null) return `--min-accuracy ${Math.floor(100 * accuracy)}`;
  return `--min-snr ${Math.floor(snrDb)}`;
}
