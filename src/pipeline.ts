/**
 * The main job, stage by stage:
 *
 *   import → passes → analysis → plan → codegen → build → flash → device → profile → report
 *
 * `run` is all of it. The other commands are parts: `compile` and `writeProject` end before the
 * build, `build` and `flashImage` begin with what was written, `profile` goes on from there to the
 * end, `verify` runs the kernels on this machine first, and `compare` goes as far as it can on many
 * boards.
 *
 * Everything up to codegen is a function from readonly data to new data; only what follows touches
 * the disk and the board.
 */
import { createHash } from 'node:crypto';
import { basename, extname } from 'node:path';
import { analyse, modelSize } from './analysis/index.js';
import { type LayerProof, proofsOf } from './analysis/proofs.js';
import { readManifest, readModelCopy, saveProject } from './build/directory.js';
import {
  type BuildOptions,
  type BuildResult,
  buildProject,
  findImage,
  flashableImage,
} from './build/index.js';
import { inTemporaryDirectory } from './build/temporary.js';
import { emit } from './codegen/emit.js';
import { checkLabels, type Labels } from './codegen/labels.js';
import type { Emission, Manifest } from './codegen/manifest.js';
import { isSimulated, placeOf, type XipModel } from './device/index.js';
import { BonsaiError, InternalError } from './errors.js';
import { type FlashResult, flash } from './flash/index.js';
import { importModel } from './import/index.js';
import { type Module, mainGraph } from './ir/graph.js';
import { runPasses } from './passes/index.js';
import { planInTime } from './plan/cores.js';
import { makePlan, type Planned, plannerFor } from './plan/index.js';
import { type CompileOptions, estimatedCount, type Plan } from './plan/types.js';
import { measureEach, measureSpread } from './profile/boards.js';
import { type Measurement, measure } from './profile/measure.js';
import { autoPort, choosePort } from './profile/ports.js';
import { greetFirmware, restartInBootLoader } from './profile/restart.js';
import { readVectors, seededVectors, type VectorPair } from './profile/vectors.js';
import { bar, type Progress, transferBar } from './progress.js';
import { type Budgets, overBoard, overBudget, type Retry } from './report/budgets.js';
import { type ComparedBoard, comparedBoard, isRefusal, refusingBoard } from './report/compare.js';
import { type Estimate, estimateOf } from './report/estimates.js';
import { reportFiles, saveReport } from './report/files.js';
import { makeReport, type Report } from './report/index.js';
import { outputsDiffer } from './report/outputs.js';
import { loadTarget, requireCores, type Target, twinOf } from './target/index.js';
import { withMeasuredCosts } from './target/kept.js';

export interface CompileRequest {
  /** Contents of the model file. */
  readonly bytes: Uint8Array;
  /** Path of the model file: gives the model its name and appears in errors. */
  readonly path: string;
  readonly target: Target;
  readonly options: CompileOptions;
  /** Names of the classes, for the output with as many elements. */
  readonly labels?: Labels | undefined;
  /** Called with the module after import ('import') and after each pass. */
  readonly observe?: (pass: string, module: Module) => void;
}

export interface Compilation {
  /** As imported. */
  readonly source: Module;
  /**
   * After the passes: the module that is planned, and that `evaluate` checks the firmware against.
   */
  readonly module: Module;
  readonly plan: Plan;
  /** The kernels that compute the steps. */
  readonly implementations: Planned['implementations'];
  readonly emission: Emission;
}

/** How a command works on a model or a directory. */
export interface Job {
  readonly progress: Progress;
  /** The user's compiler; undefined: the target's. */
  readonly cc?: string | undefined;
  /** In addition to those that the model was compiled for. */
  readonly budgets: Budgets;
  /** What to tell if a signal ends the process from now on; null: nothing. */
  readonly ifStopped?: (text: string | null) => void;
}

