/** Training: in float32, or fake-quantized behind the step `quantize`; pruned weights stay 0. */
import { bar } from '../../progress.js';
import { type EpochReport, train } from '../train/loop.js';
import type { Step } from './step.js';

export const trainStep: Step<'train'> = {
  async run(candidate, { step: _, ...options }, { tf, data, original, seed }, say, keeper) {
    const losses: number[] = [];
    const hooks = {
      save: keeper.save,
      epoch: ({ epoch, epochs, loss }: EpochReport) => {
        losses.push(loss);
        say(`${bar(epoch, epochs)} epochs, loss ${loss.toPrecision(4)}`);
      },
    };
    const all = { ...options, seed };
    const trained = await train(tf, candidate, data.train, original, all, hooks, keeper.resumed);
    const how = candidate.quantization === null ? 'in float32' : 'as int8';
    const last = losses.at(-1);
    const ended = last === undefined ? '' : `, loss ${last.toPrecision(4)} at the end`;
    return { candidate: trained, notes: [`${options.epochs} epochs ${how}${ended}`] };
  },
};
