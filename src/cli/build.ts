/** bonsaic build DIR: firmware image and its size per part. */
import type { Command } from 'commander';
import { type BudgetFlags, checkBudgets, withBudgets } from './budgets.js';
import { type ShowFlags, shownReport, withCompiler, withReport } from './options.js';
import { conclude, makeProgress } from './output.js';
import { buildDirectory, builtWith } from './project.js';

interface Flags extends BudgetFlags, ShowFlags {
  readonly cc?: string;
}

export function addBuild(program: Command): void {
  const command = program
    .command('build')
    .argument('<dir>', 'a directory written by compile')
    .summary('build the firmware image (.elf, .bin, .uf2) and report its size');
  withBudgets(withReport(withCompiler(command)), { measured: false, compiled: true }).action(
    async (directory: string, flags: Flags) => {
      const progress = makeProgress();
      const whole = await buildDirectory(directory, progress, flags.cc);
      const { report, built } = whole;
      await conclude(
        flags.json,
        { ...report, images: built.images },
        () => [shownReport(report, flags), '', ...built.images].join('\n'),
        () => checkBudgets(whole, flags, builtWith(progress, flags.cc)),
      );
    },
  );
}
