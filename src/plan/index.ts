/** Decides everything about one model on one target: kernels, steps, memory. */
import { type ModelSize, modelSize } from '../analysis/index.js';
import { InternalError } from '../errors.js';
import {
  at,
  type Graph,
  type Module,
  mainGraph,
  type Node,
  type TensorId,
  viewOf,
} from '../ir/graph.js';
import type { Facts, KernelContext, TargetTraits } from '../ir/op.js';
import { opOf } from '../ops/index.js';
import { acceptInt8 } from './accept.js';
import { arenaAlign } from './arena.js';
import { runtimeBytesOf } from './code-size.js';
import { isAlias, type KernelMemory, type Schedule } from './lifetimes.js';
import { kernelContext } from './lower.js';
import { arenaLimit, stepBytes } from './memory.js';
import { orderSteps } from './order.js';
import { accessesOf, conflictOf, type Implementation, memoryOf, nameOf } from './parts.js';
import { type Arena, planArena } from './placement.js';
import { identifiers, makePorts } from './ports.js';
import type { Budget } from './prices.js';
import { type Candidates, type Choice, candidatesFor, selectKernels } from './select.js';
import { type CompileOptions, type Decision, noKernel, type Plan, type PlanStep } from './types.js';

/**
 * Plans the main graph of `module`, as the passes left it.
 *
 * @param source size of the model before the passes, for the report
 * @throws BonsaiError 'float-model', 'unsupported-type', 'bad-graph' (accept.ts)
 */
export function makePlan(
  module: Module,
  facts: Facts,
  target: TargetTraits,
  options: CompileOptions,
  source: ModelSize = modelSize(mainGraph(module)),
): Plan {
  const graph = mainGraph(module);
  acceptInt8(graph);
  const context = kernelContext(facts, target, options);
  const given = {
    graph,
    steps: [...graph.nodes.keys()].filter(
      (index) => options.faithful || !isAlias(graph, graph.nodes[index] as Node),
    ),
    keepInput: options.keepInput,
  };
  const kernels = new Map(
    given.steps.map((index) => [index, kernelsFor(graph, index, context, options)]),
  );
  const schedule = options.faithful
    ? given
    : { ...given, steps: orderSteps(given, memoriesOf(given, kernels)) };
  const { choices, decision, memories } = chooseKernels(
    schedule,
    kernels,
    target,
    options,
    context,
  );
  const arena = planArena(schedule, memories);
  const inArena = (ids: readonly (TensorId | null)[]) => [
    ...new Set(ids.filter((id) => id !== null && arena.placements.has(id))),
  ];
  const steps = schedule.steps.map((nodeIndex, index): PlanStep => {
    const node = graph.nodes[nodeIndex] as Node;
    const choice = choices[index] ?? null;
    if (choice !== null) checkApart(node, choice, arena, index);
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
      macs: opOf(node).macs(viewOf(graph, node)),
      reads: inArena(node.inputs) as TensorId[],
      writes: inArena(node.outputs) as TensorId[],
      scratch: arena.scratch[index] ?? null,
      move: arena.moves[index] ?? null,
      regions: choice?.regions ?? [],
    };
  });
  const { inputNames, outputNames } = module;
  const cNames = identifiers([...inputNames, ...outputNames]);
  const outputCNames = cNames.slice(inputNames.length);
  return {
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
    inputs: makePorts(graph, graph.inputs, inputNames, cNames, arena.placements),
    outputs: makePorts(graph, graph.outputs, outputNames, outputCNames, arena.placements),
    arenaBytes: arena.bytes,
    arenaLowerBoundBytes: arena.lowerBoundBytes,
    arenaAlign,
  };
}

/** What can compute a node, and what each of these does to memory; an alias is not computed. */
interface Kernels {
  readonly candidates: Candidates | null;
  readonly memories: readonly KernelMemory[];
}

function kernelsFor(
  graph: Graph,
  index: number,
  context: KernelContext,
  { kernels = [], cores = 1 }: CompileOptions,
): Kernels {
  const node = graph.nodes[index] as Node;
  if (isAlias(graph, node)) {
    return { candidates: null, memories: [{ scratchBytes: 0, overlaps: [] }] };
  }
  const view = viewOf(graph, node);
  const [, template] = kernels.find(([name]) => name === node.name) ?? [];
  const candidates = candidatesFor(view, context, template, cores);
  return { candidates, memories: candidates.implementations.map(memoryOf) };
}

function memoriesOf(
  { steps }: Schedule,
  kernels: ReadonlyMap<number, Kernels>,
): readonly (readonly KernelMemory[])[] {
  return steps.map((index) => kernels.get(index)?.memories ?? []);
}

