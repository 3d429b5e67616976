/** bonsaic verify MODEL: compares the generated C with the reference evaluator, layer by layer. */
import { type Command, Option } from 'commander';
import { listTargets } from '../boards/target/index.js';
import { type Sanitized, verify } from '../pipeline/verify.js';
import { run } from '../pipeline.js';
import { modelHelp, modelOf } from './model-argument.js';
import {
  concludeReport,
  deviceJobOf,
  requestOf,
  shownReport,
  withBudgets,
  withCompileOptions,
  withCompiler,
  withReport,
  withVectors,
  withXip,
} from './options.js';
import { conclude } from './output.js';
import type { RunFlags } from './run.js';

type VerifyFlags = Omit<RunFlags, 'port'>;

export function addVerify(blank: Command): void {
  const command = blank
    .argument('[model]', modelHelp)
    .description(
      'Checks the generated C on this machine, layer by layer, with sanitizers on. With --target ' +
        'it checks the kernels that this board would run: first here, with equivalent C for each ' +
        "instruction that only the board has, then on the board's simulator.",
    )
    .addOption(new Option('--target <name>', 'the board').choices(listTargets()));
  const compiled = withXip(withCompiler(withCompileOptions(withVectors(command))));
  withBudgets(withReport(compiled), { measured: false }).action(
    async (argument: string | undefined, flags: VerifyFlags) => {
      const path = modelOf(argument, flags);
      const { target = 'host' } = flags;
      const here = { ...flags, target, port: 'sim' };
      const [request, job] = [requestOf(path, here), deviceJobOf(here)];
      if (target === 'host') concludeReport(await run(request, { ...job, sanitize: true }), flags);
      else concludeVerify(await verify(request, job), flags);
    },
  );
}

function concludeVerify(outcome: Awaited<ReturnType<typeof verify>>, flags: VerifyFlags): void {
  const { report, fault, sanitized } = outcome;
  if (sanitized === null) {
    concludeReport(outcome, flags);
    return;
  }
  // A board without a simulator has no second result.
  const isAlone = report.verify === sanitized.verify;
  const text = () =>
    [shownReport(report, flags), ...(isAlone ? [] : [sanitizedLine(sanitized)])].join('\n');
  conclude(flags.json, { ...report, sanitized }, text, fault);
}

function sanitizedLine({ verify, toolchain }: Sanitized): string {
  const { vectors = 0, mismatches = 0 } = verify ?? {};
  const kernels = 'the same kernels on this machine, under sanitizers';
  return `         ${vectors - mismatches} of ${vectors} with ${kernels} (${toolchain})`;
}
