/** What the parts of the pipeline take and give. */

import type { XipModel } from '../boards/device/index.js';
import type { VectorFile } from '../boards/profile/seeded-vectors.js';
import type { Target } from '../boards/target/index.js';
import type { Labels } from '../compiler/codegen/labels.js';
import type { Emission } from '../compiler/codegen/manifest.js';
import type { Loaded, PlanRequest } from '../compiler/index.js';
import type { Planned } from '../compiler/plan/index.js';
import type { BonsaiError } from '../errors.js';
import type { Left } from '../leaving.js';
import type { Progress } from '../progress.js';
import type { Budgets } from '../report/budgets.js';
import type { Report } from '../report/index.js';

export interface CompileRequest extends Omit<PlanRequest, 'beside'> {
  readonly target: Target;
  /** Names of the classes, for the output with as many elements. */
  readonly labels?: Labels | undefined;
}

export interface Compilation extends Loaded, Planned {
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
