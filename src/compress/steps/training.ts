/** What steps that train have in common: the settings, the progress, and the notes. */

import type { Graph } from '../../compiler/ir/graph.js';
import { InternalError } from '../../errors.js';
import type { Say } from '../../progress.js';
import type { Candidate } from '../candidate.js';
import { joined } from '../data/dataset.js';
import { split } from '../data/split.js';
import { seedFor } from '../random.js';
import { originalTeacher, type StepSettings } from '../recipe.js';
import { epochLine, learningCurve, scoreText } from '../train/curve.js';
import { nullIfDiverged, type TrainHooks, train, trainDefaults } from '../train/loop.js';
import {
  chosenPlan,
  epochsFor,
  inRounds,
  meanOf,
  type Plan,
  type Run,
  reached,
  splitsFor,
  type Trial,
} from '../train/policy.js';
import type { Validation } from '../train/validation.js';
import { partsOf } from './parts.js';
import type { Keeper, StepResult, Surroundings } from './step.js';

export type Training = Extract<StepSettings, { epochs: unknown }>;

/** @throws InternalError for files that were not read before */
export function teacherGraphs(
  names: Training['teachers'],
  original: Graph,
  files: Surroundings['teachers'],
): readonly Graph[] {
  return names.map((name) => {
    const graph = name === originalTeacher ? original : files?.get(name);
    if (graph !== undefined) return graph;
    throw new InternalError('compress', `the teacher ${name} was not read`);
  });
}

/** A step's own hooks for a training of so many epochs, and the keeper that has their state. */
export type HooksFor = (
  epochs: number,
  keeper: Keeper,
) => { readonly hooks: Pick<TrainHooks, 'masks' | 'step'>; readonly keeper: Keeper };

const noHooks: HooksFor = (_, keeper) => ({ hooks: {}, keeper });

/** What a step that trains gives: its settings are those that were chosen. */
export interface Trained extends StepResult {
  readonly chosen: Omit<Plan, 'start'> & { readonly rounds: number };
  /** Which candidate it began with. */
  readonly start: number;
}

/** Of the rate, where a training goes on from its own result. */
const laterRate = 0.3;

/**
 * Trains with the original as teacher, or with those that the settings name. Where epochs are
 * 'auto', whatever else is 'auto' is chosen by trials.
 *
 * @param starts candidates to begin with; with epochs of its own, a training takes the first
 */
export async function trained(
  starts: readonly Candidate[],
  settings: Training,
  surroundings: Surroundings,
  say: Say,
  keeper: Keeper,
  hooksFor: HooksFor = noHooks,
): Promise<Trained> {
  const notes: string[] = [];
  const next = partsOf(keeper);
  const runAs = (
    plan: Plan,
    before: Run | null,
    { title = '', data = surroundings.data } = {},
  ): Promise<Run> => {
    const own = next();
    const how = before === null ? hooksFor(plan.epochs, own) : noHooks(plan.epochs, own);
    const start = before?.candidate ?? starts[plan.start];
    if (start === undefined) throw new InternalError('compress', 'a training without a start');
    const rate = settings.learningRate * (before === null ? 1 : laterRate);
    const asked = { ...settings, ...plan, learningRate: rate };
    const tell = (text: string, chart?: string) => say(`${title}${text}`, chart);
    const told = { say: tell, note: (text: string) => notes.push(text) };
    return trainedAs(start, asked, { ...surroundings, data }, told, how);
  };
  const plan = await planOf(settings, starts, surroundings, notes, async (one) => {
    const found: (Validation | null)[] = [];
    for (const data of splitsOf(surroundings)) {
      const run = await runAs(one, null, { title: 'trial: ', data }).catch(nullIfDiverged);
      found.push(run === null ? null : reached(run));
    }
    return meanOf(found);
  });
  const first = await runAs(plan, null);
  const isOpen = settings.epochs === 'auto' && surroundings.data.validation.count > 0;
  const run = await inRounds(isOpen ? 'auto' : settings.rounds, first, (before) =>
    runAs(plan, before, { title: 'goes on: ' }).catch(nullIfDiverged),
  );
  const how = starts[0]?.quantization === null ? 'in float32' : 'fake-quantized';
  const what = `${run.history.length} epochs ${how} at a learning rate of ${settings.learningRate}`;
  const ended = [...notes, `${what}${ending(run, settings.keepBest)}`];
  const { start, ...found } = plan;
  const chosen = { ...found, rounds: run.rounds };
  const made = { ...settings, ...chosen } as StepSettings;
  return { candidate: run.candidate, notes: ended, settings: made, chosen, start };
}

