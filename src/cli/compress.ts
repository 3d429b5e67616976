/** bonsaic compress MODEL: a float model, samples and budgets → a smaller int8 model. */
import type { Command } from 'commander';
import { readRecipe } from '../compress/recipe.js';
import { BonsaiError } from '../errors.js';
import {
  anyShare,
  type CompressionFlags,
  compressInto,
  finite,
  positive,
  whole,
  withMaterials,
  withResult,
} from './compression.js';
import { modelHelp, modelOf } from './model-argument.js';
import { usualTarget, withBudgets, withCompileOptions, withTarget } from './options.js';
import { note } from './output.js';

interface CompressFlags extends CompressionFlags {
  readonly recipe?: string;
  readonly minAccuracy?: number;
  readonly minSnr?: number;
  readonly maxError?: number;
  readonly epochs?: number;
}

export function addCompress(blank: Command): void {
  const command = blank
    .argument('[model]', modelHelp)
    .option('--recipe <file>', 'these steps (JSON) in place of those that the budgets choose')
    .option(
      '--min-accuracy <percent>',
      'fail when fewer test samples are right (default: three quarters of what float has over one class for all)',
      anyShare,
    )
    .option(
      '--min-snr <dB>',
      "fail below this signal to noise of each output beside float's (default: 75 % of its variance explained)",
      finite,
    )
    .option(
      '--max-error <number>',
      "fail above this mean absolute error (MAE) of each output, in its units: from y, else from float's outputs",
      positive,
    )
    .option('--epochs <count>', 'of each training (default: a budget of steps)', whole(1));
  const targeted = withCompileOptions(withTarget(command, usualTarget));
  const budgeted = withBudgets(targeted, { measured: true });
  withMaterials(withResult(budgeted)).action(
    async (argument: string | undefined, flags: CompressFlags) => {
      const path = modelOf(argument, flags);
      const { target = usualTarget } = flags;
      if (flags.target === undefined) {
        note(`estimates for ${target}: --target chooses another board`);
      }
      const { recipe, epochs, minAccuracy, minSnr, maxError, maxMs, maxFlash, maxRam } = flags;
      if (recipe !== undefined && epochs !== undefined) {
        const hint = 'write "epochs" into the steps of the recipe';
        throw new BonsaiError('usage', '--epochs', 'a recipe has its own', hint);
      }
      const effort = epochs === undefined ? null : { epochs };
      const goals = { minAccuracy, minSnr, maxError, maxMs, maxFlash, maxRam };
      const how = recipe === undefined ? effort : readRecipe(recipe);
      await compressInto(path, { ...flags, target }, { how, goals }, true);
    },
  );
}