/** Chooses among the kernels that the arena affords. */
function chooseKernels(
  schedule: Schedule,
  kernels: ReadonlyMap<number, Kernels>,
  target: TargetTraits,
  options: CompileOptions,
  context: KernelContext,
): {
  /** null for an alias, one a step each. */
  readonly choices: readonly (Choice | null)[];
  readonly memories: readonly KernelMemory[];
  readonly decision: Decision;
} {
  const all = memoriesOf(schedule, kernels);
  const needs = stepBytes(schedule, all);
  const available = ramForArena(target, options);
  const limits = [1, options.cores ?? 1].map((cores) => arenaLimit(needs, available, cores));
  const affordable = schedule.steps.flatMap((index, step) => {
    const { candidates = null } = kernels.get(index) ?? {};
    return candidates === null ? [] : [afford(candidates, needs[step] ?? [], limits)];
  });
  const arenaBytes = Math.max(0, ...needs.flat().filter((bytes) => bytes <= (limits[1] ?? 0)));
  const budget = budgetFor(target, options, arenaBytes, affordable.length);
  const selected = selectKernels(affordable, context, budget);
  const choiceOf = new Map(selected.choices.map((choice, i) => [affordable[i]?.view.node, choice]));
  const choices = schedule.steps.map((index) => choiceOf.get(schedule.graph.nodes[index]) ?? null);
  const memories = choices.map((choice, step) => {
    const { implementations = [] } = kernels.get(schedule.steps[step] ?? -1)?.candidates ?? {};
    const position = choice === null ? 0 : implementations.indexOf(choice.implementation);
    return all[step]?.[position] as KernelMemory;
  });
  return { choices, memories, decision: selected.decision };
}

/**
 * The candidates without those that would make the arena too large.
 *
 * @param limits for kernels on one core and for those on two
 */
function afford(
  candidates: Candidates,
  needs: readonly number[],
  limits: readonly number[],
): Candidates {
  const { view, implementations, refused } = candidates;
  const isAffordable = ({ parts }: Implementation, i: number) =>
    (needs[i] ?? 0) <= (limits[parts.length - 1] ?? 0);
  const dear = implementations.flatMap((one, i) =>
    isAffordable(one, i) ? [] : [`${nameOf(one)} needs an arena of ${needs[i]} B`],
  );
  return {
    view,
    implementations: implementations.filter(isAffordable),
    refused: [...refused, ...dear],
  };
}

/**
 * Halves that run at the same time must not meet in memory.
 *
 * @throws InternalError when they do
 */
function checkApart(node: Node, { implementation }: Choice, arena: Arena, step: number): void {
  const { placements, scratch, moves } = arena;
  const move = moves[step] ?? null;
  const place = (id: TensorId) => placements.get(id)?.offset ?? null;
  const [first, second] = accessesOf(implementation, {
    inputs: node.inputs.map((id) => {
      const offset = id === null ? null : place(id);
      return move !== null && offset === move.from ? move.to : offset;
    }),
    output: place(node.outputs[0] as TensorId) ?? 0,
    scratch: scratch[step]?.offset ?? 0,
  });
  if (first === undefined || second === undefined) return;
  const conflict = conflictOf(first, second);
  if (conflict === null) return;
  const bytes = `bytes ${conflict.begin} to ${conflict.end - 1} of the arena`;
  throw new InternalError('plan', `${at(node)}: both halves use ${bytes}`);
}

/** Of RAM that the arena cannot have: the runtime and the stack. */
const runtimeAllowanceBytes = 3.5 * 1024;

function ramForArena({ ramBytes }: TargetTraits, { maxRam = Infinity }: CompileOptions): number {
  return Math.min(ramBytes ?? Infinity, maxRam) - runtimeAllowanceBytes;
}

/** What there is of flash, and of RAM beside the arena and the runtime. */
function budgetFor(
  target: TargetTraits,
  { maxFlash = Infinity, maxRam = Infinity, optimize }: CompileOptions,
  arenaBytes: number,
  steps: number,
): Budget {
  const { flashBytes, ramBytes, regions } = target;
  const sram = Math.min(ramBytes ?? Infinity, maxRam) - arenaBytes;
  return {
    flashBytes: Math.min(flashBytes ?? Infinity, maxFlash),
    runtimeBytes: runtimeBytesOf(steps, target, optimize),
    sramBytes: regions === undefined ? 0 : Math.max(0, sram - regions.sram.reservedBytes),
  };
}