/** The given split, and where validation samples are few others of all that is not for tests. */
function splitsOf({ data, seed }: Surroundings): readonly Surroundings['data'][] {
  const { train: samples, validation } = data;
  const others = Array.from({ length: splitsFor(validation.count) - 1 }, (_, i) => {
    const all = joined(samples, validation);
    const share = validation.count / all.count;
    const drawn = split(all, { validation: share, test: 0, seed: seedFor(seed, 'trials', i) });
    return { ...data, train: drawn.train, validation: drawn.validation };
  });
  return [data, ...others];
}

/** Of what is 'auto', the second where the first is not. */
const [shares, batches] = [
  [trainDefaults.teacherShare, 0] as const,
  [trainDefaults.batch, 32] as const,
];

/** Without trials. */
export function usualPlan({
  epochs,
  batch,
  teacherShare,
}: Pick<Training, 'epochs' | 'batch' | 'teacherShare'>): Plan {
  return {
    epochs: epochs === 'auto' ? trainDefaults.epochs : epochs,
    batch: batch === 'auto' ? trainDefaults.batch : batch,
    teacherShare: teacherShare === 'auto' ? trainDefaults.teacherShare : teacherShare,
    start: 0,
  };
}

function planOf(
  { epochs, batch, teacherShare }: Training,
  starts: readonly Candidate[],
  { data: { train: samples, validation } }: Surroundings,
  notes: string[],
  trial: Trial,
): Promise<Plan> | Plan {
  const fixed = usualPlan({ epochs, batch, teacherShare });
  if (epochs !== 'auto') return fixed;
  const whole = starts[0]?.quantization === null ? 1 : 0.5;
  const epochsOf = (size: number, part: number) => epochsFor(samples.count, size, whole * part);
  if (validation.count === 0) return { ...fixed, epochs: epochsOf(fixed.batch, 1) };
  const hasAnswers = samples.labels !== null || samples.targets !== undefined;
  const choices = {
    starts: starts.map((_, i) => i),
    shares: teacherShare === 'auto' && hasAnswers ? shares : [fixed.teacherShare],
    batches: batch === 'auto' ? batches : [fixed.batch],
  };
  return chosenPlan(choices, epochsOf, trial, (plan, score) => {
    const from = starts.length > 1 ? `start ${plan.start + 1}, ` : '';
    const what = `${from}batch ${plan.batch}, ${plan.teacherShare} from teachers`;
    notes.push(`trial of ${what}: ${score === null ? 'diverged' : scoreText(score)}`);
  });
}

type Fixed = Training & Plan;

/** One training by settings of which nothing is open. */
async function trainedAs(
  start: Candidate,
  settings: Fixed,
  { tf, data, original, teachers, seed }: Surroundings,
  { say, note }: { say: Say; note: (text: string) => void },
  { hooks, keeper }: ReturnType<HooksFor>,
): Promise<Run> {
  let history = (keeper.resumed?.progress.history ?? []) as Run['history'];
  for (const text of (keeper.resumed?.progress.said ?? []) as readonly string[]) note(text);
  const { step: _, start: _start, rounds: _rounds, teachers: names, ...options } = settings;
  const candidate = await train(tf, start, {
    data: data.train,
    validation: data.validation,
    teachers: teacherGraphs(names, original, teachers),
    options: { ...trainDefaults, ...options, seed },
    resume: keeper.resumed,
    hooks: {
      ...hooks,
      save: keeper.save,
      epoch(report, all) {
        history = all;
        say(epochLine(report), learningCurve(all));
      },
      say(text) {
        note(text);
        say(text);
      },
    },
  });
  return { candidate, history };
}

/** Of the epoch whose weights the result has. */
function ending({ history }: Run, keepsBest: boolean): string {
  const best = keepsBest ? history.findLastIndex(({ isBest }) => isBest) : -1;
  const at = best < 0 ? history.length - 1 : best;
  const result = history[at];
  if (result === undefined) return '';
  const { loss, validation } = result;
  const score = validation === null ? '' : `, validation ${scoreText(validation)}`;
  return `; it is that of epoch ${at + 1}: loss ${loss.toPrecision(3)}${score}`;
}
