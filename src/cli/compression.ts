/** What the commands that compress share: options, and how they end. */
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { join as quote } from 'shlex';
import { isLibrary } from '../boards/target/firmware.js';
import { loadTarget } from '../boards/target/index.js';
import { withMeasuredCosts } from '../boards/target/kept.js';
import {
  type CompressedModel,
  type CompressRequest,
  compressModel,
} from '../compress/compress-model.js';
import { costsOn } from '../compress/cost.js';
import { journalFolder } from '../compress/journal.js';
import { withOutput, writeOutput } from '../compress/output.js';
import type { Materials } from '../compress/prepare.js';
import { compressText } from '../compress/report.js';
import { type BackendName, backendNames } from '../compress/tensorflow.js';
import { tellIfStopped } from '../leaving.js';
import { readModelFile } from '../model-file.js';
import { figuresOn } from '../pipeline/compare.js';
import type { Progress } from '../progress.js';
import { required } from './config.js';
import {
  type CompileFlags,
  compileArguments,
  compileDefaults,
  compileOptions,
  forceHelp,
  targetOf,
} from './options.js';
import { conclude, makeProgress, note, terminalColumns } from './output.js';

export interface CompressionFlags extends Omit<CompileFlags, 'labels'> {
  readonly model?: string;
  readonly data: string;
  readonly output: string;
  readonly classes?: readonly string[];
  readonly scale?: number;
  readonly offset?: number;
  readonly label?: string;
  readonly task?: 'classes' | 'values';
  readonly sampleRate?: number;
  readonly samples: number;
  readonly seed: number;
  readonly backend?: BackendName;
  readonly target?: string;
  readonly explain?: true;
  readonly json?: true;
  readonly force?: true;
}

/** --data and how to read it, --samples, --seed, --backend, --json */
export function withMaterials(command: Command): Command {
  return command
    .addOption(
      required(new Option('--data <path>', 'folder of classes, .npz, .csv, idx files or a module')),
    )
    .option('--classes <a,b,…>', "classes in the order of the model's outputs", classNames)
    .option('--scale <number>', 'bytes of images and arrays become byte · scale (1/255)', finite)
    .option('--offset <number>', '+ offset (0)', finite)
    .option('--label <column>', 'of a .csv: the column of y, its name or index; several: a,b')
    .addOption(
      new Option(
        '--task <kind>',
        'whether y is classes or values, where both are possible',
      ).choices(['classes', 'values']),
    )
    .option('--sample-rate <hertz>', "of the model's recordings (default: the first's)", whole(1))
    .option('--samples <count>', 'samples that ranges are taken from', whole(1), 256)
    .option('--seed <number>', 'seed of all draws', whole(0), 1)
    .addOption(
      new Option('--backend <name>', 'of TensorFlow.js (default: native if installed)').choices(
        backendNames,
      ),
    )
    .option('--json', 'one JSON document on stdout');
}

/** -o, --explain */
export function withResult(command: Command): Command {
  const help = 'folder for model.tflite, report and recipe';
  return command
    .addOption(required(new Option('-o, --output <folder>', help)))
    .option('--force', forceHelp)
    .option(
      '--explain',
      'tell where signal and answers are lost, what helps, and how robust it is',
    );
}

/**
 * Compresses as asked, into the folder that the options name.
 *
 * @param resumes whether an interrupted job goes on where it was
 */
export async function compressInto(
  path: string,
  flags: CompressionFlags,
  wanted: Pick<CompressRequest, 'how' | 'goals'>,
  resumes: boolean,
): Promise<void> {
  const { output, explain, force = false } = flags;
  const journal = resumes ? join(output, journalFolder) : null;
  await withOutput(output, { force }, async () => {
    const link = linkFor(path, flags);
    const materials = { ...materialsOf(path, flags), ...wanted, link };
    const request = { ...materials, explains: explain === true, journal };
    const hint = 'the same command goes on where it was';
    tellIfStopped(resumes ? { where: output, message: 'is not finished', hint } : null);
    const made = await compressModel(request, makeProgress(), warn);
    concludeCompression(made, flags);
  }).finally(() => tellIfStopped(null));
}

/** The model, the samples and the target that the options name. */
export function materialsOf(path: string, flags: CompressionFlags): Materials {
  const { data, samples, seed, backend, target, classes, scale, offset, label, sampleRate, task } =
    flags;
  const reading = {
    ...(classes === undefined ? {} : { classes }),
    ...(scale === undefined ? {} : { scale }),
    ...(offset === undefined ? {} : { offset }),
    ...(label === undefined ? {} : { label }),
    ...(task === undefined ? {} : { task }),
    ...(sampleRate === undefined ? {} : { sampleRate }),
  };
  const bytes = readModelFile(path);
  const costs = target === undefined ? null : costsFor({ ...flags, target });
  return { bytes, path, data, reading, samples, seed, backend, costs };
}

