/** bonsaic run and profile: the firmware on a board, checked bit for bit and measured. */
import type { Command } from 'commander';
import { type BuildResult, buildProject, findImage } from '../build/index.js';
import type { Manifest } from '../codegen/manifest.js';
import { isSimulated, placeOf } from '../device/index.js';
import { BonsaiError } from '../errors.js';
import { flash } from '../flash/index.js';
import type { Module } from '../ir/graph.js';
import { compile, measure } from '../pipeline.js';
import type { Plan } from '../plan/types.js';
import { readVectors, seededVectors, type VectorPair } from '../profile/vectors.js';
import { makeReport, type Report } from '../report/index.js';
import type { Target } from '../target/index.js';
import {
  type BudgetFlags,
  checkBudgets,
  checkPlan,
  type Held,
  planned,
  withBudgets,
} from './budgets.js';
import { modelHelp, modelOf, required } from './config.js';
import { readInput } from './input.js';
import {
  boardOf,
  type CompileFlags,
  checkLabels,
  compileOptions,
  type DeviceFlags,
  readLabels,
  type ShowFlags,
  shownReport,
  targetOf,
  withCompileOptions,
  withCompiler,
  withDevice,
  withLabels,
  withReport,
  withTarget,
} from './options.js';
import { bar, conclude, makeProgress, type Progress } from './output.js';
import {
  buildDirectory,
  builtWith,
  inTemporaryDirectory,
  readManifest,
  readModule,
  saveProject,
  saveReport,
} from './project.js';

interface ProfileFlags extends DeviceFlags, BudgetFlags, ShowFlags {
  readonly vectors?: string;
  readonly cc?: string;
}

export interface RunFlags extends ProfileFlags, Omit<CompileFlags, 'xip'> {
  /** bonsaic.json's. */
  readonly model?: string;
  readonly target?: string;
  readonly output?: string;
  readonly labels?: string;
}

/** Node's timers hold an int32. */
const longestTimeoutMs = 2 ** 31 - 1;

const vectorsHelp = 'inputs and expected outputs (JSON); without: 4 seeded random inputs';

export function addProfile(program: Command): void {
  const command = program
    .command('profile')
    .argument('<dir>', 'a directory written by compile')
    .summary('run on the device: outputs, cycles per layer, memory')
    .option('--vectors <file>', vectorsHelp);
  withBudgets(withCompiler(withReport(withDevice(command, required))), {
    measured: true,
    compiled: true,
  }).action(async (directory: string, flags: ProfileFlags & { readonly port: string }) => {
    const progress = makeProgress();
    const { plan } = readManifest(directory);
    const given = givenVectors(flags, plan);
    const whole = await buildDirectory(directory, progress, flags.cc);
    const module = readModule(directory, whole.manifest);
    const vectors = given ?? seededVectors(plan, module);
    const report = await profile(progress, { ...whole, module, vectors }, flags);
    saveReport(directory, report);
    await finish({ ...whole, report }, flags, progress);
  });
}

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .argument('[model]', modelHelp)
    .summary('compile, build, flash, run, verify and profile')
    .option('--vectors <file>', vectorsHelp)
    .option('-o, --output <dir>', 'keep the generated project here');
  const compiled = withLabels(withCompileOptions(withTarget(command, 'the simulated rp2040')));
  const onDevice = withReport(withDevice(compiled, (port) => port));
  withBudgets(withCompiler(onDevice), { measured: true }).action(
    (path: string | undefined, flags: RunFlags) =>
      runOn(modelOf(path, flags), { ...flags, ...boardOf(flags) }),
  );
}

