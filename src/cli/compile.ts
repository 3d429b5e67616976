/** bonsaic compile MODEL --target T -o DIR: C sources, host client, report. */
import { type Command, Option } from 'commander';
import { isLibrary } from '../boards/target/firmware.js';
import type { Target } from '../boards/target/index.js';
import { printModule } from '../compiler/ir/print.js';
import { printPlan } from '../compiler/plan/print.js';
import { writeProject } from '../pipeline/directory.js';
import { compile } from '../pipeline.js';
import { sayIfSlow } from '../progress.js';
import { budgetsOf, memoryNote, timeNote } from '../report/budgets.js';
import { required } from './config.js';
import { modelHelp, modelOf } from './model-argument.js';
import {
  type CompileFlags,
  concludeReport,
  forceHelp,
  noSuchPass,
  requestOf,
  type ShowFlags,
  shownReport,
  withBudgets,
  withCompileOptions,
  withLabels,
  withReport,
  withTarget,
  withXip,
} from './options.js';
import { note, printJson, printResult } from './output.js';

interface Flags extends CompileFlags, ShowFlags {
  readonly model?: string;
  readonly target: string;
  readonly output: string;
  readonly force?: true;
  readonly dump?: string;
}

/** `--dump plan` prints the plan, which follows the passes. */
const planName = 'plan';

export function addCompile(blank: Command): void {
  const command = blank
    .argument('[model]', modelHelp)
    .addOption(required(new Option('-o, --output <dir>', 'where to write')))
    .option('--force', forceHelp)
    .option('--dump <pass>', 'print the module after this pass, or the plan, on stderr');
  const compiled = withXip(withLabels(withCompileOptions(withTarget(command))));
  withBudgets(withReport(compiled), {
    measured: false,
  }).action(async (argument: string | undefined, flags: Flags) => {
    const seen: string[] = [];
    const request = requestOf(modelOf(argument, flags), flags);
    const compilation = compile({
      ...request,
      say: sayIfSlow(note),
      observe: (pass, module) => {
        seen.push(pass);
        if (pass === flags.dump) note(printModule(module));
      },
    });
    const { plan } = compilation;
    if (flags.dump === planName) note(printPlan(plan));
    else if (flags.dump !== undefined && !seen.includes(flags.dump)) {
      throw noSuchPass(flags.dump, [...seen, planName]);
    }
    const how = { budgets: budgetsOf(flags), force: flags.force === true };
    const outcome = await writeProject(request, compilation, flags.output, how);
    const { report, fault } = outcome;
    if (fault !== null) return concludeReport(outcome, flags);
    const slow = timeNote(plan, request.target);
    if (slow !== null) note(slow);
    const large = memoryNote(report);
    if (large !== null) note(large);
    const text = shownReport(report, flags);
    if (flags.json) printJson(report);
    else printResult(`${text}\n\nwritten to ${flags.output}: next, ${nextStep(request, flags)}`);
  });
}

function nextStep({ target }: { readonly target: Target }, { output }: Flags): string {
  return isLibrary(target) ? `${output}/README.md` : `bonsaic build ${output}`;
}
