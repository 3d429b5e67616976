/** What steps that train have in common: the settings, the progress, and the notes. */
import { bar, type Say } from '../../progress.js';
import type { Candidate } from '../candidate.js';
import type { StepSettings } from '../recipe.js';
import { type TrainHooks, train } from '../train/loop.js';
import type { Keeper, StepResult, Surroundings } from './step.js';

type Training = Extract<StepSettings, { epochs: number }>;

/** Trains with the original as teacher. `hooks` are the step's own. */
export async function trained(
  start: Candidate,
  settings: Training,
  { tf, data, original, seed }: Surroundings,
  say: Say,
  keeper: Keeper,
  hooks: Pick<TrainHooks, 'masks' | 'step'> = {},
): Promise<StepResult> {
  const { epochs, batch, learningRate } = settings;
  const { teacherShare, temperature, labelSmoothing, weightDecay } = settings;
  const options = {
    ...{ epochs, batch, learningRate, seed },
    ...{ teacherShare, temperature, labelSmoothing, weightDecay },
  };
  const all: TrainHooks = {
    ...hooks,
    save: keeper.save,
    epoch: ({ epoch, loss, seconds }) => {
      const left = Math.round((epochs - epoch) * seconds);
      say(`${bar(epoch, epochs)} epochs, loss ${loss.toPrecision(4)}, ${left} s left`);
    },
  };
  const candidate = await train(tf, start, data.train, original, options, all, keeper.resumed);
  const how = start.quantization === null ? 'in float32' : 'as int8';
  return { candidate, notes: [`${epochs} epochs ${how} at a learning rate of ${learningRate}`] };
}
