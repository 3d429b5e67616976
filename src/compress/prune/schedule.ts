/** When weights go: at once, or step by step while training; and what those that are left begin with. */

import type { Graph, TensorId } from '../../compiler/ir/graph.js';
import { InternalError } from '../../errors.js';
import type { Candidate, Masks } from '../candidate.js';
import { parametersOf, type Values, withValues } from '../float-graph.js';
import type { TrainHooks } from '../train/loop.js';
import { masksFor, type PruningPlan, pruned } from './masks.js';
import type { Scores } from './scores.js';

/**
 * The share that is pruned when `progress`, from 0 to 1, has been made (Zhu and Gupta, To Prune, or
 * Not to Prune, 2017): fast at first, while many weights do not matter.
 */
export function cubicShare(final: number, progress: number): number {
  return final * (1 - (1 - Math.min(1, Math.max(0, progress))) ** 3);
}

/** The plan with `scale` of each layer's share. */
export function partOf(plan: PruningPlan, scale: (share: number) => number): PruningPlan {
  return new Map(
    [...plan].map(([id, { pattern, share }]) => [id, { pattern, share: scale(share) }]),
  );
}

export interface Gradual {
  /** Epochs from 0. The first that prunes, and the first with the whole shares. */
  readonly begin: number;
  readonly end: number;
  /** Of the weights as they are. */
  readonly scores: (graph: Graph) => Scores;
}

/**
 * The hook of `train` that prunes more before each epoch from `begin` to `end`. It keeps no state:
 * a weight of 0 counts as pruned, so that a resumed training prunes the same.
 */
export function gradualMasks(
  { graph, masks }: Candidate,
  plan: PruningPlan,
  { begin, end, scores }: Gradual,
): NonNullable<TrainHooks['masks']> {
  if (!(begin <= end)) throw new InternalError('compress', `epochs ${begin} to ${end} to prune`);
  return (epoch, values) => {
    if (epoch < begin || epoch > end) return null;
    const progress = (epoch - begin + 1) / (end - begin + 1);
    const now = partOf(plan, (share) => cubicShare(share, progress));
    const current = withValues(graph, values);
    const before = new Map([...masks, ...masksOfZeros(current, plan.keys())]);
    return masksFor(graph, now, scores(current), before);
  };
}

/**
 * The candidate with earlier values of its parameters; what its masks prune stays 0 (Frankle and
 * Carbin, The Lottery Ticket Hypothesis, 2019). Without it only the schedule of the learning rate
 * begins again (Renda et al., Comparing Rewinding and Fine-tuning, 2020).
 */
export function rewound(candidate: Candidate, values: Values): Candidate {
  const graph = withValues(candidate.graph, values);
  return pruned({ ...candidate, graph }, candidate.masks);
}

/** The values of all parameters, to rewind to. */
export function valuesOf(graph: Graph): Values {
  const known = parametersOf(graph).map((id): readonly [TensorId, Float32Array] => [
    id,
    graph.tensors[id]?.data as Float32Array,
  ]);
  return new Map(known);
}

/** Masks of the weights that are not 0, such as those of a model that was pruned elsewhere. */
export function masksOfZeros(graph: Graph, ids: Iterable<TensorId>): Masks {
  const masks = new Map<TensorId, Uint8Array>();
  for (const id of ids) {
    const data = graph.tensors[id]?.data as Float32Array;
    masks.set(
      id,
      Uint8Array.from(data, (weight) => (weight === 0 ? 0 : 1)),
    );
  }
  return masks;
}
