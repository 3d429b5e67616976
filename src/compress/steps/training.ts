/** What steps that train have in common: the settings, the progress, and the notes. */

import type { Graph } from '../../compiler/ir/graph.js';
import { InternalError } from '../../errors.js';
import type { Say } from '../../progress.js';
import type { Candidate } from '../candidate.js';
import { originalTeacher, type StepSettings } from '../recipe.js';
import { epochLine, learningCurve, scoreText } from '../train/curve.js';
import { type EpochReport, type TrainHooks, train, trainDefaults } from '../train/loop.js';
import type { Keeper, StepResult, Surroundings } from './step.js';

export type Training = Extract<StepSettings, { epochs: number }>;

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

/** Trains with the original as teacher, or with those that the settings name. `hooks` are the step's own. */
export async function trained(
  start: Candidate,
  settings: Training,
  { tf, data, original, teachers, seed }: Surroundings,
  say: Say,
  keeper: Keeper,
  hooks: Pick<TrainHooks, 'masks' | 'step'> = {},
): Promise<StepResult> {
  const notes = [...((keeper.resumed?.progress.said ?? []) as readonly string[])];
  let history = (keeper.resumed?.progress.history ?? []) as readonly EpochReport[];
  const { step: _, teachers: names, ...options } = settings;
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
        notes.push(text);
        say(text);
      },
    },
  });
  const how = start.quantization === null ? 'in float32' : 'fake-quantized';
  const what = `${history.length} epochs ${how} at a learning rate of ${options.learningRate}`;
  return { candidate, notes: [...notes, `${what}${ending(history, options.keepBest)}`] };
}

/** Of the epoch whose weights the result has. */
function ending(history: readonly EpochReport[], keepsBest: boolean): string {
  const best = keepsBest ? history.findLast(({ isBest }) => isBest) : undefined;
  const result = best ?? history.at(-1);
  if (result === undefined) return '';
  const { epoch, loss, validation } = result;
  const score = validation === null ? '' : `, validation ${scoreText(validation)}`;
  return `; it is that of epoch ${epoch}: loss ${loss.toPrecision(3)}${score}`;
}