/** A job that runs the model. */
export interface DeviceJob extends Job {
  /** 'sim', 'sim:usb', a serial port (see openLink), or 'auto': the one that fits. */
  readonly port: string;
  readonly xip: XipModel;
  readonly timeoutMs?: number | undefined;
  /** A file of inputs and expected outputs; undefined: seeded random inputs. */
  readonly vectors?: { readonly bytes: Uint8Array; readonly path: string } | undefined;
}

/** The result of a command, and its fault. */
export interface Outcome {
  readonly report: Report;
  readonly fault: BonsaiError | null;
}

/** 'models/Wake Word.tflite' → 'Wake Word'; codegen turns it into identifiers. */
export function modelName(path: string): string {
  return basename(path, extname(path));
}

/** Import and passes, with which every command on a model begins. */
export function load(
  request: Pick<CompileRequest, 'bytes' | 'path' | 'options' | 'observe'>,
): Pick<Compilation, 'source' | 'module'> {
  const { bytes, path, options, observe } = request;
  const source = importModel(bytes, {
    name: modelName(path),
    where: path,
    rounding: options.rounding,
    strict: options.strict ?? false,
  });
  observe?.('import', source);
  return { source, module: runPasses(source, { faithful: options.faithful }, observe) };
}

/** The module as imported, and the facts proved around the removal of dead channels. */
export function prove(request: Omit<CompileRequest, 'target' | 'observe'>): {
  readonly source: Module;
  readonly proofs: readonly LayerProof[];
} {
  const seen: [pass: string, module: Module][] = [];
  const { source } = load({ ...request, observe: (pass, module) => seen.push([pass, module]) });
  const removal = seen.findIndex(([pass]) => pass === 'remove-dead-channels');
  const [before, after] = [removal - 1, removal].map((at) => mainGraph(seen[at]?.[1] ?? source));
  return { source, proofs: before && after ? proofsOf(before, after) : [] };
}

/**
 * Model file to plan.
 *
 * @throws BonsaiError for a model that is broken, not supported or not fully int8; 'usage' for more
 *   cores than the target has
 */
export function planned(request: CompileRequest): Omit<Compilation, 'emission'> {
  const { target, options } = request;
  const { cores = 1, autoCores = false } = options;
  requireCores(target, cores);
  const { source, module } = load(request);
  const facts = analyse(mainGraph(module));
  const size = modelSize(mainGraph(source));
  const planFor = plannerFor(module, facts, target, options, size, faithfulCount(source, target));
  const plan = autoCores ? planInTime(planFor, target, options) : planFor();
  return { source, module, ...plan };
}

