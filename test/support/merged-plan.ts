/**
 * Merges plans of several modules: packing many small arenas is faster than packing one large one.
 */
import { cName } from '../../src/compiler/ir/c-names.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { placeStates } from '../../src/compiler/plan/arena/states.js';
import type { Planned } from '../../src/compiler/plan/index.js';
import type { IoTensor, Placement, Plan, PlanStep } from '../../src/compiler/plan/types.js';
import { mergeModules } from './module.js';
import type { SimplePlanOptions } from './plan.js';

/** Modules that a simple plan computes with the same options. */
export interface Group {
  readonly modules: readonly Module[];
  readonly options: SimplePlanOptions;
}

/** The group's modules as one, whose nodes tell its kernel. */
export function mergedGroup({ modules, options }: Group): Module {
  const { kernel = 'portable', overlap } = options;
  const module = mergeModules(modules);
  const graph = mainGraph(module);
  const label = `${kernel}${overlap ? ' with overlap' : ''}`;
  const nodes = graph.nodes.map((node) => ({ ...node, name: `${label}, ${node.name}` }));
  return { ...module, graphs: [{ ...graph, nodes }] };
}

/**
 * The plan of `merged` (see `mergeModules`): the steps of all plans, each plan in its own memory.
 */
export function mergePlans(
  merged: Module,
  modules: readonly Module[],
  planned: readonly Planned[],
): Planned {
  const plans = planned.map(({ plan }) => plan);
  const [one] = plans;
  if (one === undefined) throw new RangeError('no plan');
  const steps: PlanStep[] = [];
  const placements: Placement[] = [];
  const inputs: IoTensor[] = [];
  const outputs: IoTensor[] = [];
  const total = plans.reduce((sum, plan) => sum + plan.steps.length, 0);
  let [base, tensors, nodes] = [0, 0, 0];
  plans.forEach((plan, i) => {
    const [arena, firstTensor, firstNode, firstStep] = [base, tensors, nodes, steps.length];
    const at = (offset: number) => offset + arena;
    const ids = (of: readonly number[]) => of.map((id) => id + firstTensor);
    const moved = (name = '', { tensor, offset, ...rest }: IoTensor): IoTensor => ({
      ...{ ...rest, name, identifier: cName(name, 't') },
      ...{ tensor: tensor + firstTensor, offset: at(offset) },
    });
    inputs.push(...plan.inputs.map((each, k) => moved(merged.inputNames[inputs.length + k], each)));
    outputs.push(
      ...plan.outputs.map((each, k) => moved(merged.outputNames[outputs.length + k], each)),
    );
    steps.push(
      ...plan.steps.map(({ scratch, move, ...step }) => ({
        ...step,
        ...{ index: step.index + firstStep, node: step.node + firstNode },
        ...{ ops: step.ops.map((op) => op + firstNode) },
        ...{ reads: ids(step.reads), writes: ids(step.writes) },
        scratch: scratch && { ...scratch, offset: at(scratch.offset) },
        move: move && { ...move, from: at(move.from), to: at(move.to) },
      })),
    );
    placements.push(
      ...plan.placements.map(({ tensor, offset, first, last, ...rest }) => ({
        ...{ ...rest, tensor: tensor + firstTensor, offset: at(offset) },
        first: first < 0 ? first : first + firstStep,
        last: last === plan.steps.length ? total : last + firstStep,
      })),
    );
    const graph = mainGraph(modules[i] as Module);
    base += Math.ceil(plan.arenaBytes / one.arenaAlign) * one.arenaAlign;
    tensors += graph.tensors.length;
    nodes += graph.nodes.length;
  });
  const sum = (count: (plan: Plan) => number) => plans.reduce((all, plan) => all + count(plan), 0);
  const model = { ...one.model, name: merged.name, macs: sum((plan) => plan.model.macs) };
  const arena = { arenaBytes: base, arenaLowerBoundBytes: base };
  return {
    plan: {
      ...{ ...one, model, steps, placements, inputs, outputs },
      ...{ ...arena, ...placeStates(mainGraph(merged)) },
    },
    implementations: planned.flatMap(({ implementations }) => implementations),
  };
}