function costsFor(flags: CompressionFlags & { readonly target: string }): Materials['costs'] {
  const options = compileOptions(flags);
  const costOf = costsOn(targetOf(flags), options);
  return { costOf, key: JSON.stringify([flags.target, options]) };
}

/** What `run` with the same options tells of a result; undefined without a board that bonsaic builds. */
function linkFor(path: string, flags: CompressionFlags): CompressRequest['link'] {
  if (flags.target === undefined) return undefined;
  const { target } = withMeasuredCosts(loadTarget(flags.target), null);
  if (isLibrary(target)) return undefined;
  const options = compileOptions(flags);
  // The steps' own progress is shown.
  const progress: Progress = (_, work) => Promise.resolve(work(() => {}));
  const job = { progress, budgets: {}, xip: options.xip };
  return async (bytes) => {
    const { board, refusal } = await figuresOn({ bytes, path, target, options }, job);
    const { ms, flashBytes, ramBytes, basis, note } = board;
    return { linked: { ms, flashBytes, ramBytes, basis, note }, refusal };
  };
}

/** Writes the result and tells it. */
function concludeCompression(
  { file, recipe, report, fault, done }: CompressedModel,
  flags: CompressionFlags,
): void {
  const { output, json, force = false } = flags;
  const name = 'model.tflite';
  const withPath = (path: string) => ({ ...report, model: { ...report.model, path } });
  const document = withPath(join(output, name));
  const { model } = document;
  const files = {
    [name]: file,
    'recipe.json': `${JSON.stringify(recipe, null, 2)}\n`,
    // Relative to its folder, which may be moved, and is the same wherever it was made.
    'report.json': `${JSON.stringify(withPath(name), null, 2)}\n`,
    'report.txt': `${compressText(report, 100)}\n`,
    'bonsaic.json': defaultsFor(flags),
  };
  writeOutput(output, files, { force });
  done();
  const text = () =>
    `${compressText(report, terminalColumns())}\n\nwritten to ${model.path}; next: ${nextCommand(flags)}`;
  conclude(json, document, text, fault);
}

/**
 * bonsaic.json for the folder of the result. The estimates are those of these options: without them,
 * run would choose other kernels.
 */
function defaultsFor(flags: CompressionFlags): string | null {
  if (flags.target === undefined) return null;
  const defaults = { model: 'model.tflite', ...compileDefaults(flags) };
  return `${JSON.stringify(defaults, null, 2)}\n`;
}

/** What runs the result as it was estimated. */
export function nextCommand(flags: CompressionFlags): string {
  const { output, target } = flags;
  if (target === undefined) {
    const path = quote([join(output, 'model.tflite')]);
    return `bonsaic run ${path} ${compileArguments(flags)}`.trim();
  }
  // `run` without a port is for simulated boards, which not every target has.
  const isOnlyReal = loadTarget(target).simulator === null;
  const command = isOnlyReal ? 'compile -o ../firmware' : 'run';
  return `cd ${quote([output])} && bonsaic ${command}`;
}

/** On stderr as soon as it is known: what follows may take hours. */
export function warn(text: string): void {
  note(`warning: ${text}`);
}

export const whole = (least: number) => (text: string) => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new InvalidArgumentError(`It must be a whole number of ${least} or more.`);
};

export function finite(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('It must be a number.');
}

export function positive(text: string): number {
  const value = finite(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('It must be above 0.');
}

/** '80' or '80%' → 0.8; `range` for messages. */
const percentage = (range: string, isIn: (percent: number) => boolean) => (text: string) => {
  const value = Number(text.replace(/%$/, ''));
  if (text.trim() !== '' && isIn(value)) return value / 100;
  throw new InvalidArgumentError(`It must be a percentage ${range}.`);
};

/** Of what goes: not all of it. */
export const goneShare = percentage('from 0 to below 100', (value) => value >= 0 && value < 100);
/** Of what is left, or right: more than nothing. */
export const leftShare = percentage('above 0, at most 100', (value) => value > 0 && value <= 100);

/** Of what is right at least: 0 takes everything. */
export const anyShare = percentage('from 0 to 100', (value) => value >= 0 && value <= 100);

export function list(text: string): readonly string[] {
  return text.split(',').map((name) => name.trim());
}

function classNames(text: string): readonly string[] {
  const names = list(text);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (names.includes('')) throw new InvalidArgumentError('It has an empty name.');
  if (twice === undefined) return names;
  throw new InvalidArgumentError(`It has "${twice}" twice.`);
}
