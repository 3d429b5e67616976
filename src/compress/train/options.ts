/** What training can be asked for. */

import type { Graph } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import type { Masks } from '../candidate.js';
import type { AugmentSetting } from '../data/augment.js';
import type { Dataset } from '../data/dataset.js';
import type { Values } from '../float-graph.js';
import type { Checkpoint } from './checkpoint.js';
import type { Rates } from './schedule.js';
import type { Validation } from './validation.js';

export interface TrainOptions extends Rates {
  readonly epochs: number;
  readonly batch: number;
  /** The highest. */
  readonly learningRate: number;
  readonly seed: number;
  /** Share of the loss that compares with teachers; the rest compares with labels. */
  readonly teacherShare: number;
  readonly temperature: number;
  /** Of the teachers' answers, in proportion; null: all alike. */
  readonly teacherWeights: readonly number[] | null;
  /** Weight of the difference from the first teacher's features, beside the rest of the loss. */
  readonly featureWeight: number;
  /** The same for the places of the image that both attend to. */
  readonly attentionWeight: number;
  /**
   * Self-distillation: the share of the mean of earlier weights that each step keeps. That mean is a
   * teacher of weight 1. null: none.
   */
  readonly averageDecay: number | null;
  readonly labelSmoothing: number;
  /** What a sample counts, by class. balanced: every class counts alike, however rare. */
  readonly classWeights: 'equal' | 'balanced' | readonly number[];
  /** Share of a weight that a step at rate 1 takes away; biases and scales keep theirs. */
  readonly weightDecay: number;
  /** The longest that all gradients together may be; null: any. */
  readonly clipNorm: number | null;
  /** Rate of learned scales, in units of the rate of weights. */
  readonly scaleRate: number;
  /** Share of the steps, at the end, during which scales stay as they are. */
  readonly frozenScales: number;
  /** Epochs without a better validation after which training stops; null: never. */
  readonly patience: number | null;
  /** Whether the result is the epoch with the best validation, not the last. */
  readonly keepBest: boolean;
  /** How often a diverged training begins anew at a tenth of its rate. */
  readonly restarts: number;
  readonly augmentation: AugmentSetting | null;
}

export const trainDefaults: TrainOptions = {
  epochs: 10,
  batch: 64,
  learningRate: 0.001,
  warmup: 0.05,
  rateSchedule: 'cosine',
  seed: 1,
  teacherShare: 0.7,
  temperature: 4,
  teacherWeights: null,
  featureWeight: 0,
  attentionWeight: 0,
  averageDecay: null,
  labelSmoothing: 0,
  classWeights: 'equal',
  weightDecay: 0,
  clipNorm: null,
  scaleRate: 1,
  frozenScales: 0.2,
  patience: null,
  keepBest: true,
  restarts: 2,
  augmentation: null,
};

export interface TrainHooks {
  /** Called after each epoch, with those before it; may be slow. */
  epoch?(done: EpochReport, history: readonly EpochReport[]): void;
  /** Called after each batch. */
  batch?(done: number, batches: number, epoch: number): void;
  /** Called where training does something that its options leave open. */
  say?(text: string): void;
  /** New masks before an epoch (0 for the first), from the weights as they are; null keeps them. */
  masks?(epoch: number, values: Values): Masks | null;
  /** Called before each step of the optimizer. */
  step?(step: StepReport): void;
  /** Called with the whole state after each epoch. */
  save?(state: Checkpoint): void;
}

/** What a step of the optimizer is made of. */
export interface StepReport {
  /** The learning rate. */
  readonly rate: number;
  /** By parameter, before the step; where masks prune, a gradient is 0. */
  readonly values: Values;
  readonly gradients: Values;
}

export interface EpochReport {
  /** 1 for the first. */
  readonly epoch: number;
  readonly epochs: number;
  /** Mean of the batches. */
  readonly loss: number;
  /** null without validation samples. */
  readonly validation: Validation | null;
  /** Whether its validation is the best so far. */
  readonly isBest: boolean;
  readonly seconds: number;
  /** Estimate for the epochs that are left. */
  readonly secondsLeft: number;
}

/** What to learn from, and how. */
export interface TrainTask {
  readonly data: Dataset;
  /** Samples that no step learns from: they decide which epoch is the best. */
  readonly validation?: Dataset | null;
  /** Float graphs whose answers the graph shall reproduce. */
  readonly teachers?: readonly Graph[];
  readonly options: TrainOptions;
  readonly hooks?: TrainHooks;
  /** The state after an earlier epoch of the same task. */
  readonly resume?: Checkpoint | null;
}

type Range = readonly [name: keyof TrainOptions, least: number, most: number];

const ranges: readonly Range[] = [
  ['epochs', 1, 1e6],
  ['batch', 1, 2 ** 16],
  ['learningRate', 0, Number.MAX_VALUE],
  ['warmup', 0, 1],
  ['teacherShare', 0, 1],
  ['temperature', 1e-3, 1e3],
  ['featureWeight', 0, 1e6],
  ['attentionWeight', 0, 1e6],
  ['averageDecay', 0, 1],
  ['labelSmoothing', 0, 1],
  ['weightDecay', 0, 1e9],
  ['clipNorm', 1e-12, Number.MAX_VALUE],
  ['scaleRate', 0, 1e3],
  ['frozenScales', 0, 1],
  ['patience', 1, 1e6],
  ['restarts', 0, 100],
];

/** @throws BonsaiError 'usage' for a number out of range */
export function checkOptions(options: TrainOptions): void {
  for (const [name, least, most] of ranges) {
    const value = options[name];
    if (value === null || (typeof value === 'number' && value >= least && value <= most)) continue;
    const hint = `give a number from ${least} to ${most}`;
    throw new BonsaiError('usage', `training option ${name}`, `is ${value}`, hint);
  }
  for (const name of ['epochs', 'batch'] as const) {
    if (Number.isInteger(options[name])) continue;
    const message = `is ${options[name]}`;
    throw new BonsaiError('usage', `training option ${name}`, message, 'give a whole number');
  }
}
