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
import type { Facts, TargetTraits } from '../ir/op.js';
import type { KernelContext } from '../kernels/variant.js';
import { opOf } from '../ops/index.js';
import { arenaAlign } from './arena/arena.js';
import { isAlias, type KernelMemory, type Schedule } from './arena/lifetimes.js';
import { largestOfLeast, stepBytes } from './arena/memory.js';
import { type Arena, planArena } from './arena/placement.js';
import { acceptInt8 } from './choose/accept.js';
import { alternativesOf, type Candidates, candidatesFor } from './choose/candidates.js';
import { ramForModel, roomOf } from './choose/room.js';
import { type Choice, selectKernels } from './choose/select.js';
import { identifiers, makePorts } from './ports.js';
import { kernelContext } from './schedule/lower.js';
import { orderSteps } from './schedule/order.js';
import { accessesOf, conflictOf, memoryOf } from './schedule/parts.js';
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
  const { choices, decision, arena } = chooseKernels(schedule, kernels, target, options, context);
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

/** Kernels, and where everything lies then. */
interface Outcome {
  /** null for an alias, one a step each. */
  readonly choices: readonly (Choice | null)[];
  readonly decision: Decision;
  readonly arena: Arena;
}

/** How often kernels are chosen anew because what they need does not pack into what there is. */
const mostRetries = 3;

/** Chooses kernels and places what they need: with leaner ones where packing leaves too many gaps. */
function chooseKernels(
  schedule: Schedule,
  kernels: ReadonlyMap<number, Kernels>,
  target: TargetTraits,
  options: CompileOptions,
  context: KernelContext,
): Outcome {
  const all = memoriesOf(schedule, kernels);
  const needs = stepBytes(schedule, all);
  const places = schedule.steps.flatMap((index, step) => {
    const { candidates = null } = kernels.get(index) ?? {};
    return candidates === null ? [] : [{ step, candidates }];
  });
  const steps = places.map(({ step, candidates }) =>
    alternativesOf(candidates, needs[step] ?? [], context),
  );
  const chosenWith = (gapBytes: number): Outcome => {
    const room = roomOf(target, options, steps.length, largestOfLeast(needs), gapBytes);
    const selected = selectKernels(steps, context, room);
    const choices = new Array<Choice | null>(schedule.steps.length).fill(null);
    const memories = all.map((ofStep) => ofStep[0] as KernelMemory);
    places.forEach(({ step, candidates }, i) => {
      const choice = selected.choices[i] as Choice;
      choices[step] = choice;
      const position = candidates.implementations.indexOf(choice.implementation);
      memories[step] = all[step]?.[position] as KernelMemory;
    });
    return { choices, decision: selected.decision, arena: planArena(schedule, memories) };
  };
  let outcome = chosenWith(0);
  for (let i = 0, gapBytes = 0; i < mostRetries; i++) {
    const { arena, choices } = outcome;
    const copied = choices.reduce((sum, choice) => sum + (choice?.copiedBytes ?? 0), 0);
    const beyond = arena.bytes + copied - ramForModel(target, options);
    if (beyond <= 0) break;
    gapBytes += beyond;
    outcome = chosenWith(gapBytes);
  }
  return outcome;
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
