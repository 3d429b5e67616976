/** bonsaic prune MODEL: a float model and samples → an int8 model with weights of 0. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { isPattern, patternForms } from '../compress/prune/patterns.js';
import { scoreKinds } from '../compress/prune/scores.js';
import { type SettingsOf, settingsOf } from '../compress/recipe.js';
import { BonsaiError } from '../errors.js';
import {
  type CompressionFlags,
  compressInto,
  goneShare,
  leftShare,
  whole,
  withMaterials,
  withResult,
} from './compression.js';
import { modelHelp, modelOf } from './model-argument.js';
import { withCompileOptions, withTarget } from './options.js';

type Settings = SettingsOf<'prune'>;

interface PruneFlags extends CompressionFlags {
  readonly share?: number;
  readonly time?: number;
  readonly pattern: string;
  readonly score: Settings['score'];
  readonly schedule: Settings['schedule'];
  readonly epochs?: number;
}

export function addPrune(blank: Command): void {
  const command = blank
    .argument('[model]', modelHelp)
    .option(
      '--share <percent>',
      'of all weights together (default: 80, without a target)',
      goneShare,
    )
    .option('--time <percent>', "what is left of the target's time (default: 50)", leftShare)
    .option('--pattern <pattern>', `auto, ${patternForms}`, pattern, 'auto')
    .addOption(
      new Option('--score <measure>', 'what makes a weight matter')
        .choices(scoreKinds)
        .default('magnitude'),
    )
    .addOption(
      new Option('--schedule <when>', 'all at once, or more before each epoch')
        .choices(['one-shot', 'gradual'])
        .default('gradual'),
    )
    .option('--epochs <count>', 'of training; 0: none (default: a budget of steps)', whole(0));
  const described = withCompileOptions(withTarget(command, 'no estimate of costs'));
  withMaterials(withResult(described)).action(
    async (argument: string | undefined, flags: PruneFlags) => {
      const path = modelOf(argument, flags);
      const { share, pattern: name, score, schedule, epochs, target } = flags;
      const byTime = flags.time ?? (target === undefined || share !== undefined ? undefined : 0.5);
      if (share !== undefined && flags.time !== undefined) {
        throw new BonsaiError('usage', '--share', 'excludes --time', 'give one of them');
      }
      const prune = settingsOf({
        step: 'prune',
        ...(share === undefined ? {} : { share }),
        ...(byTime === undefined ? {} : { time: byTime }),
        ...(epochs === undefined ? {} : { epochs }),
        ...{ pattern: name, score, schedule },
      });
      const how = { steps: [prune, settingsOf({ step: 'quantize' })] };
      await compressInto(path, flags, { how, goals: null }, true);
    },
  );
}

function pattern(text: string): string {
  if (text === 'auto' || isPattern(text)) return text;
  throw new InvalidArgumentError(`It must be auto, ${patternForms}.`);
}