/** Estimate of the source's operators, one by one. */
function faithfulCount(source: Module, target: Target): (options: CompileOptions) => number {
  return (options) => {
    if (options.faithful) return Infinity;
    const module = runPasses(source, { faithful: true });
    const facts = analyse(mainGraph(module));
    return estimatedCount(makePlan(module, facts, target, { ...options, faithful: true }).plan);
  };
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

/**
 * The plan as a program for this machine, with the target's kernels: every instruction that only
 * the target has comes with equivalent C. Times and sizes of this program are meaningless.
 */
export function compileTwin(
  { target }: Pick<CompileRequest, 'target'>,
  { module, ...planned }: Compilation,
): { readonly target: Target; readonly emission: Emission } {
  const twin = twinOf(target);
  return { target: twin, emission: emit(module, planned, twin, { twins: true }) };
}

/** What the model would need on the target, or why it does not compile for it. */
export function estimate(request: CompileRequest): Estimate {
  return estimateOf(request.target, () => compile(request).emission.manifest);
}

/** bonsaic compile: sources and report, unless the plan alone exceeds a budget. */
export async function writeProject(
  request: CompileRequest,
  { emission }: Compilation,
  directory: string,
  budgets: Budgets,
): Promise<Outcome> {
  const outcome = await judgePlan(request, emission, budgets);
  if (outcome.fault === null) {
    const files = reportFiles(outcome.report);
    saveProject(directory, emission, request.target, request.bytes, files);
  }
  return outcome;
}

/** A budget that the plan alone exceeds needs no build. */
async function judgePlan(
  request: CompileRequest,
  { manifest }: Emission,
  budgets: Budgets,
): Promise<Outcome> {
  const report = makeReport({ manifest });
  const retry = retryWith(() => request, null);
  const held = { report, plan: manifest.plan };
  return { report, fault: await overBudget(held, request.target, budgets, retry) };
}

/** bonsaic run: from the model file to the report. */
export async function run(
  request: CompileRequest,
  options: DeviceJob & {
    /** Where to keep the project; undefined: nowhere. */
    readonly output?: string | undefined;
    /** For this machine: with sanitizers, which leave no size and time to report. */
    readonly sanitize?: boolean;
  },
): Promise<Outcome> {
  const { target } = request;
  const { output, sanitize = false } = options;
  // If nothing simulates the board, a build cannot help.
  placeOf(options.port, target);
  const job = { ...options, port: await portFor(options.port, target) };
  const compilation = await job.progress(`Compile for ${target.name}`, () => compile(request));
  const vectors = vectorsOf(job, compilation);
  const planOutcome = await judgePlan(request, compilation.emission, job.budgets);
  if (planOutcome.fault !== null) return planOutcome;
  const work = async (directory: string) => {
    const report = await runIn(directory, request, compilation, vectors, job, { sanitize });
    return judge(report, compilation.plan, target, () => request, job);
  };
  return output === undefined ? inTemporaryDirectory(work) : work(output);
}

/** A compiled model, written, built, flashed to a real board, run and reported. */
async function runIn(
  directory: string,
  { bytes, target }: Pick<CompileRequest, 'bytes' | 'target'>,
  { module, emission }: Pick<Compilation, 'module' | 'emission'>,
  vectors: readonly VectorPair[],
  job: Omit<DeviceJob, 'vectors' | 'budgets'>,
  how: BuildHow,
): Promise<Report> {
  const { manifest } = emission;
  const built = await buildEmission(directory, { bytes, target }, emission, job, how);
  if (!isSimulated(job.port)) await flashImage(flashableImage(built), target, job);
  const sized = how.sanitize ? { toolchain: built.toolchain } : built;
  const measured = await measureOn(job, built, { manifest, module, target, vectors });
  const report = makeReport({ manifest, built: sized, measured });
  saveReport(directory, report);
  return report;
}

/** The results of building a directory. */
export interface BuiltDirectory extends Outcome {
  readonly target: Target;
  readonly built: BuildResult;
}

/** bonsaic build: the image of what `compile` wrote, and its size. */
export async function build(directory: string, job: Job): Promise<BuiltDirectory> {
  const manifest = readManifest(directory);
  const { plan } = manifest;
  const target = loadTarget(plan.target);
  const built = await buildWith(directory, { target, manifest }, job);
  const report = makeReport({ manifest, built });
  const outcome = await judge(report, plan, target, () => requestOf(directory, manifest), job);
  return { ...outcome, target, built };
}

interface BuildHow {
  /** For the progress display; default: the board's. */
  readonly title?: string;
  readonly sanitize?: boolean;
}

/** Compiled sources, written to a directory and built there. */
function buildEmission(
  directory: string,
  { bytes, target }: Pick<CompileRequest, 'bytes' | 'target'>,
  emission: Emission,
  job: Pick<Job, 'progress' | 'cc'>,
  { title, sanitize = false }: BuildHow = {},
): Promise<BuildResult> {
  saveProject(directory, emission, target, bytes);
  return buildWith(directory, { target, manifest: emission.manifest, sanitize }, job, title);
}

function buildWith(
  directory: string,
  options: Omit<BuildOptions, 'cc'>,
  { progress, cc }: Pick<Job, 'progress' | 'cc'>,
  title = `Build for ${options.target.name}`,
): Promise<BuildResult> {
  return progress(title, () => buildProject(directory, { ...options, cc }));
}

/**
 * The port itself where it is 'auto': the one that fits the target.
 *
 * @throws BonsaiError 'device' when the target has no such port, or none or several fit
 */
export async function portFor(port: string, target: Target): Promise<string> {
  if (port !== autoPort) return port;
  placeOf(port, target);
  return choosePort(target.name);
}

/** Lines about one transfer. */
const mostProgressLines = 50;

/** bonsaic flash: an image on a board, verified and started; for a simulator checked only. */
export function flashImage(
  image: string,
  target: Target,
  { port, progress, ifStopped }: Pick<DeviceJob, 'port' | 'progress' | 'ifStopped'>,
): Promise<FlashResult> {
  const title = isSimulated(port)
    ? `Check the image for ${placeOf(port, target)}`
    : `Flash ${target.name} over ${port}`;
  return progress(title, (say) => {
    let begin: number | null = null;
    let shown = -1;
    return flash(image, port, target, {
      say,
      // Without a terminal each is a line.
      progress(done, total) {
        if (begin === null) {
          begin = performance.now();
          if (!isSimulated(port)) ifStopped?.(halfWritten(port));
        }
        const share = Math.floor((done * mostProgressLines) / total);
        if (share === shown) return;
        shown = share;
        say(transferBar(done, total, performance.now() - begin));
      },
      restart: () => restartInBootLoader(port, target),
      greet: () => greetFirmware(port, target),
    }).finally(() => ifStopped?.(null));
  });
}

function halfWritten(port: string): string {
  return (
    `stopped while the board at ${port} was written: it has a part of the image and does not run\n` +
    `  → flash it again: bonsaic flash DIR --port ${port}`
  );
}

/** bonsaic profile: the firmware of a directory on a board that has it. */
export async function profile(directory: string, job: DeviceJob): Promise<Outcome> {
  const { manifest, target, module, vectors, built } = await ready(directory, job);
  const port = await portFor(job.port, target);
  const measured = await measureOn({ ...job, port }, built, { manifest, module, target, vectors });
  const report = makeReport({ manifest, built, measured });
  saveReport(directory, report);
  return judge(report, manifest.plan, target, () => requestOf(directory, manifest), job);
}

/** A directory's firmware, built, with what checks its runs. */
async function ready(directory: string, job: DeviceJob) {
  const manifest = readManifest(directory);
  const { plan } = manifest;
  const target = loadTarget(plan.target);
  placeOf(job.port, target);
  const module = readModule(directory, manifest);
  const vectors = vectorsOf(job, { plan, module });
  const built = await buildWith(directory, { target, manifest }, job);
  return { manifest, target, module, vectors, built };
}

/** The outcome of one board of several. */
export interface BoardOutcome {
  readonly port: string;
  /** null if it failed, or had no vectors. */
  readonly report: Report | null;
  readonly fault: BonsaiError | null;
}

/** The results of several boards. */
export interface BoardsOutcome {
  readonly boards: readonly BoardOutcome[];
  /** With `spread` all vectors as one measurement; otherwise, and if no board is left, null. */
  readonly merged: Outcome | null;
}

/**
 * bonsaic profile with several ports: the boards run at the same time, and one that fails does not
 * stop the others.
 *
 * @param spread whether the boards share the vectors, which otherwise all of them run
 * @throws BonsaiError for what concerns all boards
 */
export async function profileBoards(
  directory: string,
  job: DeviceJob,
  { ports, spread }: { readonly ports: readonly string[]; readonly spread: boolean },
): Promise<BoardsOutcome> {
  const { manifest, target, module, vectors, built } = await ready(directory, job);
  const run = { manifest, module, target, image: findImage(built), ...pickDevice(job) };
  const title = `Run ${vectors.length} vectors on ${ports.join(', ')}`;
  const { boards, merged } = await job.progress(title, async (say) => {
    const request = {
      ...{ ports, vectors },
      measureOn: async (
        port: string,
        some: readonly VectorPair[],
        observe: (done: number) => void,
      ) => measure({ ...run, port: await portFor(port, target), vectors: some, observe }),
      observe: (done: ReadonlyMap<string, number>) =>
        say([...done].map(([port, count]) => `${port}: ${count}`).join(', ')),
    };
    if (spread) return measureSpread(request);
    return { boards: await measureEach(request), merged: null };
  });
  const outcomeOf = (measured: Measurement) => {
    const report = makeReport({ manifest, built, measured });
    return judge(report, manifest.plan, target, () => requestOf(directory, manifest), job);
  };
  const outcomes = await Promise.all(
    boards.map(async ({ port, measured, error }): Promise<BoardOutcome> => {
      if (measured === null) return { port, report: null, fault: error };
      const { report, fault } = await outcomeOf(measured);
      return { port, report, fault: error ?? fault };
    }),
  );
  const whole = merged === null ? null : await outcomeOf(merged);
  const report = whole?.report ?? outcomes.find(({ report }) => report !== null)?.report;
  if (report) saveReport(directory, report);
  return { boards: outcomes, merged: whole };
}

function pickDevice({ xip, timeoutMs }: DeviceJob): Pick<DeviceJob, 'xip' | 'timeoutMs'> {
  return { xip, timeoutMs };
}

/** The results of a board's kernels on this machine. */
export type Sanitized = Pick<Report, 'toolchain' | 'verify'>;

/** bonsaic verify: a board's kernels here, under sanitizers, then on the board's simulator. */
export async function verify(
  request: CompileRequest,
  job: Omit<DeviceJob, 'port'>,
): Promise<Outcome & { readonly sanitized: Sanitized | null }> {
  const { target, bytes } = request;
  const here = { ...job, port: 'sim' };
  const compilation = await job.progress(`Compile for ${target.name}`, () => compile(request));
  const vectors = vectorsOf(job, compilation);
  const planOutcome = await judgePlan(request, compilation.emission, job.budgets);
  if (planOutcome.fault !== null) return { ...planOutcome, sanitized: null };
  const twin = compileTwin(request, compilation);
  const twinRequest = { bytes, target: twin.target };
  const twinModule = { module: compilation.module, emission: twin.emission };
  const report = await inTemporaryDirectory((directory) => {
    const title = `Build the kernels of ${twin.target.name} for this machine`;
    const own = { ...here, cc: undefined };
    return runIn(directory, twinRequest, twinModule, vectors, own, { title, sanitize: true });
  });
  const sanitized = { toolchain: report.toolchain, verify: report.verify };
  const fault = outputsDiffer(report, ' on this machine, under sanitizers');
  if (target.simulator === null) return { report, fault, sanitized };
  const onBoard = await inTemporaryDirectory(async (directory) => {
    const report = await runIn(directory, request, compilation, vectors, here, {});
    return fault !== null
      ? { report, fault }
      : judge(report, compilation.plan, target, () => request, here);
  });
  return { ...onBoard, sanitized };
}

/** An inference with a larger estimate is not simulated to compare boards: about a minute. */
const longestComparedCount = 100e6;

/**
 * bonsaic compare: what the model needs on each board, in this order.
 *
 * @param longestCount  of an inference: a longer one is estimated, not simulated
 */
export async function compare(
  request: Omit<CompileRequest, 'target'>,
  targets: readonly Target[],
  job: DeviceJob,
  longestCount = longestComparedCount,
): Promise<readonly ComparedBoard[]> {
  // A faulty file is refused before any board is tried.
  load(request);
  const boards: ComparedBoard[] = [];
  for (const target of targets) {
    try {
      boards.push(await tryOn({ ...request, target }, job, longestCount));
    } catch (error) {
      if (!(error instanceof BonsaiError) || !isRefusal(error)) throw error;
      boards.push(refusingBoard(target, error));
    }
  }
  return boards;
}

/** Compiles, builds and runs on the simulator, as far as that is possible here. */
async function tryOn(
  request: CompileRequest,
  job: DeviceJob,
  longestCount: number,
): Promise<ComparedBoard> {
  const { target } = request;
  const { module, plan, emission } = compile(request);
  const { manifest } = emission;
  const all = vectorsOf(job, { plan, module });
  const vectors = job.vectors === undefined ? all.slice(0, 1) : all;
  let report = makeReport({ manifest });
  const fault = overBoard({ report, plan }, target);
  if (fault !== null) throw fault;
  let note: string | null = null;
  try {
    await inTemporaryDirectory(async (directory) => {
      // ESP-IDF takes no compiler of the user's.
      const ownJob = target.builder === 'idf' ? { ...job, cc: undefined } : job;
      const built = await buildEmission(directory, request, emission, ownJob);
      report = makeReport({ manifest, built });
      if (target.simulator === null) return;
      if (estimatedCount(plan) > longestCount) {
        note = `${target.name}: takes long to simulate; bonsaic run --target ${target.name} does`;
        return;
      }
      const measured = await measureOn(job, built, { manifest, module, target, vectors });
      report = makeReport({ manifest, built, measured });
    });
  } catch (error) {
    // Without a compiler or a simulator, report estimates.
    if (!(error instanceof BonsaiError) || error.exitStatus < 4) throw error;
    const isIdf = target.builder === 'idf';
    const left = isIdf ? '; the figures leave out ESP-IDF itself' : '';
    note = `${target.name}: ${error.where}: ${error.message}${left}`;
  }
  return comparedBoard(target, plan, report, note, job.budgets);
}

/** The pairs of the job's file, or seeded ones. */
function vectorsOf(
  { vectors }: Pick<DeviceJob, 'vectors'>,
  { plan, module }: Pick<Compilation, 'plan' | 'module'>,
): readonly VectorPair[] {
  return vectors === undefined
    ? seededVectors(plan, module)
    : readVectors(vectors.bytes, vectors.path, plan);
}

/** A built image, run and measured. */
function measureOn(
  { port, xip, timeoutMs, progress }: Pick<DeviceJob, 'port' | 'xip' | 'timeoutMs' | 'progress'>,
  built: BuildResult,
  run: Pick<Parameters<typeof measure>[0], 'manifest' | 'module' | 'target' | 'vectors'>,
): Promise<Measurement> {
  const title = `Run ${run.vectors.length} vectors on ${placeOf(port, run.target)}`;
  return progress(title, (say) =>
    measure({
      ...{ ...run, image: findImage(built), port, xip, timeoutMs },
      observe: (done, total) => say(bar(done, total)),
    }),
  );
}

/** The fault: wrong outputs, otherwise exceeded budgets. */
async function judge(
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
    if (how === 'plan' || job === null) return { plan, report: makeReport({ manifest }) };
    return inTemporaryDirectory(async (directory) => {
      const title = `Build with --optimize ${options.optimize}`;
      const built = await buildEmission(directory, base, emission, job, { title });
      return { plan, report: makeReport({ manifest, built }) };
    });
  };
}

/** The request with which a directory was compiled. */
function requestOf(directory: string, { plan }: Manifest): CompileRequest {
  const { target } = withMeasuredCosts(loadTarget(plan.target));
  const { bytes } = readModelCopy(directory);
  return { bytes, path: `${plan.model.name}.tflite`, target, options: plan.options };
}

/** The module that a directory's firmware computes, from its copy of the model. */
export function readModule(directory: string, manifest: Manifest): Module {
  const { options, model, steps } = manifest.plan;
  const { bytes, path } = readModelCopy(directory);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== model.sha256) {
    throw new BonsaiError(
      'bad-graph',
      path,
      'is not the model that this directory was compiled from',
      'compile again',
    );
  }
  const { module } = load({ bytes, path: `${model.name}.tflite`, options });
  if (mainGraph(module).nodes.length < steps.length) {
    throw new InternalError('pipeline', 'the reloaded module has fewer nodes than the plan');
  }
  return module;
}
