/** What the parts of the pipeline take and give. */
import type { Labels } from '../codegen/labels.js';
import type { Emission } from '../codegen/manifest.js';
import type { XipModel } from '../device/index.js';
import type { BonsaiError } from '../errors.js';
import type { Module } from '../ir/graph.js';
import type { Left } from '../leaving.js';
import type { Planned } from '../plan/index.js';
import type { CompileOptions, Plan } from '../plan/types.js';
import type { VectorFile } from '../profile/vectors.js';
import type { Progress } from '../progress.js';
import type { Budgets } from '../report/budgets.js';
import type { Report } from '../report/index.js';
import type { Target } from '../target/index.js';

export interface CompileRequest {
  /** Contents of the model file. */
  readonly bytes: Uint8Array;
  /** Path of the model file: gives the model its name and appears in errors. */
  readonly path: string;
  readonly target: Target;
  readonly options: CompileOptions;
  /** Names of the classes, for the output with as many elements. */
  readonly labels?: Labels | undefined;
  /** Called with what the user should know of the model, such as layers that do not stream. */
  readonly tell?: (text: string) => void;
  /** Called with how far the work is: 'kernels for 3 of 70 steps'. */
  readonly say?: (text: string) => void;
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
  readonly ifStopped?: (left: Left | null) => void;
}

/** A job that runs the model. */
export interface DeviceJob extends Job {
  /** 'sim', 'sim:usb', a serial port (see openLink), or 'auto': the one that fits. */
  readonly port: string;
  readonly xip: XipModel;
  readonly timeoutMs?: number | undefined;
  /** A file of inputs and expected outputs; undefined: seeded random inputs. */
  readonly vectors?: VectorFile | undefined;
  /** Names of the classes of an output, told for each vector. */
  readonly labels?: Labels | undefined;
}

/** The result of a command, and its fault. */
export interface Outcome {
  readonly report: Report;
  readonly fault: BonsaiError | null;
}
