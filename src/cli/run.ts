/** bonsaic run MODEL: a model on a board, checked bit for bit and measured. */
import type { Command } from 'commander';
import { join as quote } from 'shlex';
import { modelName } from '../compiler/index.js';
import type { Module } from '../compiler/ir/graph.js';
import { type Cost, costsOn } from '../compress/cost.js';
import { int8Estimate, isFloat } from '../compress/int8-estimate.js';
import { BonsaiError } from '../errors.js';
import type { CompileRequest, Outcome } from '../pipeline/types.js';
import { run } from '../pipeline.js';
import { milliseconds, thousands } from '../report/text.js';
import { prose } from '../report/text-table.js';
import { modelHelp, modelOf } from './model-argument.js';
import {
  boardOf,
  type CompileFlags,
  concludeReport,
  type DeviceFlags,
  deviceJobOf,
  forceHelp,
  requestOf,
  shownReport,
  withBudgets,
  withCompileOptions,
  withCompiler,
  withDevice,
  withLabels,
  withReport,
  withTarget,
  withVectors,
} from './options.js';
import { conclude, note, terminalColumns } from './output.js';

export interface RunFlags extends DeviceFlags, Omit<CompileFlags, 'xip'> {
  /** From bonsaic.json. */
  readonly model?: string;
  readonly target?: string;
  readonly output?: string;
  readonly force?: true;
}

export function addRun(blank: Command): void {
  const command = withVectors(blank.argument('[model]', modelHelp))
    .option('-o, --output <dir>', 'keep the generated project here')
    .option('--force', `with -o: ${forceHelp}`);
  const compiled = withLabels(withCompileOptions(withTarget(command, 'the simulated rp2040')));
  const onDevice = withReport(withDevice(compiled, (port) => port));
  withBudgets(withCompiler(onDevice), { measured: true }).action(
    async (path: string | undefined, flags: RunFlags) => {
      if (flags.force && flags.output === undefined) {
        throw new BonsaiError('usage', '--force', 'needs -o', 'without -o nothing is replaced');
      }
      const model = modelOf(path, flags);
      const board = { ...flags, ...boardOf(flags) };
      const request = requestOf(model, board);
      let source: Module | null = null;
      const observe = (_: string, module: Module) => {
        source ??= module;
      };
      const place = { output: flags.output, force: flags.force === true };
      const job = { ...deviceJobOf(board), ...place };
      const outcome = await run({ ...request, observe }, job);
      concludeRun(outcome, int8Of(source, request), flags);
    },
  );
}

/** Of a float model: what it would take as int8, and what makes it. */
interface AsInt8 extends Pick<Cost, 'count' | 'unit' | 'ms' | 'flashBytes' | 'ramBytes'> {
  readonly isEstimate: true;
  readonly command: string;
}

function int8Of(source: Module | null, { path, target, options }: CompileRequest): AsInt8 | null {
  // Costs of this machine are no estimates.
  if (source === null || target.name === 'host' || !isFloat(source)) return null;
  const cost = int8Estimate(source, costsOn(target, options));
  if (cost === null) return null;
  const { count, unit, ms, flashBytes, ramBytes } = cost;
  const output = `${modelName(path)}-int8`;
  const command = `bonsaic quantize ${quote([path])} --data DATA -o ${quote([output])}`;
  return { isEstimate: true, ...{ count, unit, ms, flashBytes, ramBytes, command } };
}

function concludeRun(outcome: Outcome, int8: AsInt8 | null, flags: RunFlags): void {
  if (int8 === null) {
    concludeReport(outcome, flags);
    return;
  }
  const { report, fault } = outcome;
  const { count, unit, ms, flashBytes, ramBytes, command } = int8;
  const figures = [
    `${thousands(count)} ${unit}`,
    `${milliseconds(ms)} ms`,
    `${thousands(flashBytes)} B of flash`,
    `${thousands(ramBytes)} B of RAM beside the firmware's own`,
  ];
  const line = `int8     about ${figures.join(', ')} (estimated: nothing was built); with samples of its input:`;
  const text = `${prose(line, terminalColumns(), 9)}\n${command}`;
  const isTold = fault === null || report.toolchain !== null;
  // Without a report, what would help stands before the fault.
  if (!isTold && !flags.json) note(text);
  const shown = () => `${shownReport(report, flags)}\n${text}`;
  conclude(flags.json, { ...report, int8 }, isTold ? shown : null, fault);
}
