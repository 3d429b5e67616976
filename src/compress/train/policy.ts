/**
 * How long a training takes and with which settings, where nobody says so: a budget of steps of the
 * optimizer, short trials of what can be chosen, and more of it while the last epoch is the best.
 * Validation samples decide, never the clock.
 */

import type { Candidate } from '../candidate.js';
import type { EpochReport } from './options.js';
import { isBetter, type Validation } from './validation.js';

/** What a training is made with. */
export interface Plan {
  readonly epochs: number;
  readonly batch: number;
  readonly teacherShare: number;
  /** Which of several candidates it begins with. */
  readonly start: number;
}

/** What trials choose from, the first of each where nothing decides. */
export interface Choices {
  readonly starts: readonly number[];
  readonly shares: readonly number[];
  readonly batches: readonly number[];
}

/** A training that is done. */
export interface Run {
  readonly candidate: Candidate;
  readonly history: readonly EpochReport[];
}

/** Steps of the optimizer, and the epochs that they are at least and at most. */
const [budgetSteps, leastEpochs, mostEpochs] = [1000, 10, 100];
/** Of the budget, for each trial. */
const trialPart = 0.25;
/** Trainings in turn, each as long as the first: what a budget of steps grows to at most. */
export const mostRounds = 3;

/** @param part of the budget */
export function epochsFor(samples: number, batch: number, part = 1): number {
  const batches = Math.ceil(samples / batch);
  const needed = Math.min(mostEpochs, Math.ceil(budgetSteps / batches));
  return Math.ceil(part * Math.max(leastEpochs, needed));
}

/** Of the epoch whose weights a run ends with; null without validation samples. */
export function reached({ history }: Pick<Run, 'history'>): Validation | null {
  return history.findLast(({ isBest }) => isBest)?.validation ?? null;
}

/** Fewer validation samples do not tell two settings apart: one standard error of 60 % is 2.2 points. */
const enoughSamples = 500;
const mostSplits = 3;

/** How often a trial is made, each with other samples for validation. */
export function splitsFor(validationSamples: number): number {
  return validationSamples < enoughSamples ? mostSplits : 1;
}

/** Over several splits; null where one diverges. */
export function meanOf(found: readonly (Validation | null)[]): Validation | null {
  const known = found.filter((one) => one !== null);
  if (known.length === 0 || known.length < found.length) return null;
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
  const shares = known.map(({ accuracy }) => accuracy).filter((share) => share !== null);
  const accuracy = shares.length < known.length ? null : mean(shares);
  return { accuracy, loss: mean(known.map(({ loss }) => loss)) };
}

/** How good a plan is; null where it diverges. */
export type Trial = (plan: Plan) => Promise<Validation | null>;

/**
 * The best of one choice at a time, each tried with the best of those before.
 *
 * @param tell gets a line for each trial
 */
export async function chosenPlan(
  { starts, shares, batches }: Choices,
  epochsOf: (batch: number, part: number) => number,
  trial: Trial,
  tell: (plan: Plan, validation: Validation | null) => void,
): Promise<Plan> {
  const made = (start: number, teacherShare: number, batch: number, part: number): Plan => {
    return { start, teacherShare, batch, epochs: epochsOf(batch, part) };
  };
  const [start = 0] = starts;
  const [share = 0] = shares;
  const [batch = 1] = batches;
  let best = made(start, share, batch, trialPart);
  const others: readonly ((from: Plan) => Plan)[] = [
    ...starts.slice(1).map((one) => (from: Plan) => ({ ...from, start: one })),
    ...shares.slice(1).map((one) => (from: Plan) => ({ ...from, teacherShare: one })),
    ...batches.slice(1).map((one) => (from: Plan) => {
      return made(from.start, from.teacherShare, one, trialPart);
    }),
  ];
  let score: Validation | null = null;
  for (const change of others.length === 0 ? [] : [(from: Plan) => from, ...others]) {
    const plan = change(best);
    const own = await trial(plan);
    tell(plan, own);
    if (own !== null && isBetter(own, score)) [best, score] = [plan, own];
  }
  return made(best.start, best.teacherShare, best.batch, 1);
}

/** So many runs in turn; 'auto': as long as the last epoch is the best, and each is better. */
export async function inRounds(
  rounds: number | 'auto',
  first: Run,
  again: (before: Run) => Promise<Run | null>,
): Promise<Run & { readonly rounds: number }> {
  let best = first;
  const most = rounds === 'auto' ? mostRounds : rounds;
  for (let done = 1; ; done += 1) {
    const isOpen = rounds !== 'auto' || best.history.at(-1)?.isBest === true;
    const next = isOpen && done < most ? await again(best) : null;
    const after = next === null ? null : reached(next);
    const isWorse = rounds === 'auto' && (after === null || !isBetter(after, reached(best)));
    if (next === null || isWorse) return { ...best, rounds: done };
    best = { candidate: next.candidate, history: [...best.history, ...next.history] };
  }
}
