/** bonsaic verify MODEL: the generated C against the reference evaluator, layer by layer. */
import { type Command, Option } from 'commander';
import { buildProject } from '../build/index.js';
import { BonsaiError } from '../errors.js';
import { type Compilation, type CompileRequest, compile, compileTwin } from '../pipeline.js';
import { seededVectors, type VectorPair } from '../profile/vectors.js';
import { makeReport, type Report } from '../report/index.js';
import { listTargets, type Target } from '../target/index.js';
import { checkBudgets, checkPlan, withBudgets } from './budgets.js';
import { modelHelp, modelOf } from './config.js';
import { readInput } from './input.js';
import {
  compileOptions,
  shownReport,
  targetOf,
  withCompileOptions,
  withCompiler,
  withReport,
  withXip,
} from './options.js';
import { conclude, makeProgress, type Progress } from './output.js';
import { builtWith, inTemporaryDirectory, saveProject } from './project.js';
import { checkOutputs, givenVectors, profile, type RunFlags, runOn } from './run.js';

type VerifyFlags = Omit<RunFlags, 'port'>;

export function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .argument('[model]', modelHelp)
    .summary('check the generated C on this machine, layer by layer, with sanitizers on')
    .description(
      'Checks the generated C on this machine, layer by layer, with sanitizers on. With --target ' +
        'it is the kernels that this board would run: first here, where each instruction that ' +
        "only the board has is replaced by the C that stands beside it, then on the board's simulator.",
    )
    .addOption(new Option('--target <name>', 'the board').choices(listTargets()))
    .option('--vectors <file>', 'inputs and expected outputs (JSON); without: 4 seeded inputs');
  const compiled = withXip(withCompiler(withCompileOptions(command)));
  withBudgets(withReport(compiled), { measured: false }).action(
    (argument: string | undefined, flags: VerifyFlags) => {
      const path = modelOf(argument, flags);
      const { target = 'host' } = flags;
      const here = { ...flags, target, port: 'sim' };
      return target === 'host' ? runOn(path, here, { sanitize: true }) : verifyOn(path, here);
    },
  );
}

type Flags = VerifyFlags & { readonly target: string; readonly port: string };

/** The kernels that a board would run: their C here, under sanitizers, then on its simulator. */
async function verifyOn(path: string, flags: Flags): Promise<void> {
  const progress = makeProgress();
  const target = targetOf(flags);
  const request = { bytes: readInput(path, 'model'), path, target, options: compileOptions(flags) };
  const compilation = await progress(`Compile for ${target.name}`, () => compile(request));
  const { module, plan, emission } = compilation;
  const { manifest } = emission;
  const vectors = givenVectors(flags, plan) ?? seededVectors(plan, module);
  const planned = { report: makeReport({ manifest }), plan, request: () => request };
  await checkPlan(planned, flags);
  const twin = await runTwin(progress, request, compilation, vectors, flags);
  const check = { toolchain: twin.toolchain, verify: twin.verify };
  if (target.simulator === null) {
    await conclude(
      flags.json,
      { ...twin, sanitized: check },
      () => shownReport(twin, flags),
      async () => checkTwin(twin),
    );
    return;
  }
  await inTemporaryDirectory(async (directory) => {
    saveProject(directory, compilation, target, request.bytes);
    const built = await progress(`Build for ${target.name}`, () =>
      buildProject(directory, { target, manifest, cc: flags.cc }),
    );
    const runnable = { manifest, module, target, built, vectors };
    const report = await profile(progress, runnable, flags);
    await conclude(
      flags.json,
      { ...report, sanitized: check },
      () => `${shownReport(report, flags)}\n${sanitizedLine(twin)}`,
      async () => {
        checkTwin(twin);
        checkOutputs(report);
        await checkBudgets({ ...planned, report }, flags, builtWith(progress, flags.cc));
      },
    );
  });
}

/** Of the program that `compileTwin` makes: how its outputs compare. */
function runTwin(
  progress: Progress,
  request: CompileRequest & { readonly target: Target },
  compilation: Compilation,
  vectors: readonly VectorPair[],
  flags: Flags,
): Promise<Report> {
  const { target, emission } = compileTwin(request, compilation);
  const { module } = compilation;
  const { manifest } = emission;
  return inTemporaryDirectory(async (directory) => {
    saveProject(directory, { ...compilation, emission }, target, request.bytes);
    const built = await progress(`Build the kernels of ${target.name} for this machine`, () =>
      buildProject(directory, { target, manifest, sanitize: true }),
    );
    return profile(progress, { manifest, module, target, built, vectors, sanitize: true }, flags);
  });
}

function sanitizedLine({ verify, toolchain }: Report): string {
  const { vectors = 0, mismatches = 0 } = verify ?? {};
  const kernels = 'the same kernels on this machine, under sanitizers';
  return `         ${vectors - mismatches} of ${vectors} with ${kernels} (${toolchain})`;
}

/** @throws BonsaiError 'outputs-differ' */
function checkTwin(twin: Report): void {
  try {
    checkOutputs(twin);
  } catch (error) {
    if (!(error instanceof BonsaiError)) throw error;
    const where = `${error.where} on this machine, under sanitizers`;
    throw new BonsaiError(error.code, where, error.message, error.hint);
  }
}
