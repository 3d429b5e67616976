/** Which layers lose how much: by name, by one share of all, or by what it saves on the target. */

import type { Graph } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import type { Say } from '../../progress.js';
import { moduleMaker } from '../assess.js';
import type { Candidate } from '../candidate.js';
import { thinned } from '../data/dataset.js';
import type { SettingsOf } from '../recipe.js';
import type { Surroundings } from '../steps/step.js';
import { type CostPlan, costTable, patternByCost, planByCost } from './by-cost.js';
import { layerNames } from './layers.js';
import { globalPlan, type PruningPlan } from './masks.js';
import { nameOf, type Pattern, patternNamed, unstructured } from './patterns.js';
import type { Scores } from './scores.js';
import { sensitivityOf } from './sensitivity.js';

type Settings = SettingsOf<'prune'>;

export interface Planned {
  readonly plan: PruningPlan;
  /** What people should know of it. */
  readonly notes: readonly string[];
}

/** @throws BonsaiError 'usage' for a layer that the model does not have, and a time without a target */
export async function planFor(
  candidate: Candidate,
  settings: Settings,
  scores: Scores,
  surroundings: Surroundings,
  say: Say,
): Promise<Planned> {
  const { layers, pattern, share, time } = settings;
  if (layers !== undefined) return { plan: namedPlan(candidate.graph, layers), notes: [] };
  if (time !== undefined) {
    const planAt = await timePlanner(candidate, pattern, scores, surroundings, say);
    const { plan, isMet } = planAt(time);
    const missed = 'no plan saves more time, though the goal is not reached';
    return { plan, notes: isMet ? [] : [missed] };
  }
  const own = pattern === 'auto' ? patternFor(candidate, share, scores, surroundings) : null;
  const all = { pattern: own ?? patternNamed(pattern), share };
  return { plan: globalPlan(candidate.graph, all, scores), notes: [] };
}

function patternFor(
  candidate: Candidate,
  share: number,
  scores: Scores,
  surroundings: Surroundings,
): Pattern {
  const { costOf } = surroundings;
  if (costOf === null) return unstructured;
  const moduleOf = moduleMaker(surroundings, candidate);
  return patternByCost({ candidate, scores, costOf, moduleOf }, share);
}

/** @throws BonsaiError 'usage' for a layer that the model does not have */
export function namedPlan(graph: Graph, layers: NonNullable<Settings['layers']>): PruningPlan {
  const known = new Map(Array.from(layerNames(graph), ([weights, name]) => [name, weights]));
  const plan = Object.entries(layers).map(([name, { pattern, share }]) => {
    const weights = known.get(name);
    if (weights !== undefined) return [weights, { pattern: patternNamed(pattern), share }] as const;
    const names = Array.from(known.keys(), (one) => `"${one}"`).join(', ');
    throw new BonsaiError('usage', 'prune', `there is no layer "${name}"`, `layers are ${names}`);
  });
  return new Map(plan);
}

/** What sensitivity is measured at; allocation mixes neighbouring shares. */
export const measuredShares = [0.3, 0.5, 0.7, 0.8, 0.9, 0.95] as const;

/** Patterns of which each layer gets the one that saves most on the target. */
const patterns: readonly Pattern[] = ['unstructured', '1x4', '4x4'].map(patternNamed);

/** Samples that tell what a layer's pruning harms; more hardly change it. */
export const sensitivitySamples = 256;

/** Shares of the estimated time → plans that leave it, or as little as they can. */
export async function timePlanner(
  candidate: Candidate,
  pattern: string,
  scores: Scores,
  surroundings: Surroundings,
  say: Say = () => {},
): Promise<(time: number) => CostPlan> {
  const { tf, data, costOf } = surroundings;
  if (costOf === null) {
    const hint = 'name the board with --target';
    throw new BonsaiError('usage', 'prune', 'a share of the time needs a target', hint);
  }
  const samples = thinned(data.validation, sensitivitySamples);
  const sensitivity = await sensitivityOf(tf, candidate.graph, samples, {
    patterns: pattern === 'auto' ? patterns : [patternNamed(pattern)],
    ...{ shares: measuredShares, scores },
    observe: (done, total) => say(`sensitivity of layer ${done} of ${total}`),
  });
  const moduleOf = moduleMaker(surroundings, candidate);
  const request = { candidate, scores, sensitivity, costOf, moduleOf };
  const table = costTable(request);
  return (time) => planByCost(request, time * table.count, table);
}

/** The settings that give this plan on every target. */
export function namedSettings(graph: Graph, plan: PruningPlan, settings: Settings): Settings {
  const { time: _, ...rest } = settings;
  const layers = Array.from(layerNames(graph)).flatMap(([weights, name]) => {
    const own = plan.get(weights);
    return own === undefined
      ? []
      : [[name, { pattern: nameOf(own.pattern), share: own.share }] as const];
  });
  return { ...rest, layers: Object.fromEntries(layers) };
}
