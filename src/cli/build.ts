/** bonsaic build DIR: firmware image and its size per part. */
import type { Command } from 'commander';
import { buildProject } from '../build/index.js';
import { makeReport } from '../report/index.js';
import { reportText } from '../report/text.js';
import { loadTarget } from '../target/index.js';
import { type BudgetFlags, checkBudgets, withBudgets } from './budgets.js';
import { withCompiler } from './options.js';
import { makeProgress, printJson, printResult } from './output.js';
import { readManifest, readRequest } from './project.js';

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
  withBudgets(withCompiler(command), { measured: false }).action(
    async (directory: string, flags: Flags) => {
      const manifest = readManifest(directory);
      const target = loadTarget(manifest.plan.target);
      const built = await makeProgress(flags.json)(`Build for ${target.name}`, () =>
        buildProject(directory, { target, manifest, cc: flags.cc }),
      );
      const report = makeReport({ manifest, built });
      const request = readRequest(directory, manifest, target);
      checkBudgets({ report, plan: manifest.plan, request }, flags);
      if (flags.json) printJson({ ...report, images: built.images });
      else printResult([reportText(report), '', ...built.images].join('\n'));
    },
  );
}
