/** Options that several commands share, and the parsing of their values. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { join as quote } from 'shlex';
import { isSimulated, placeOf, type XipModel } from '../boards/device/index.js';
import { listTargets, loadTarget, type Target } from '../boards/target/index.js';
import { withMeasuredCosts } from '../boards/target/kept.js';
import { type Labels, readLabels } from '../compiler/codegen/labels.js';
import { goals } from '../compiler/ir/op.js';
import { type RuntimeRounding, roundings } from '../compiler/ir/rounding.js';
import {
  type CompileOptions,
  type Optimize,
  type SramCopies,
  sramCopies,
} from '../compiler/plan/types.js';
import type { Config } from '../config.js';
import { BonsaiError } from '../errors.js';
import { readInput } from '../files.js';
import { tellIfStopped } from '../leaving.js';
import { readModelFile } from '../model-file.js';
import { didYouMean } from '../nearest.js';
import type { CompileRequest, DeviceJob, Job, Outcome } from '../pipeline/types.js';
import { type Budgets, budgetsOf } from '../report/budgets.js';
import type { Report } from '../report/index.js';
import { reportText } from '../report/text.js';
import { required } from './config.js';
import { optionNameOf } from './defaults.js';
import { conclude, makeProgress, note, terminalColumns } from './output.js';

export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('It must be a number above 0, without a unit.');
  }
  return value;
}

export interface CompileFlags extends Budgets {
  readonly optimize: Optimize;
  readonly rounding: RuntimeRounding;
  readonly strict?: true;
  readonly shape?: readonly string[];
  readonly faithful?: true;
  readonly keepInput?: true;
  readonly stream?: number;
  readonly hop?: number;
  readonly xip?: XipModel;
  readonly sramCopies?: SramCopies;
  readonly cores?: string;
  readonly labels?: string;
}

function counting(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError('It must be a whole number, 0 or more.');
  }
  return value;
}

/** 'NAME=1,49,40' or '1,49,40', once for each input. */
function shapeOption({ shape = [] }: CompileFlags): Pick<CompileOptions, 'shapes'> {
  if (shape.length === 0) return {};
  const shapes = shape.map((text) => {
    const [, name, list = ''] = /^(?:(.*)=)?([^=]*)$/s.exec(text) ?? [];
    const extents = list.split(',').map((extent) => extent.trim());
    if (!extents.every((extent) => /^[1-9]\d{0,8}$/.test(extent))) {
      const hint = 'whole numbers above 0 with commas: --shape 1,49,40, or --shape NAME=1,49,40';
      throw new BonsaiError('usage', `--shape ${text}`, 'is no shape', hint);
    }
    return { name: name ?? null, shape: extents.map(Number) };
  });
  return { shapes };
}

/** --shape, --optimize, --rounding, --strict, --faithful, --keep-input, --stream, --hop, --sram-copies, --cores */
export function withCompileOptions(command: Command): Command {
  return command
    .addOption(new Option('--optimize <goal>', 'what to prefer').choices(goals).default('balanced'))
    .addOption(
      new Option(
        '--rounding <runtime>',
        'bits of TFLM (and CMSIS-NN), of desktop TFLite without delegates, or of its default interpreter',
      )
        .choices(roundings)
        .default('tflm'),
    )
    .option(
      '--shape <shape>',
      'extents of an input that is dynamic in the file: 1,49,40, or NAME=1,49,40 for each input',
      (shape: string, others: readonly string[] = []) => [...others, shape],
    )
    .option('--strict', 'refuse faults of the file that TFLM ignores')
    .option('--faithful', 'one step per source operator, every tensor unchanged')
    .option('--keep-input', 'leave the input in the arena intact during a run')
    .option('--stream <axis>', 'take only new frames along this dimension of the input', counting)
    .option('--hop <frames>', 'with --stream: new frames of each run (default: 1)', positive)
    .addOption(
      new Option(
        '--sram-copies <share>',
        'share of the free RAM for copies of weights (default: half; all with speed, else more if that halves the time or the model is slower than an interpreter)',
      ).choices(sramCopies),
    )
    .addOption(
      new Option(
        '--cores <count>',
        'cores that compute halves of heavy steps at the same time; auto: 2 if --max-ms needs it',
      ).choices(['1', '2', 'auto']),
    );
}

/** @throws BonsaiError 'usage' for a hop without a stream, or one that is no whole number */
function streamOption({ stream, hop = 1 }: CompileFlags): Pick<CompileOptions, 'stream'> {
  if (stream !== undefined && Number.isSafeInteger(hop)) return { stream: { axis: stream, hop } };
  if (stream === undefined && hop === 1) return {};
  const what = stream === undefined ? 'needs --stream' : 'is no whole number';
  throw new BonsaiError('usage', `--hop ${hop}`, what, 'give --stream AXIS --hop FRAMES');
}

