/** bonsaic quantize MODEL: a float model and samples → a model of integers. */
import { type Command, Option } from 'commander';
import { calibrationMethods } from '../compress/quantize/calibrate.js';
import { activationTypes, weightTypes } from '../compress/quantize/scheme.js';
import { type SettingsOf, settingsOf } from '../compress/recipe.js';
import { type CompressionFlags, compressInto, withMaterials, withResult } from './compression.js';
import { modelHelp, modelOf } from './model-argument.js';
import { withCompileOptions, withTarget } from './options.js';

type Settings = SettingsOf<'quantize'>;

interface QuantizeFlags extends CompressionFlags {
  readonly calibration: Settings['calibration'];
  readonly activations: Settings['activations'];
  readonly weights: Settings['weights'];
}

export function addQuantize(blank: Command): void {
  const command = blank
    .argument('[model]', modelHelp)
    .addOption(
      new Option('--calibration <method>', 'how ranges of activations are chosen')
        .choices(['auto', ...calibrationMethods])
        .default('auto'),
    )
    .addOption(
      new Option('--activations <type>', 'integers of inputs, outputs and tensors between layers')
        .choices(activationTypes)
        .default('int8'),
    )
    .addOption(
      new Option('--weights <type>', 'integers that weights may take')
        .choices(Object.keys(weightTypes))
        .default('int8'),
    );
  const described = withCompileOptions(withTarget(command, 'no estimate of costs'));
  withMaterials(withResult(described)).action(
    async (argument: string | undefined, flags: QuantizeFlags) => {
      const path = modelOf(argument, flags);
      const { calibration, activations, weights } = flags;
      const how = { steps: [settingsOf({ step: 'quantize', calibration, activations, weights })] };
      // It is over soon enough to begin again.
      await compressInto(path, flags, { how, goals: null }, false);
    },
  );
}
