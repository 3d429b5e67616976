/**
 * The main job, stage by stage:
 *
 *   import → passes → analysis → plan → codegen → build → flash → device → profile → report
 *
 * `run` is all of it, and `compile` its part up to codegen: functions from readonly data to new
 * data. Only what follows touches the disk and the board. The other commands are parts of this line
 * (src/pipeline/): `inspect`; `directory`, which ends before the build or begins with what was
 * written; `flash`; `profile`, from there to the end; `verify`, which runs the kernels on this
 * machine first; and `compare`, which goes as far as it can on many boards.
 */
import { saveProject } from './boards/build/directory.js';
import {
  type BuildOptions,
  type BuildResult,
  buildProject,
  findImage,
  flashableImage,
} from './boards/build/index.js';
import { inTemporaryDirectory } from './boards/build/temporary.js';
import { isSimulated, placeOf } from './boards/device/index.js';
import { requireLine } from './boards/device/link.js';
import { type Measurement, measure } from './boards/profile/measure.js';
import { portFor } from './boards/profile/ports.js';
import { vectorsFor } from './boards/profile/seeded-vectors.js';
import type { VectorPair } from './boards/profile/vectors.js';
import { emit } from './boards/project/emit.js';
import { requireCores } from './boards/target/firmware.js';
import type { Target } from './boards/target/index.js';
import { checkLabels } from './compiler/codegen/labels.js';
import type { Emission } from './compiler/codegen/manifest.js';
import {
  type Analysed,
  type Loaded,
  load as loadModel,
  type ModelRequest,
  planned as plannedModel,
} from './compiler/index.js';
import type { Planned } from './compiler/plan/index.js';
import type { Plan } from './compiler/plan/types.js';
import { readBeside } from './files.js';
import { flashImage } from './pipeline/flash.js';
import type { Compilation, CompileRequest, DeviceJob, Job, Outcome } from './pipeline/types.js';
import { bar, sayIfSlow } from './progress.js';
import { type Budgets, overBudget, type Retry } from './report/budgets.js';
import { saveReport } from './report/files.js';
import { makeReport, type Report } from './report/index.js';
import { outputsDiffer } from './report/outputs.js';

/** bonsaic run: from the model file to the report. */
export async function run(
  request: CompileRequest,
  options: DeviceJob & {
    /** Where to keep the project; undefined: nowhere. */
    readonly output?: string | undefined;
    /** Whether files that the user has edited there are replaced. */
    readonly force?: boolean;
    /** For this machine: with sanitizers, which leave no size and time to report. */
    readonly sanitize?: boolean;
  },
): Promise<Outcome> {
  const { target } = request;
  const { output, force = false, sanitize = false } = options;
  // If nothing simulates the board, a build cannot help.
  placeOf(options.port, target);
  requireLine(options.port);
  const job = { ...options, port: await portFor(options.port, target) };
  const compilation = await compileShown(request, job);
  const vectors = vectorsFor(job.vectors, compilation.plan, compilation.module);
  const planOutcome = await judgePlan(request, compilation.emission, job.budgets);
  if (planOutcome.fault !== null) return planOutcome;
  const work = async (directory: string) => {
    const how = { sanitize, force };
    const { report, fault } = await runIn(directory, request, compilation, vectors, job, how);
    const judged = await judge(report, compilation.plan, target, () => request, job);
    return { report, fault: judged.fault ?? fault };
  };
  return output === undefined ? inTemporaryDirectory(work) : work(output);
}

/** A compiled model, written, built, flashed to a real board, run and reported; the fault: the report is not kept. */
export async function runIn(
  directory: string,
  { bytes, target, labels }: Pick<CompileRequest, 'bytes' | 'target' | 'labels'>,
  { module, emission }: Pick<Compilation, 'module' | 'emission'>,
  vectors: readonly VectorPair[],
  job: Omit<DeviceJob, 'vectors' | 'budgets'>,
  how: BuildHow,
): Promise<Outcome> {
  const { manifest } = emission;
  const built = await buildEmission(directory, { bytes, target }, emission, job, how);
  if (!isSimulated(job.port)) await flashImage(flashableImage(built), target, job);
  const sized = how.sanitize ? { toolchain: built.toolchain } : built;
  const named = labels?.names;
  const measured = await measureOn(job, built, {
    ...{ manifest, module, target, vectors, labels: named },
  });
  const report = makeReport({ manifest, target, built: sized, measured });
  return { report, fault: saveReport(directory, report) };
}

/** Import and passes, with which every command on a model begins. */
export function load(request: Omit<ModelRequest, 'beside'>): Loaded {
  return loadModel({ ...request, beside: readBeside(request.path) });
}