export function compileOptions(flags: CompileFlags): CompileOptions {
  return {
    optimize: flags.optimize,
    rounding: flags.rounding,
    ...(flags.strict ? { strict: true } : {}),
    faithful: flags.faithful ?? false,
    keepInput: flags.keepInput ?? false,
    xip: flags.xip ?? 'model',
    ...shapeOption(flags),
    ...streamOption(flags),
    ...(flags.sramCopies === undefined ? {} : { sramCopies: flags.sramCopies }),
    ...(flags.cores === '2' ? { cores: 2 } : {}),
    ...(flags.cores === 'auto' ? { autoCores: true } : {}),
    ...budgetsOf(flags),
  };
}

/** How another command compiles for the same target in the same way, by the keys of bonsaic.json. */
export function compileDefaults(flags: CompileFlags & { readonly target?: string }): Config {
  const { target, optimize, rounding, shape, strict, faithful, keepInput } = flags;
  const { stream, hop, sramCopies, cores, maxFlash, maxRam, maxMs } = flags;
  const defaults: Readonly<Record<string, unknown>> = {
    target,
    goal: optimize === 'balanced' ? undefined : optimize,
    rounding: rounding === 'tflm' ? undefined : rounding,
    ...{ shape, strict, faithful, keepInput, stream, hop, sramCopies },
    cores: cores === undefined || cores === 'auto' ? cores : Number(cores),
    ...{ maxFlash, maxRam, maxMs },
  };
  return Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== undefined));
}

/** The same as options, as one writes them. */
export function compileArguments(flags: CompileFlags & { readonly target?: string }): string {
  return Object.entries(compileDefaults(flags))
    .flatMap(([key, value]) =>
      Array.isArray(value) ? value.map((one) => [key, one]) : [[key, value]],
    )
    .map(([key, value]) => {
      const name = optionNameOf(String(key));
      const dashed = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      return value === true ? `--${dashed}` : `--${dashed} ${quote([String(value)])}`;
    })
    .join(' ');
}

/** The compilation that the options describe. */
export function requestOf(
  path: string,
  flags: CompileFlags & { readonly target: string },
): CompileRequest {
  const { labels } = flags;
  const told = new Set<string>();
  const tell = (text: string) => {
    // A model may be compiled several times, to compare.
    if (!told.has(text)) note(text);
    told.add(text);
  };
  return {
    ...{ bytes: readModelFile(path), path, tell },
    target: targetOf(flags),
    options: compileOptions(flags),
    labels: labelsOf(labels),
  };
}

/**
 * --max-flash, --max-ram, --max-ms
 *
 * @param compiled whether the command works on a directory, which has its own budgets
 */
export function withBudgets(
  command: Command,
  { measured, compiled = false }: { readonly measured: boolean; readonly compiled?: boolean },
): Command {
  const otherwise = compiled ? " (default: compile's)" : '';
  const slow = measured
    ? 'fail when an inference takes longer'
    : 'choose kernels that take no longer';
  command
    .option('--max-flash <bytes>', `fail when the image is larger${otherwise}`, positive)
    .option('--max-ram <bytes>', `fail when more RAM is needed${otherwise}`, positive);
  const hasTime = measured || !compiled;
  return hasTime ? command.option('--max-ms <ms>', `${slow}${otherwise}`, positive) : command;
}

export interface JobFlags extends Budgets {
  readonly cc?: string;
}

/** How to work, according to the options. */
export function jobOf(flags: JobFlags): Job {
  return {
    progress: makeProgress(),
    cc: flags.cc,
    budgets: budgetsOf(flags),
    ifStopped: tellIfStopped,
  };
}

export interface DeviceFlags extends JobFlags, ShowFlags {
  readonly port?: string;
  readonly xip: XipModel;
  readonly timeout?: number;
  readonly vectors?: string;
  readonly labels?: string;
}

/** Node's timers take an int32. */
const longestTimeoutMs = 2 ** 31 - 1;

function labelsOf(path: string | undefined): Labels | undefined {
  return path === undefined ? undefined : readLabels(readInput(path, 'labels'), path);
}

