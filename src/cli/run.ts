/** bonsaic run MODEL: a model on a board, checked bit for bit and measured. */
import type { Command } from 'commander';
import { BonsaiError } from '../errors.js';
import { run } from '../pipeline.js';
import { modelHelp, modelOf } from './config.js';
import {
  boardOf,
  type CompileFlags,
  concludeReport,
  type DeviceFlags,
  deviceJobOf,
  forceHelp,
  requestOf,
  withBudgets,
  withCompileOptions,
  withCompiler,
  withDevice,
  withLabels,
  withReport,
  withTarget,
  withVectors,
} from './options.js';

export interface RunFlags extends DeviceFlags, Omit<CompileFlags, 'xip'> {
  /** From bonsaic.json. */
  readonly model?: string;
  readonly target?: string;
  readonly output?: string;
  readonly force?: true;
}

export function addRun(program: Command): void {
  const command = withVectors(
    program
      .command('run')
      .argument('[model]', modelHelp)
      .summary('compile, build, flash, run, verify and profile'),
  )
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
      const outcome = await run(request, {
        ...deviceJobOf(board),
        ...{ output: flags.output, force: flags.force === true },
      });
      concludeReport(outcome, flags);
    },
  );
}
