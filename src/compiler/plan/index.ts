/** Decides everything about one model on one target: kernels, steps, memory. */
import { type ModelSize, modelSize } from '../analysis/index.js';
import {
  type Graph,
  type Module,
  mainGraph,
  type Node,
  type TensorId,
  turnsOf,
  viewOf,
} from '../ir/graph.js';
import type { Facts, TargetTraits } from '../ir/op.js';
import type { KernelContext } from '../kernels/variant.js';
import { opOf } from '../ops/index.js';
import { arenaAlign } from './arena/arena.js';
import { isAlias } from './arena/lifetimes.js';
import type { Arena } from './arena/placement.js';
import { placeStates } from './arena/states.js';
import { acceptGraph } from './choose/accept.js';
import { type Candidates, candidatesFor, onTwoCores } from './choose/candidates.js';
import { chooseKernels, type Kernels, memoriesOf } from './choose/fit.js';
import type { SourceModel } from './choose/room.js';
import type { Choice } from './choose/select.js';
import { ioTensors } from './io-tensors.js';
import { requireApart } from './schedule/apart.js';
import { kernelContext } from './schedule/lower.js';
import { orderSteps } from './schedule/order.js';
import { type Implementation, memoryOf } from './schedule/parts.js';
import { type CompileOptions, noKernel, type Plan, type PlanStep } from './types.js';

/** A plan, and the kernels that it names: codegen takes their calls. */
export interface Planned {
  readonly plan: Plan;
  /** One per step; null for `noKernel`. */
  readonly implementations: readonly (Implementation | null)[];
}

/**
 * Plans the main graph of `module`, as the passes left it.
 *
 * @param source size of the model before the passes, for the report
 * @throws BonsaiError 'float-model', 'unsupported-type', 'bad-graph', 'too-large' (accept.ts)
 */
export function makePlan(
  module: Module,
  facts: Facts,
  target: TargetTraits,
  options: CompileOptions,
  source: ModelSize = modelSize(mainGraph(module)),
): Planned {
  return plannerFor(module, facts, target, options, source)();
}

interface Watch {
  readonly faithfulCount?: (options: CompileOptions) => number;
  readonly say?: (text: string) => void;
}

/** Whatever these are, the same kernels match a node, with the same calls. */
export type Resources = Pick<CompileOptions, 'maxFlash' | 'maxRam' | 'maxMs' | 'cores'>;

/**
 * Like `makePlan`, for any resources: the given ones replace those of `options`. What is known of
 * kernels on one core is computed once.
 *
 * @param watch `faithfulCount`: estimate of `--faithful` with these options, computed only if it
 *   decides; `say`: called with how far the work is
 */
export function plannerFor(
  module: Module,
  facts: Facts,
  target: TargetTraits,
  options: CompileOptions,
  source: ModelSize = modelSize(mainGraph(module)),
  { faithfulCount = () => Infinity, say = () => {} }: Watch = {},
): (resources?: Resources) => Planned {
  const graph = mainGraph(module);
  acceptGraph(graph);
  const context = kernelContext(facts, target, options);
  const steps = [...graph.nodes.keys()].filter(
    (index) => options.faithful || !isAlias(graph, graph.nodes[index] as Node),
  );
  const onOne = new Map(
    steps.map((index, done) => {
      say(`kernels for ${done + 1} of ${steps.length} steps`);
      return [index, candidatesOf(graph, index, context, options)];
    }),
  );
  return (resources) => {
    say(`prices and places of ${steps.length} steps`);
    const asked = { ...options, ...resources };
    const { cores = 1 } = asked;
    const kernels = new Map(
      [...onOne].map(([index, one]) => [
        index,
        kernelsFrom(one !== null && cores > 1 ? onTwoCores(one, context) : one),
      ]),
    );
    const cycles = () => faithfulCount(asked);
    return planWith(module, kernels, context, target, asked, source, cycles);
  };
}

