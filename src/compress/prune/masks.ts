/** Which weights go: scores and shares → masks. */

import { type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import type { Candidate, Masks } from '../candidate.js';
import { withValues } from '../float-graph.js';
import { isPrunedByDefault, type PrunableLayer, prunableLayers } from './layers.js';
import { type Pattern, type Units, unitsOf } from './patterns.js';
import type { Scores } from './scores.js';

/** How one layer is pruned. */
export interface LayerPruning {
  readonly pattern: Pattern;
  /** Of the layer's weights that become 0: from 0 to below 1. */
  readonly share: number;
}

/** By weights. Layers that are not in it stay as they are. */
export type PruningPlan = ReadonlyMap<TensorId, LayerPruning>;

/** Every layer of the plan that pruning takes by default, with the same pattern and share. */
export function uniformPlan(graph: Graph, pruning: LayerPruning): PruningPlan {
  const layers = prunableLayers(graph).filter(isPrunedByDefault);
  return new Map(layers.map(({ weights }) => [weights, pruning]));
}

/** A layer keeps at least this share of its weights if one share is asked of all layers together. */
const leastKept = 0.02;

/**
 * One share for all layers together: the weights with the lowest scores go, wherever they are, but
 * no layer loses more than 98 % (or `share`, if that is more). Groups of N:M keep the same number
 * everywhere, so there every layer gets the share.
 *
 * Magnitudes are compared by LAMP (Lee et al., Layer-adaptive Sparsity for the Magnitude-based
 * Pruning, 2021): a unit's energy divided by that of all units of its layer that are as large. The
 * other scores are changes of the loss, which compare as they are.
 */
export function globalPlan(graph: Graph, pruning: LayerPruning, scores: Scores): PruningPlan {
  const { pattern, share } = pruning;
  requireShare(share);
  if (pattern.kind === 'groups') return uniformPlan(graph, pruning);
  const layers = prunableLayers(graph).filter(isPrunedByDefault);
  const ranked = layers.map((layer) => {
    const units = unitsOf(layer, pattern);
    const own = unitScores(units, valuesOf(scores, layer), null);
    return { units, values: scores.kind === 'magnitude' ? layerAdaptive(units, own) : own };
  });
  const shares = sharesBelow(layers, ranked, share, Math.max(share, 1 - leastKept));
  return new Map(layers.map(({ weights }, i) => [weights, { pattern, share: shares[i] ?? 0 }]));
}

interface Ranked {
  readonly units: Units;
  /** Score of each unit; higher is more worth keeping. */
  readonly values: Float64Array;
}

/** Shares of each layer if the lowest of all units go until `share` of all weights has gone. */
function sharesBelow(
  layers: readonly PrunableLayer[],
  ranked: readonly Ranked[],
  share: number,
  most: number,
): readonly number[] {
  const starts: number[] = [];
  let total = 0;
  for (const { values } of ranked) {
    starts.push(total);
    total += values.length;
  }
  const layerOf = new Uint16Array(total);
  const scores = new Float64Array(total);
  ranked.forEach(({ values }, i) => {
    scores.set(values, starts[i]);
    layerOf.fill(i, starts[i], (starts[i] ?? 0) + values.length);
  });
  const gone = layers.map(() => 0);
  let left = Math.round(share * layers.reduce((sum, { count }) => sum + count, 0));
  for (const unit of ascending(scores)) {
    const i = layerOf[unit] as number;
    const size = ranked[i]?.units.sizes[unit - (starts[i] ?? 0)] ?? 0;
    const after = (gone[i] ?? 0) + size;
    if (size > left) break;
    if (after > most * (layers[i]?.count ?? 0)) continue;
    gone[i] = after;
    left -= size;
  }
  return layers.map(({ count }, i) => (gone[i] ?? 0) / count);
}

function layerAdaptive({ sizes }: Units, values: Float64Array): Float64Array {
  const adapted = new Float64Array(values.length);
  let sum = 0;
  for (const unit of ascending(values).reverse()) {
    const energy = values[unit] as number;
    sum += energy * (sizes[unit] as number);
    adapted[unit] = sum > 0 ? energy / sum : 0;
  }
  return adapted;
}

/**
 * Masks for the layers of a plan. Each layer loses the units with the lowest scores, as many as its
 * share holds in whole units; it keeps one unit at least, so that no layer vanishes.
 *
 * @param before weights that are pruned already stay pruned, and count as part of the share; its
 *   layers that the plan lacks stay as they are
 * @throws BonsaiError 'usage' for a share below 0, or of 1 and more
 */
export function masksFor(
  graph: Graph,
  plan: PruningPlan,
  scores: Scores,
  before: Masks = new Map(),
): Masks {
  const masks = new Map(before);
  for (const layer of prunableLayers(graph)) {
    const pruning = plan.get(layer.weights);
    if (pruning === undefined) continue;
    requireShare(pruning.share);
    const own = before.get(layer.weights) ?? null;
    masks.set(layer.weights, layerMask(layer, pruning, valuesOf(scores, layer), own));
  }
  return masks;
}

function layerMask(
  layer: PrunableLayer,
  { pattern, share }: LayerPruning,
  scores: Float32Array,
  before: Uint8Array | null,
): Uint8Array {
  const units = unitsOf(layer, pattern);
  const values = unitScores(units, scores, before);
  const kept = new Uint8Array(values.length).fill(1);
  units.groups.forEach((first, group) => {
    const end = units.groups[group + 1] ?? values.length;
    const most =
      pattern.kind === 'groups'
        ? prunedOf(pattern, share, end - first)
        : Math.round(share * layer.count);
    dropLowest(kept, values, units.sizes, { first, end, most });
  });
  return Uint8Array.from(units.unitOf, (unit, i) =>
    before?.[i] === 0 ? 0 : (kept[unit] as number),
  );
}

/** Weights that a group of `size` loses: never more than N:M says, and one stays. */
function prunedOf(
  { kept, size: whole }: Extract<Pattern, { kind: 'groups' }>,
  share: number,
  size: number,
): number {
  const left = Math.max(kept, Math.round(whole * (1 - share)));
  return size - Math.ceil((size * left) / whole);
}

/** Drops the lowest of the units `first` … `end` − 1, at most `most` weights, and not the last. */
function dropLowest(
  kept: Uint8Array,
  values: Float64Array,
  sizes: Uint32Array,
  { first, end, most }: { readonly first: number; readonly end: number; readonly most: number },
): void {
  let left = most;
  for (const unit of ascending(values.subarray(first, end)).subarray(0, end - first - 1)) {
    const size = sizes[first + unit] as number;
    if (size > left) return;
    kept[first + unit] = 0;
    left -= size;
  }
}

/** The mean score of each unit's weights; of a unit that has gone already, less than any other. */
function unitScores(
  { unitOf, sizes }: Units,
  scores: Float32Array,
  before: Uint8Array | null,
): Float64Array {
  const sums = new Float64Array(sizes.length);
  const gone = new Uint32Array(sizes.length);
  unitOf.forEach((unit, i) => {
    if (before?.[i] === 0) gone[unit] = (gone[unit] as number) + 1;
    else sums[unit] = (sums[unit] as number) + (scores[i] as number);
  });
  return sums.map((sum, unit) => {
    const size = sizes[unit] as number;
    return gone[unit] === size ? Number.NEGATIVE_INFINITY : sum / size;
  });
}

/** Indices from the lowest value to the highest, equal ones in their order. */
function ascending(values: Float64Array): Uint32Array {
  const order = Uint32Array.from(values, (_, i) => i);
  return order.sort((a, b) => {
    const [x, y] = [values[a] as number, values[b] as number];
    return x < y ? -1 : x > y ? 1 : a - b;
  });
}

function valuesOf({ kind, values }: Scores, { weights, node }: PrunableLayer): Float32Array {
  const found = values.get(weights);
  if (found !== undefined) return found;
  throw new RangeError(`no ${kind} scores of the weights of "${node.name}"`);
}

function requireShare(share: number): void {
  if (share >= 0 && share < 1) return;
  const hint =
    'use a share from 0 to below 1, such as 0.8: a layer without weights computes nothing';
  throw new BonsaiError('usage', 'pruning', `cannot prune a share of ${share}`, hint);
}

/** The candidate with these masks: weights that they prune are 0. */
export function pruned(candidate: Candidate, masks: Masks): Candidate {
  const { graph } = candidate;
  const values = [...masks].map(([id, mask]) => {
    const data = tensorOf(graph, id).data as Float32Array;
    return [id, data.map((value, i) => (mask[i] === 0 ? 0 : value))] as const;
  });
  // What was rounded before is another model's.
  const { unrounded: _, ...whole } = candidate;
  return { ...whole, graph: withValues(graph, new Map(values)), masks };
}

/** What masks leave of each layer that they know. */
export interface LayerShare {
  readonly index: number;
  readonly name: string;
  readonly op: string;
  readonly count: number;
  readonly zeros: number;
}

export function prunedShares(graph: Graph, masks: Masks): readonly LayerShare[] {
  return prunableLayers(graph).flatMap(({ weights, node, index, count }) => {
    const mask = masks.get(weights);
    if (mask === undefined) return [];
    const zeros = count - mask.reduce((sum, kept) => sum + kept, 0);
    return [{ index, name: node.name, op: node.op, count, zeros }];
  });
}
