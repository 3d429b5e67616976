/** bonsaic build DIR: firmware image and its size per part. */
import type { Command } from 'commander';
import { reportText } from '../report/text.js';
import { type BudgetFlags, checkBudgets, withBudgets } from './budgets.js';
import { withCompiler } from './options.js';
import { conclude, makeProgress } from './output.js';
import { buildDirectory, builtWith } from './project.js';

interface Flags extends BudgetFlags {
  readonly cc?: string;
  readonly json?: true;
}

export function addBuild(program: Command): void {
  const command = program
    .command('build')
    .argument('<dir>', 'a directory written by compile')
    .summary('build the firmware image (.elf, .bin, .uf2) and report its size')
    .option('--json', 'one JSON document on stdout');
  withBudgets(withCompiler(command), { measured: false, compiled: true }).action(
    async (directory: string, flags: Flags) => {
      const progress = makeProgress();
      const whole = await buildDirectory(directory, progress, flags.cc);
      const { report, built } = whole;
      await conclude(
        flags.json,
        { ...report, images: built.images },
        () => [reportText(report), '', ...built.images].join('\n'),
        () => checkBudgets(whole, flags, builtWith(progress, flags.cc)),
      );
    },
  );
}