function planWith(
  module: Module,
  kernels: ReadonlyMap<number, Kernels>,
  context: KernelContext,
  target: TargetTraits,
  options: CompileOptions,
  source: ModelSize,
  cycles: SourceModel['cycles'],
): Planned {
  const graph = mainGraph(module);
  const given = { graph, steps: [...kernels.keys()], keepInput: options.keepInput };
  // Sections stay as they are.
  const schedule =
    options.faithful || graph.flow !== undefined
      ? given
      : { ...given, steps: orderSteps(given, memoriesOf(given, kernels)) };
  const liveShare = Math.min(1, modelSize(graph).parameters / Math.max(1, source.parameters));
  const { states, stateBytes } = placeStates(graph);
  const { choices, decision, arena } = chooseKernels(
    schedule,
    kernels,
    ...withoutStates(target, options, stateBytes),
    context,
    { ...source, liveShare, cycles },
  );
  const steps = schedule.steps.map((nodeIndex, index) =>
    planStep(graph, nodeIndex, index, choices[index] ?? null, arena),
  );
  const plan: Plan = {
    model: {
      name: module.name,
      sha256: module.sha256,
      macs: source.macs,
      liveMacs: steps.reduce((sum, step) => sum + step.macs, 0),
      parameters: source.parameters,
    },
    target: target.name,
    options,
    decision,
    steps,
    placements: [...arena.placements.values()],
    ...ioTensors(module, arena.placements),
    arenaBytes: arena.bytes,
    states,
    stateBytes,
    arenaLowerBoundBytes: arena.lowerBoundBytes,
    arenaAlign,
  };
  return { plan, implementations: choices.map((choice) => choice?.implementation ?? null) };
}

/** The target and the budget with the RAM that states leave. */
function withoutStates(
  target: TargetTraits,
  options: CompileOptions,
  stateBytes: number,
): readonly [TargetTraits, CompileOptions] {
  if (stateBytes === 0) return [target, options];
  const { ramBytes } = target;
  const { maxRam } = options;
  return [
    { ...target, ramBytes: ramBytes === null ? null : ramBytes - stateBytes },
    { ...options, ...(maxRam === undefined ? {} : { maxRam: maxRam - stateBytes }) },
  ];
}

/** @param choice null for a step whose output is its input */
function planStep(
  graph: Graph,
  nodeIndex: number,
  index: number,
  choice: Choice | null,
  arena: Arena,
): PlanStep {
  const node = graph.nodes[nodeIndex] as Node;
  if (choice !== null) requireApart(node, choice.implementation, arena, index);
  const inArena = (ids: readonly (TensorId | null)[]) => [
    ...new Set(ids.filter((id) => id !== null && arena.placements.has(id))),
  ];
  return {
    index,
    name: node.name,
    node: nodeIndex,
    op: [node.op, ...node.fused].join('+'),
    ops: node.ops,
    kernel: choice?.implementation.variant.template ?? noKernel,
    cores: choice?.implementation.parts.length ?? 1,
    why: choice?.why ?? 'its output is its input',
    alternatives: choice?.alternatives ?? [],
    dense: choice?.dense ?? null,
    macs: turnsOf(graph, nodeIndex) * opOf(node).macs(viewOf(graph, node)),
    reads: inArena(node.inputs) as TensorId[],
    writes: inArena(node.outputs) as TensorId[],
    scratch: arena.scratch[index] ?? null,
    move: arena.moves[index] ?? null,
    regions: choice?.regions ?? [],
  };
}

function candidatesOf(
  graph: Graph,
  index: number,
  context: KernelContext,
  { kernels = [] }: CompileOptions,
): Candidates | null {
  const node = graph.nodes[index] as Node;
  if (isAlias(graph, node)) return null;
  const [, template] = kernels.find(([name]) => name === node.name) ?? [];
  return candidatesFor(viewOf(graph, node), context, template);
}

function kernelsFrom(candidates: Candidates | null): Kernels {
  const memories = candidates?.implementations.map(memoryOf);
  return { candidates, memories: memories ?? [{ scratchBytes: 0, overlaps: [] }] };
}