/**
 * Model file to plan.
 *
 * @param known the model, where it is already loaded
 * @throws BonsaiError for a model that is broken, not supported or not fully int8; 'usage' for more
 *   cores than the target has
 */
export function planned(request: CompileRequest, known?: Analysed): Loaded & Planned {
  requireCores(request.target, request.options.cores ?? 1);
  return plannedModel({ ...request, beside: readBeside(request.path) }, known);
}

/**
 * Model file to generated sources.
 *
 * @throws BonsaiError as `planned`; 'usage' for labels that no output has
 */
export function compile(request: CompileRequest): Compilation {
  const { target, labels } = request;
  const { source, module, plan, implementations } = planned(request);
  if (labels !== undefined) checkLabels(labels, plan);
  const options = { labels: labels?.names ?? [] };
  const emission = emit(module, { plan, implementations }, target, options);
  return { source, module, plan, implementations, emission };
}

/** The same, with its progress. */
export function compileShown(
  request: CompileRequest,
  { progress }: Pick<Job, 'progress'>,
): Promise<Compilation> {
  return progress(`Compile for ${request.target.name}`, (say) =>
    compile({ ...request, say: sayIfSlow(say) }),
  );
}

interface BuildHow {
  /** For the progress display; default: the board's. */
  readonly title?: string;
  readonly sanitize?: boolean;
  /** Whether files of the directory that the user has edited are replaced. */
  readonly force?: boolean;
}

/** Compiled sources, written to a directory and built there. */
export function buildEmission(
  directory: string,
  { bytes, target }: Pick<CompileRequest, 'bytes' | 'target'>,
  emission: Emission,
  job: Pick<Job, 'progress' | 'cc'>,
  { title, sanitize = false, force = false }: BuildHow = {},
): Promise<BuildResult> {
  saveProject(directory, emission, target, bytes, { force });
  return buildWith(directory, { target, manifest: emission.manifest, sanitize }, job, title);
}

export function buildWith(
  directory: string,
  options: Omit<BuildOptions, 'cc'>,
  { progress, cc }: Pick<Job, 'progress' | 'cc'>,
  title = `Build for ${options.target.name}`,
): Promise<BuildResult> {
  return progress(title, () => buildProject(directory, { ...options, cc }));
}

/** A built image, run and measured. */
export function measureOn(
  { port, xip, timeoutMs, progress }: Pick<DeviceJob, 'port' | 'xip' | 'timeoutMs' | 'progress'>,
  built: BuildResult,
  run: Pick<Parameters<typeof measure>[0], 'manifest' | 'module' | 'target' | 'vectors' | 'labels'>,
): Promise<Measurement> {
  const title = `Run ${run.vectors.length} vectors on ${placeOf(port, run.target)}`;
  return progress(title, (say) =>
    measure({
      ...{ ...run, image: findImage(built), port, xip, timeoutMs },
      observe: (done, total) => say(bar(done, total)),
      tell: say,
    }),
  );
}

/** A budget that the plan alone exceeds needs no build. */
export async function judgePlan(
  request: CompileRequest,
  { manifest }: Emission,
  budgets: Budgets,
): Promise<Outcome> {
  const report = makeReport({ manifest, target: request.target });
  const retry = retryWith(() => request, null);
  const held = { report, plan: manifest.plan };
  return { report, fault: await overBudget(held, request.target, budgets, retry) };
}

/** The fault: wrong outputs, otherwise exceeded budgets. */
export async function judge(
  report: Report,
  plan: Plan,
  target: Target,
  request: () => CompileRequest,
  job: Job,
): Promise<Outcome> {
  // An instrumented image has no meaningful size.
  const isSized = report.memory.flashBytes !== null;
  const retry = retryWith(request, isSized ? job : null);
  const fault =
    outputsDiffer(report) ?? (await overBudget({ report, plan }, target, job.budgets, retry));
  return { report, fault };
}

/** Compiles with other options, builds according to `job`, and keeps nothing. */
function retryWith(request: () => CompileRequest, job: Job | null): Retry {
  return async (changes, how) => {
    const base = request();
    const options = { ...base.options, ...changes };
    const changed = { ...base, options };
    const { plan, emission } = compile(changed);
    const { manifest } = emission;
    if (how === 'plan' || job === null)
      return { plan, report: makeReport({ manifest, target: base.target }) };
    return inTemporaryDirectory(async (directory) => {
      const title = `Build with --optimize ${options.optimize}`;
      const built = await buildEmission(directory, base, emission, job, { title });
      return { plan, report: makeReport({ manifest, target: base.target, built }) };
    });
  };
}
