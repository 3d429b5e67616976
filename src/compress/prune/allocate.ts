/**
 * Which layer loses how much, in which pattern: what gains most on the target for what it costs in
 * quality.
 *
 * Each layer has options, with a cost and a damage. The lower convex hull of its options holds those
 * that can be best at some exchange rate of cost for damage. The hulls' steps, taken in the order of
 * cost saved by damage done, pass through allocations that no other of the same cost undercuts in
 * damage (the relaxation of the multiple-choice knapsack problem; Sinha and Zoltners, 1979).
 */
import type { TensorId } from '../../compiler/ir/graph.js';
import type { LayerPruning, PruningPlan } from './masks.js';

/** A way to prune a layer. */
export interface PruningOption {
  /** null: the layer stays dense. */
  readonly pruning: LayerPruning | null;
  /** On the target, in any unit: cycles, instructions, bytes, weights. */
  readonly cost: number;
  /** What the model loses; damages of layers add up. */
  readonly damage: number;
}

export interface LayerOptions {
  readonly weights: TensorId;
  /** At least one. */
  readonly options: readonly PruningOption[];
}

export interface Allocation {
  readonly plan: PruningPlan;
  /** Of all layers, by their options. */
  readonly cost: number;
  readonly damage: number;
  /** Whether the cost is at most what was wanted; otherwise no layer can be pruned further. */
  readonly isMet: boolean;
}

/** A step along a layer's hull. */
interface Step {
  readonly layer: number;
  readonly from: PruningOption;
  readonly to: PruningOption;
  /** Cost saved by damage; Infinity for a step that does none. */
  readonly gain: number;
}

/**
 * Steps until the layers' total cost is at most `wanted`; less is never pruned for a lower cost. A
 * last step between two shares of one pattern goes only as far as needed.
 */
export function allocate(layers: readonly LayerOptions[], wanted: number): Allocation {
  const hulls = layers.map(({ options }) => hullOf(options));
  const chosen = hulls.map(([first]) => first as PruningOption);
  let cost = chosen.reduce((sum, option) => sum + option.cost, 0);
  const steps = hulls.flatMap((hull, layer) =>
    hull.slice(1).map((to, i): Step => {
      const from = hull[i] as PruningOption;
      return { layer, from, to, gain: gainOf(from, to) };
    }),
  );
  // Gains fall along each hull, so that a layer's steps stay in their order.
  const ordered = steps.sort((a, b) => (a.gain === b.gain ? a.layer - b.layer : b.gain - a.gain));
  for (const { layer, from, to } of ordered) {
    if (cost <= wanted) break;
    const taken = between(from, to, (cost - wanted) / (from.cost - to.cost));
    chosen[layer] = taken;
    cost += taken.cost - from.cost;
  }
  const plan = new Map(
    layers.flatMap(({ weights }, i) => {
      const pruning = chosen[i]?.pruning ?? null;
      return pruning === null ? [] : [[weights, pruning] as const];
    }),
  );
  const damage = chosen.reduce((sum, option) => sum + option.damage, 0);
  return { plan, cost, damage, isMet: cost <= wanted };
}

function gainOf(from: PruningOption, to: PruningOption): number {
  const damage = to.damage - from.damage;
  return damage > 0 ? (from.cost - to.cost) / damage : Number.POSITIVE_INFINITY;
}

/** The least harmful option first, then those of the lower convex hull by falling cost. */
function hullOf(options: readonly PruningOption[]): readonly PruningOption[] {
  const byDamage = [...options].sort((a, b) => a.damage - b.damage || a.cost - b.cost);
  const hull: PruningOption[] = [];
  for (const option of byDamage) {
    const last = hull.at(-1);
    if (last !== undefined && option.cost >= last.cost) continue;
    while (hull.length > 1) {
      const [before, middle] = hull.slice(-2) as [PruningOption, PruningOption];
      if (gainOf(before, middle) > gainOf(middle, option)) break;
      hull.pop();
    }
    hull.push(option);
  }
  return hull;
}

/** A part of a step, where shares of one pattern lie between its ends; else the whole. */
function between(from: PruningOption, to: PruningOption, part: number): PruningOption {
  const [a, b] = [from.pruning, to.pruning];
  const isOnePattern =
    a !== null && b !== null && a.pattern === b.pattern && a.pattern.kind === 'blocks';
  if (part >= 1 || !isOnePattern) return to;
  const mix = (x: number, y: number) => x + (y - x) * part;
  return {
    pruning: { pattern: a.pattern, share: mix(a.share, b.share) },
    cost: mix(from.cost, to.cost),
    damage: mix(from.damage, to.damage),
  };
}