/** Compiles, builds, flashes (a real board), runs, checks and reports. */
export async function runOn(
  path: string,
  flags: RunFlags & { readonly target: string; readonly port: string },
  { sanitize = false }: { sanitize?: boolean } = {},
): Promise<void> {
  const progress = makeProgress();
  const target = targetOf(flags);
  // Where nothing simulates the board, no build can help.
  placeOf(flags.port, target);
  const bytes = readInput(path, 'model');
  const labels = readLabels(flags.labels);
  const request = { bytes, path, target, options: compileOptions(flags), labels };
  const compilation = await progress(`Compile for ${target.name}`, () => compile(request));
  const { manifest } = compilation.emission;
  const { plan } = manifest;
  const { module } = compilation;
  checkLabels(flags.labels, labels, plan);
  const vectors = givenVectors(flags, plan) ?? seededVectors(plan, module);
  // What the plan alone cannot keep to needs no build.
  const held = { report: makeReport({ manifest }), plan, request: () => request };
  await checkPlan(held, flags);
  const work = async (directory: string) => {
    saveProject(directory, compilation, target, bytes);
    const built = await progress(`Build for ${target.name}`, () =>
      buildProject(directory, { target, manifest, cc: flags.cc, sanitize }),
    );
    if (!isSimulated(flags.port)) {
      await progress(`Flash over ${flags.port}`, (say) =>
        flash(findImage(built), flags.port, target, (done, total) => say(bar(done, total))),
      );
    }
    const runnable = { manifest, module, target, built, vectors, sanitize };
    const report = await profile(progress, runnable, flags);
    saveReport(directory, report);
    await finish({ report, plan, request: () => request }, flags, progress);
  };
  await (flags.output === undefined ? inTemporaryDirectory(work) : work(flags.output));
}

interface Runnable {
  readonly manifest: Manifest;
  readonly module: Module;
  readonly target: Target;
  readonly built: BuildResult;
  readonly vectors: readonly VectorPair[];
  /** An instrumented image: its sizes and times say nothing. */
  readonly sanitize?: boolean;
}

/** The pairs of --vectors, null without: looked at before anything is built. */
export function givenVectors(
  { vectors }: { readonly vectors?: string },
  plan: Plan,
): readonly VectorPair[] | null {
  return vectors === undefined ? null : readVectors(readInput(vectors, 'vectors'), vectors, plan);
}

export async function profile(
  progress: Progress,
  { manifest, module, target, built, vectors, sanitize = false }: Runnable,
  flags: ProfileFlags & { readonly port: string },
): Promise<Report> {
  const where = placeOf(flags.port, target);
  const measured = await progress(`Run ${vectors.length} vectors on ${where}`, (say) =>
    measure({
      manifest,
      module,
      target,
      port: flags.port,
      image: findImage(built),
      xip: flags.xip,
      vectors,
      ...(flags.timeout === undefined
        ? {}
        : { timeoutMs: Math.min(flags.timeout * 1000, longestTimeoutMs) }),
      observe: (done, total) => say(bar(done, total)),
    }),
  );
  return makeReport({
    manifest,
    built: sanitize ? { toolchain: built.toolchain } : built,
    measured,
  });
}

/** Prints the report, then fails when outputs differ or a budget is exceeded. */
async function finish(held: Held, flags: ProfileFlags, progress: Progress): Promise<void> {
  const { report } = held;
  await conclude(
    flags.json,
    report,
    () => shownReport(report, flags),
    async () => {
      checkOutputs(report);
      // Of an instrumented image no size is known.
      const isSized = report.memory.flashBytes !== null;
      await checkBudgets(held, flags, isSized ? builtWith(progress, flags.cc) : planned);
    },
  );
}

/** @throws BonsaiError 'outputs-differ' */
export function checkOutputs({ model, verify }: Report): void {
  if (verify === null || verify.mismatches === 0) return;
  const layer = verify.firstDivergingLayer;
  throw new BonsaiError(
    'outputs-differ',
    model.name,
    `${verify.mismatches} of ${verify.vectors} vectors differ` +
      (layer === null ? '' : `, first at layer ${layer.index} (${layer.op}) "${layer.name}"`),
    layer === null
      ? 'every layer agrees with the evaluator: check the expected outputs, and --rounding'
      : 'please report this with the model',
  );
}
