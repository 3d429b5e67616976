/** bonsaic compile MODEL --target T -o DIR: C sources, host client, report. */
import { type Command, Option } from 'commander';
import { printModule } from '../ir/print.js';
import { compile } from '../pipeline.js';
import { printPlan } from '../plan/print.js';
import { makeReport } from '../report/index.js';
import { type BudgetFlags, checkPlan, timeNote, withBudgets } from './budgets.js';
import { modelHelp, modelOf, required } from './config.js';
import { readInput } from './input.js';
import {
  type CompileFlags,
  checkLabels,
  compileOptions,
  noSuchPass,
  readLabels,
  type ShowFlags,
  shownReport,
  targetOf,
  withCompileOptions,
  withLabels,
  withReport,
  withTarget,
  withXip,
} from './options.js';
import { note, printJson, printResult } from './output.js';
import { reportFiles, saveProject } from './project.js';

interface Flags extends CompileFlags, BudgetFlags, ShowFlags {
  readonly model?: string;
  readonly target: string;
  readonly output: string;
  readonly labels?: string;
  readonly dump?: string;
}

/** What comes after the passes: `--dump plan`. */
const planName = 'plan';

export function addCompile(program: Command): void {
  const command = program
    .command('compile')
    .argument('[model]', modelHelp)
    .summary('generate C sources, a host client and a report')
    .addOption(required(new Option('-o, --output <dir>', 'where to write')))
    .option('--dump <pass>', 'print the module after this pass, or the plan, on stderr');
  const compiled = withXip(withLabels(withCompileOptions(withTarget(command))));
  withBudgets(withReport(compiled), {
    measured: false,
  }).action(async (argument: string | undefined, flags: Flags) => {
    const path = modelOf(argument, flags);
    const bytes = readInput(path, 'model');
    const target = targetOf(flags);
    const labels = readLabels(flags.labels);
    const seen: string[] = [];
    const request = { bytes, path, target, options: compileOptions(flags), labels };
    const compilation = compile({
      ...request,
      observe: (pass, module) => {
        seen.push(pass);
        if (pass === flags.dump) note(printModule(module));
      },
    });
    if (flags.dump === planName) note(printPlan(compilation.plan));
    else if (flags.dump !== undefined && !seen.includes(flags.dump)) {
      throw noSuchPass(flags.dump, [...seen, planName]);
    }
    checkLabels(flags.labels, labels, compilation.plan);
    const report = makeReport({ manifest: compilation.emission.manifest });
    await checkPlan({ report, plan: compilation.plan, request: () => request }, flags);
    const slow = timeNote(compilation.plan, target);
    if (slow !== null) note(slow);
    const text = shownReport(report, flags);
    saveProject(flags.output, compilation, target, bytes, reportFiles(report));
    if (flags.json) printJson(report);
    else printResult(`${text}\n\nwritten to ${flags.output}: next, bonsaic build ${flags.output}`);
  });
}