/** How to run, according to the options. */
export function deviceJobOf(flags: DeviceFlags & { readonly port: string }): DeviceJob {
  const { port, xip, timeout, vectors: path, labels } = flags;
  return {
    ...{ ...jobOf(flags), port, xip },
    timeoutMs: timeout === undefined ? undefined : Math.min(timeout * 1000, longestTimeoutMs),
    vectors: path === undefined ? undefined : { bytes: readInput(path, 'vectors'), path },
    labels: labelsOf(labels),
  };
}

/** For --force of commands that write a folder. */
export const forceHelp = 'replace files of the folder that were edited since';

/** --vectors */
export function withVectors(command: Command): Command {
  const help = 'inputs and expected outputs (JSON); without: 4 seeded random inputs';
  return command.option('--vectors <file>', help);
}

/** --xip: the cost of flash, both for placing weights and for simulation. */
export function withXip(command: Command): Command {
  return command.addOption(
    new Option('--xip <flash>', 'flash behind the cache of the target, or without misses')
      .choices(['model', 'ideal'])
      .default('model'),
  );
}

/** --port, --xip, --timeout */
export function withDevice(command: Command, port: (option: Option) => Option): Command {
  const help =
    'sim (the simulated board), sim:usb, a serial port, auto (the one that fits), socket://HOST:PORT, rfc2217://HOST:PORT';
  return withXip(command)
    .addOption(port(new Option('--port <port>', help)))
    .option('--timeout <s>', 'seconds that one inference may take', positive);
}

/** --target, required unless `otherwise` describes the default. */
export function withTarget(command: Command, otherwise?: string): Command {
  const help = otherwise === undefined ? 'the board' : `the board; without: ${otherwise}`;
  const option = new Option('--target <name>', help).choices(listTargets());
  return command.addOption(otherwise === undefined ? required(option) : option);
}

/** The target if none is given. */
export const usualTarget = 'rp2040';

/**
 * The board of a command that has a default, which is the simulated board; a note says so.
 *
 * @throws BonsaiError 'usage' for a port without a target, since its board is unknown
 */
export function boardOf(flags: { readonly target?: string; readonly port?: string }): {
  readonly target: string;
  readonly port: string;
} {
  const { target = usualTarget, port = 'sim' } = flags;
  if (flags.target === undefined && !isSimulated(port)) {
    const hint = `add --target, one of: ${listTargets().join(', ')}`;
    throw new BonsaiError('usage', `--port ${port}`, 'which board is there?', hint);
  }
  // For a given target the note names only the place. This machine has only one place.
  const others = flags.target === undefined ? '--target and --port choose' : '--port chooses';
  if (flags.target === undefined || (flags.port === undefined && target !== 'host')) {
    note(`on ${placeOf(port, loadTarget(target))}: ${others} another board`);
  }
  return { target, port };
}

export function withCompiler(command: Command): Command {
  return command.addOption(
    new Option('--cc <compiler>', 'the C compiler to use').env('BONSAIC_CC'),
  );
}

/** The target with the costs measured on this machine's boards, and a note if there are any. */
export function targetOf(flags: { readonly target: string }): Target {
  const { target, scope } = withMeasuredCosts(loadTarget(flags.target), note);
  const { name, coreName } = target;
  if (scope !== null) {
    const owner = scope === 'board' ? name : coreName;
    note(
      `kernels are chosen by costs measured on your ${owner}; ` +
        `bonsaic tune --forget --target ${name} goes back to those that come with bonsaic`,
    );
  }
  return target;
}

export interface ShowFlags {
  readonly why?: true;
  readonly json?: true;
}

/** --why, --json */
export function withReport(command: Command): Command {
  return command
    .option('--why', 'show the estimates of other kernels, and the prices that decided')
    .option('--json', 'one JSON document on stdout');
}

/** A report as text for the terminal. */
export function shownReport(report: Report, { why }: ShowFlags): string {
  return reportText(report, { why: why === true, width: terminalColumns() });
}

/**
 * Prints a report, then fails if there is a fault. Of a report without a build only the fault is
 * shown.
 */
export function concludeReport({ report, fault }: Outcome, flags: ShowFlags): void {
  const isTold = fault === null || report.toolchain !== null;
  conclude(flags.json, report, isTold ? () => shownReport(report, flags) : null, fault);
}

/** --labels, for commands that write a header or run the model. */
export function withLabels(command: Command): Command {
  return command.option('--labels <file>', 'names of the classes: a JSON array, or one per line');
}

/** The error for a --dump that names no pass. `seen`: the names of the passes that ran. */
export function noSuchPass(pass: string, seen: readonly string[]): BonsaiError {
  const hint = `one of ${seen.join(', ')}${didYouMean(pass, seen)}`;
  return new BonsaiError('usage', `--dump ${pass}`, 'no such pass', hint);
}
