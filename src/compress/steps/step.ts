/** A step of compression: a function from candidate to candidate, with settings of its own. */
import type { Graph } from '../../compiler/ir/graph.js';
import type { Say } from '../../progress.js';
import type { Candidate } from '../candidate.js';
import type { CostOf } from '../cost.js';
import type { Dataset } from '../data/dataset.js';
import type { ModuleHead } from '../quantize/lower.js';
import type { SettingsOf, StepName, StepSettings } from '../recipe.js';
import type { Tf } from '../tensorflow.js';
import type { Checkpoint } from '../train/checkpoint.js';

/** What steps may look at. Test samples are not among it. */
export interface Surroundings {
  readonly tf: Tf;
  readonly head: ModuleHead;
  /** The float model as it was given, through `separated`: the teacher. */
  readonly original: Graph;
  /** The same as it computes on a target: activations are where they were. Absent: `original`. */
  readonly whole?: Graph;
  /** Other teachers that a recipe names, by path. */
  readonly teachers?: ReadonlyMap<string, Graph>;
  readonly data: {
    readonly train: Dataset;
    /** Training samples that ranges of activations are taken from. */
    readonly calibration: Dataset;
    readonly validation: Dataset;
  };
  /** null without a target. */
  readonly costOf: CostOf | null;
  readonly seed: number;
}

/** Keeps the state of a step that takes long. */
export interface Keeper {
  /** What `save` kept last in an earlier run of this step; null if there was none. */
  readonly resumed: Checkpoint | null;
  save(state: Checkpoint): void;
}

export interface StepResult {
  readonly candidate: Candidate;
  /** For the report, one line each. */
  readonly notes: readonly string[];
  /** What gives the same again on any target, where the target has decided; absent: as given. */
  readonly settings?: StepSettings;
}

export interface Step<Name extends StepName> {
  run(
    candidate: Candidate,
    settings: SettingsOf<Name>,
    surroundings: Surroundings,
    say: Say,
    keeper: Keeper,
  ): StepResult | Promise<StepResult>;
}
