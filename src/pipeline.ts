/**
 * The stages in order: import → passes → analysis → plan → codegen → build → device → profile → report.
 *
 * Everything up to codegen is a function from readonly data to new data; only what follows touches
 * the disk and the board.
 */
import { createHash } from 'node:crypto';
import { basename, extname } from 'node:path';
import { analyse, modelSize } from './analysis/index.js';
import { emit } from './codegen/emit.js';
import type { Emission, Manifest } from './codegen/manifest.js';
import { openDevice, type XipModel } from './device/index.js';
import { BonsaiError, InternalError } from './errors.js';
import { importModel } from './import/index.js';
import { type Module, mainGraph } from './ir/graph.js';
import { runPasses } from './passes/index.js';
import { makePlan, type Planned, plannerFor } from './plan/index.js';
import { type CompileOptions, estimatedCount, type Plan } from './plan/types.js';
import { openSession } from './profile/session.js';
import type { VectorPair } from './profile/vectors.js';
import { verifyOnDevice } from './profile/verify.js';
import type { Measurement } from './report/index.js';
import { requireCores, type Target, twinOf } from './target/index.js';

export interface CompileRequest {
  /** Contents of the model file. */
  readonly bytes: Uint8Array;
  /** Path of the model file: gives the model its name and appears in errors. */
  readonly path: string;
  readonly target: Target;
  readonly options: CompileOptions;
  /** Class names, for the output with as many elements. */
  readonly labels?: readonly string[];
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
  /** What computes each step: the matched kernels of the plan. */
  readonly implementations: Planned['implementations'];
  readonly emission: Emission;
}

/** 'models/Wake Word.tflite' → 'Wake Word'; codegen makes identifiers of it. */
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

/**
 * Plans for one core, or for two if one misses --max-ms or meets it only at lower prices of bytes.
 */
function planInTime(
  planFor: (cores?: number) => Planned,
  target: Target,
  { maxMs = Infinity, maxFlash = Infinity, cores }: CompileOptions,
): Planned {
  const one = planFor(cores);
  if (target.secondCore === undefined || one.plan.decision.share === 1) return one;
  const two = planFor(2);
  const [first, second] = [one.plan.decision, two.plan.decision];
  if (second.imageBytes > Math.max(maxFlash, first.imageBytes)) return one;
  const msOf = ({ plan }: Planned) => (1000 * estimatedCount(plan)) / target.clockHz;
  if (Math.max(msOf(one), msOf(two)) > maxMs) return msOf(two) < msOf(one) ? two : one;
  return second.share > first.share ? two : one;
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
  const plan = autoCores ? planInTime(planFor, target, options) : planFor(options.cores);
  return { source, module, ...plan };
}

/**
 * Model file to generated sources.
 *
 * @throws BonsaiError as `planned`
 */
export function compile(request: CompileRequest): Compilation {
  const { target, labels = [] } = request;
  const { source, module, plan, implementations } = planned(request);
  const emission = emit(module, { plan, implementations }, target, { labels });
  return { source, module, plan, implementations, emission };
}

/** What the source's operators would take one by one, by estimates. */
function faithfulCount(source: Module, target: Target): (options: CompileOptions) => number {
  return (options) => {
    if (options.faithful) return Infinity;
    const module = runPasses(source, { faithful: true });
    const facts = analyse(mainGraph(module));
    return estimatedCount(makePlan(module, facts, target, { ...options, faithful: true }).plan);
  };
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

/**
 * Runs the vectors on a device, checks every output and measures.
 *
 * @param port     'sim', 'sim:usb', or the path of a serial port
 * @param image    path of the built image (the simulator boots it)
 * @param observe  called after each finished vector
 */
export async function measure(request: {
  readonly manifest: Manifest;
  readonly module: Module;
  readonly target: Target;
  readonly port: string;
  readonly image: string;
  readonly xip: XipModel;
  readonly vectors: readonly VectorPair[];
  readonly timeoutMs?: number;
  readonly observe?: (done: number, total: number) => void;
}): Promise<Measurement> {
  const { manifest, module, target, port, image, xip, vectors, timeoutMs, observe } = request;
  const device = await openDevice(port, target, image, { xip });
  try {
    const session = await openSession(device, manifest, {
      ramBytes: target.ramBytes,
      ...(timeoutMs === undefined ? {} : { runTimeoutMs: timeoutMs }),
    });
    const result = await verifyOnDevice(session, manifest, module, vectors, observe);
    const { simulation, xip: simulatedXip = null } = device;
    return { ...result, device: port, simulation, xip: simulatedXip };
  } finally {
    await device.close();
  }
}

/** The module of a directory's firmware, from the copy of the model in the directory. */
export function reload(manifest: Manifest, bytes: Uint8Array, path: string): Module {
  const { options, model } = manifest.plan;
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
  if (mainGraph(module).nodes.length < manifest.plan.steps.length) {
    throw new InternalError('pipeline', 'the reloaded module has fewer nodes than the plan');
  }
  return module;
}
