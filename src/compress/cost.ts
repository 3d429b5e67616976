/** What a model costs on a target: the other side of every decision that compression takes. */

import type { Target } from '../boards/target/index.js';
import { analyse, modelSize } from '../compiler/analysis/index.js';
import { type Module, mainGraph, type Node } from '../compiler/ir/graph.js';
import type { CountUnit } from '../compiler/ir/op.js';
import { runPasses } from '../compiler/passes/index.js';
import { mostMemory } from '../compiler/plan/choose/firmware.js';
import { plannerFor } from '../compiler/plan/index.js';
import {
  type CompileOptions,
  estimatedCount,
  type Plan,
  type PlanStep,
} from '../compiler/plan/types.js';
import { weighted } from './float-graph.js';

/** Estimates of an int8 model on one target, from costs that were measured there. */
export interface Cost {
  /** Of an inference. */
  readonly count: number;
  readonly unit: CountUnit;
  readonly ms: number;
  /** Of the whole image, at most. */
  readonly flashBytes: number;
  /** All that `run` counts, at most: arena, states, copies of weights, firmware and stack. */
  readonly ramBytes: number;
  /** Count by index of the main graph's nodes; what is fused into a layer counts there. */
  readonly layers: readonly number[];
}

export type CostOf = (module: Module) => Cost;

/** The estimates of the plan that `compile` would make. */
export function costsOn(target: Target, options: CompileOptions): CostOf {
  return (module) => {
    const source = numbered(module);
    const passed = runPasses(source, { faithful: options.faithful });
    const graph = mainGraph(passed);
    const size = modelSize(mainGraph(source));
    const { plan } = plannerFor(passed, analyse(graph), target, options, size)();
    return costOf(plan, target, mainGraph(source).nodes);
  };
}

/** Each node of the main graph is its own source, so that steps tell which nodes they compute. */
function numbered(module: Module): Module {
  const [main, ...rest] = module.graphs;
  if (main === undefined) return module;
  const nodes = main.nodes.map((node, index) => ({ ...node, ops: [index] }));
  return { ...module, graphs: [{ ...main, nodes }, ...rest] };
}

function costOf(plan: Plan, target: Target, nodes: readonly Node[]): Cost {
  const { steps, decision, arenaBytes, stateBytes } = plan;
  const count = estimatedCount(plan);
  const layers = nodes.map(() => 0);
  for (const { ops, alternatives } of steps) {
    // A pad that is fused into a convolution comes before it.
    const index = ops.find((op) => weighted.has(nodes[op]?.op ?? '')) ?? ops[0] ?? 0;
    layers[index] = (layers[index] ?? 0) + (alternatives[0]?.count ?? 0);
  }
  const copies = steps.reduce((sum, step) => sum + copiedBytes(step), 0);
  const most = mostMemory(plan, target, copies);
  const ramBytes = most.ramBytes ?? arenaBytes + stateBytes + copies;
  const ms = (1000 * count) / target.clockHz;
  return { count, unit: decision.unit, ms, flashBytes: most.flashBytes, ramBytes, layers };
}

/** Weights that a step reads from RAM: a kernel's calls have about equal shares of them. */
function copiedBytes({ regions, alternatives }: PlanStep): number {
  const copied = regions.filter((region) => region === 'sram').length;
  return copied === 0 ? 0 : ((alternatives[0]?.bytes ?? 0) * copied) / regions.length;
}
