/** bonsaic quantize MODEL: a float model and samples → an int8 model. */
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { checkOutput, writeOutput } from '../compress/output.js';
import { calibrationMethods } from '../compress/quantize/calibrate.js';
import { weightTypes } from '../compress/quantize/scheme.js';
import { type QuantizeRequest, quantizeModel } from '../compress/quantize-model.js';
import { quantizeText } from '../compress/report.js';
import { backendNames } from '../compress/tensorflow.js';
import { readInput } from '../files.js';
import { modelHelp, modelOf, required } from './config.js';
import { conclude, makeProgress, terminalColumns } from './output.js';

interface QuantizeFlags {
  readonly model?: string;
  readonly data: string;
  readonly output: string;
  readonly classes?: readonly string[];
  readonly calibration: QuantizeRequest['calibration'];
  readonly weights: QuantizeRequest['weights'];
  readonly samples: number;
  readonly seed: number;
  readonly backend?: QuantizeRequest['backend'];
  readonly json?: true;
}

export function addQuantize(program: Command): void {
  program
    .command('quantize')
    .argument('[model]', modelHelp)
    .summary('make an int8 model of a float one, from samples of its input')
    .addOption(
      required(new Option('--data <path>', 'folder of classes, .npz, .csv, idx files or a module')),
    )
    .addOption(required(new Option('-o, --output <folder>', 'folder for model.tflite and report')))
    .option('--classes <a,b,…>', "classes in the order of the model's outputs", list)
    .addOption(
      new Option('--calibration <method>', 'how ranges of activations are chosen')
        .choices(['auto', ...calibrationMethods])
        .default('auto'),
    )
    .addOption(
      new Option('--weights <type>', 'integers that weights may take')
        .choices(Object.keys(weightTypes))
        .default('int8'),
    )
    .option('--samples <count>', 'samples that ranges are taken from', whole(1), 256)
    .option('--seed <number>', 'seed of all draws', whole(0), 1)
    .addOption(
      new Option('--backend <name>', 'of TensorFlow.js (default: native if installed)').choices(
        backendNames,
      ),
    )
    .option('--json', 'one JSON document on stdout')
    .action(async (argument: string | undefined, flags: QuantizeFlags) => {
      const path = modelOf(argument, flags);
      checkOutput(flags.output);
      const request = { ...flags, bytes: readInput(path, 'model'), path };
      const { file, report } = await quantizeModel(request, makeProgress());
      const model = { ...report.model, path: join(flags.output, 'model.tflite') };
      const document = { ...report, model };
      writeOutput(flags.output, {
        'model.tflite': file,
        'report.json': `${JSON.stringify(document, null, 2)}\n`,
        'report.txt': `${quantizeText(report, 100)}\n`,
      });
      const text = () =>
        `${quantizeText(report, terminalColumns())}\n\nwritten to ${model.path}; next: bonsaic run ${model.path}`;
      conclude(flags.json, document, text, null);
    });
}

const whole = (least: number) => (text: string) => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new InvalidArgumentError(`It must be a whole number of ${least} or more.`);
};

function list(text: string): readonly string[] {
  return text.split(',').map((name) => name.trim());
}
