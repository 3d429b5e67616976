/** From a model's bytes to a plan, without a disk, a process and a clock: this part runs in a browser too. */
import { stemOf } from '../paths.js';
import { analyse, modelSize } from './analysis/index.js';
import { type ImportOptions, importModel } from './formats/index.js';
import { checkModule } from './ir/check.js';
import { type Module, mainGraph } from './ir/graph.js';
import type { Facts, TargetTraits } from './ir/op.js';
import { operators } from './ops/index.js';
import { runPasses } from './passes/index.js';
import { streamed } from './passes/stream.js';
import { planInTime } from './plan/cores.js';
import { faithfulCount } from './plan/faithful.js';
import { type Planned, plannerFor } from './plan/index.js';
import type { CompileOptions } from './plan/types.js';

/** A model, and how to read it. */
export interface ModelRequest {
  /** Contents of the model file. */
  readonly bytes: Uint8Array;
  /** Path of the model file: gives the model its name and appears in errors. */
  readonly path: string;
  readonly options: CompileOptions;
  /** Reads files of the model's folder; without it there are none. */
  readonly beside?: Exclude<ImportOptions['beside'], undefined>;
  /** Called with what the user should know of the model, such as layers that do not stream. */
  readonly tell?: (text: string) => void;
  /** Called with the module after import ('import') and after each pass. */
  readonly observe?: (pass: string, module: Module) => void;
}

export interface PlanRequest extends ModelRequest {
  /** A board with a second core may use both (`--cores auto`). */
  readonly target: TargetTraits & { readonly clockHz: number; readonly secondCore?: unknown };
  /** Called with how far the work is: 'kernels for 3 of 70 steps'. */
  readonly say?: (text: string) => void;
}

export interface Loaded {
  /** As imported. */
  readonly source: Module;
  /**
   * After the passes: the module that is planned, and that `evaluate` checks the firmware against.
   */
  readonly module: Module;
}

/** What all targets share. */
export interface Analysed extends Loaded {
  readonly facts: Facts;
}

/** 'models/Wake Word.tflite' → 'Wake Word'; codegen turns it into identifiers. */
export const modelName = stemOf;

/** Import and passes, with which every command on a model begins. */
export function load({ bytes, path, options, beside, tell, observe }: ModelRequest): Loaded {
  const { rounding, strict = false, shapes, stream, faithful } = options;
  const imported = importModel(bytes, {
    ...{ name: modelName(path), where: path, rounding, strict },
    ...(shapes === undefined ? {} : { shapes }),
    ...(beside === undefined ? {} : { beside }),
  });
  observe?.('import', imported);
  const source = stream === undefined ? imported : streamed(imported, stream, tell);
  if (stream !== undefined) {
    checkModule(source, operators, 'stream');
    observe?.('stream', source);
  }
  return { source, module: runPasses(source, { faithful }, observe) };
}

export function analysed({ source, module }: Loaded): Analysed {
  return { source, module, facts: analyse(mainGraph(module)) };
}

/**
 * Model file to plan.
 *
 * @param known the model, where it is already loaded
 * @throws BonsaiError for a model that is broken, not supported or not fully int8
 */
export function planned(request: PlanRequest, known?: Analysed): Loaded & Planned {
  const { target, options, say } = request;
  const { source, module, facts } = known ?? analysed(load(request));
  const size = modelSize(mainGraph(source));
  const planFor = plannerFor(module, facts, target, options, size, {
    faithfulCount: faithfulCount(source, target),
    say: (text) => say?.(`${target.name}: ${text}`),
  });
  const plan = options.autoCores ? planInTime(planFor, target, options) : planFor();
  return { source, module, ...plan };
}
