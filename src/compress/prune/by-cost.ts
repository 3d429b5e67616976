/** Plans of pruning from what layers lose and what they cost on a target. */
import type { Module } from '../../compiler/ir/graph.js';
import type { Candidate } from '../candidate.js';
import type { Cost, CostOf } from '../cost.js';
import { allocate, type LayerOptions, type PruningOption } from './allocate.js';
import { globalPlan, type LayerPruning, masksFor, type PruningPlan, pruned } from './masks.js';
import { nameOf, type Pattern, patternNamed, unstructured } from './patterns.js';
import type { Scores } from './scores.js';
import type { LayerSensitivity, Sensitivity } from './sensitivity.js';

export interface CostRequest {
  readonly candidate: Candidate;
  readonly scores: Scores;
  readonly sensitivity: Sensitivity;
  readonly costOf: CostOf;
  /** The int8 module of a candidate. */
  readonly moduleOf: (candidate: Candidate) => Module;
}

/** Costs of all layers at each pattern and share that the sensitivity has. */
export interface CostTable {
  /** Of the candidate as it is. */
  readonly count: number;
  /** What no layer of the sensitivity is part of. */
  readonly restCount: number;
  readonly layers: readonly LayerOptions[];
}

/**
 * One estimate prunes all layers alike, since a cost tells of each layer: as many estimates as
 * there are patterns and shares, and one of the candidate as it is. Planning takes 0.1 to 2 s each.
 */
export function costTable(request: CostRequest): CostTable {
  const { candidate, scores, sensitivity, costOf, moduleOf } = request;
  const { layers } = sensitivity;
  const base = costOf(moduleOf(candidate));
  const dense = (index: number) => base.layers[index] ?? 0;
  const options = layers.map(({ index }): PruningOption[] => [
    { pruning: null, cost: dense(index), damage: 0 },
  ]);
  for (const pruning of prunings(sensitivity)) {
    const plan = new Map(layers.map(({ weights }) => [weights, pruning]));
    const masks = masksFor(candidate.graph, plan, scores, candidate.masks);
    const cost = costOf(moduleOf(pruned(candidate, masks)));
    layers.forEach((layer, i) => {
      const damage = damageOf(layer, pruning);
      if (damage === null) return;
      options[i]?.push({ pruning, cost: cost.layers[layer.index] ?? 0, damage });
    });
  }
  const own = layers.reduce((sum, { index }) => sum + dense(index), 0);
  return {
    count: base.count,
    restCount: base.count - own,
    layers: layers.map(({ weights }, i) => ({ weights, options: options[i] ?? [] })),
  };
}

/** Patterns and shares of all points; equal ones are one object, so that shares may be mixed. */
function prunings({ layers }: Sensitivity): readonly LayerPruning[] {
  const points = layers.flatMap((layer) => layer.points);
  const patterns = [...new Set(points.map(({ pattern }) => pattern))];
  return patterns.flatMap((name) => {
    const pattern = patternNamed(name);
    const own = points.filter((point) => point.pattern === name);
    const shares = [...new Set(own.map(({ share }) => share))].sort((a, b) => a - b);
    return shares.map((share) => ({ pattern, share }));
  });
}

/** The power of the noise in the scores, relative to the scores: noises of several layers add up. */
function damageOf({ points }: LayerSensitivity, { pattern, share }: LayerPruning): number | null {
  const name = nameOf(pattern);
  const point = points.find((one) => one.pattern === name && one.share === share);
  return point === undefined ? null : 10 ** (-point.snrDb / 10);
}

export interface CostPlan {
  readonly plan: PruningPlan;
  /** Estimated for the whole model with the plan's masks. */
  readonly cost: Cost;
  /** Sum of the layers' damages. */
  readonly damage: number;
  /** Whether the estimate is at most what was wanted. */
  readonly isMet: boolean;
}

/** Estimates of whole plans, at most. */
const mostPlans = 6;
/** A plan that stays below the wanted cost by less than this share is not made again. */
const nearEnough = 0.02;

/**
 * The plan that harms least among those whose estimate is at most `wanted`, in the target's unit.
 * Layers that are pruned together cost a little other than each in the table, so the goal moves by
 * what the whole estimate is off, and between goals that were met and missed. If no plan is cheap
 * enough, the cheapest that was found.
 */
export function planByCost(
  request: CostRequest,
  wanted: number,
  table: CostTable = costTable(request),
): CostPlan {
  const { candidate, scores, costOf, moduleOf } = request;
  const { restCount, layers } = table;
  let goal = wanted - restCount;
  let [met, missed] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  let best: CostPlan | null = null;
  for (let i = 0; i < mostPlans; i += 1) {
    const { plan, damage, isMet: canGoOn } = allocate(layers, goal);
    const masks = masksFor(candidate.graph, plan, scores, candidate.masks);
    const cost = costOf(moduleOf(pruned(candidate, masks)));
    const { count } = cost;
    const found = { plan, cost, damage, isMet: count <= wanted };
    if (best === null || isBetter(found, best)) best = found;
    const isNear = found.isMet && (count >= (1 - nearEnough) * wanted || plan.size === 0);
    if (isNear || (!found.isMet && !canGoOn)) break;
    if (found.isMet) met = goal;
    else missed = goal;
    const middle = (met + missed) / 2;
    const away = found.isMet ? wanted - count : Math.min(wanted - count, -nearEnough * wanted);
    goal = Number.isFinite(middle) ? middle : goal + away;
  }
  if (best === null) throw new RangeError('no plan was tried');
  return best;
}

function isBetter(a: CostPlan, b: CostPlan): boolean {
  if (a.isMet !== b.isMet) return a.isMet;
  return a.isMet ? a.damage < b.damage : a.cost.count < b.cost.count;
}

/** The time that blocks must leave of that of single weights, since they harm more. */
const worthBlocks = 0.85;

/**
 * The pattern for one share over all layers: blocks of four channels where kernels skip them in
 * clearly less time than single weights, as on Cortex-M4 and M7.
 */
export function patternByCost(
  { candidate, scores, costOf, moduleOf }: Omit<CostRequest, 'sensitivity'>,
  share: number,
): Pattern {
  const [single, blocks] = [unstructured, patternNamed('1x4')].map((pattern) => {
    const plan = globalPlan(candidate.graph, { pattern, share }, scores);
    const masks = masksFor(candidate.graph, plan, scores, candidate.masks);
    return { pattern, count: costOf(moduleOf(pruned(candidate, masks))).count };
  }) as [{ pattern: Pattern; count: number }, { pattern: Pattern; count: number }];
  return blocks.count <= worthBlocks * single.count ? blocks.pattern : single.pattern;
}
