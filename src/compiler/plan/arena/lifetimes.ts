/** Which tensors share memory, how long each piece of memory is needed, and what may overlap. */
import {
  byteCount,
  type Graph,
  isConstant,
  type Node,
  type NodeView,
  statesOf,
  type TensorId,
  tensorOf,
} from '../../ir/graph.js';
import type { Kernel, Overlap } from '../../kernels/variant.js';
import { opOf } from '../../ops/index.js';
import { isReshape } from '../../ops/shape/same-elements.js';
import { aligned, type Buffer, sharedBytes } from './arena.js';

/** The order in which nodes run. */
export interface Schedule {
  readonly graph: Graph;
  /** Node indices, in the order in which they run as steps. Aliases may be absent. */
  readonly steps: readonly number[];
  /** The inputs' memory is not reused. */
  readonly keepInput: boolean;
}

/** The memory of a tensor that a step (or the caller) writes, and of its aliases. */
export interface TensorBuffer extends Buffer {
  readonly owner: TensorId;
}

/**
 * Whether a node's output is its input's memory with another shape, which needs no code. A reshape
 * of a state's value before its change is a copy, since the memory changes; and an output of the
 * graph lies in the arena.
 */
export function isAlias(graph: Graph, node: Node): boolean {
  const [input] = node.inputs;
  const [output = -1] = node.outputs;
  if (isJoin(graph, node)) return true;
  // What lies elsewhere is a copy.
  if (graph.flow?.places.has(output)) return false;
  if (!isReshape(node) || input == null || isConstant(tensorOf(graph, input))) return false;
  if (statesOf(graph).length === 0) return true;
  const isOutput = node.outputs.some((id) => graph.outputs.includes(id));
  const isBefore = statesOf(graph).some(({ tensor }) => tensor === input);
  return !isBefore && !(isOutput && stateTensors(graph).has(input));
}

/** Whether the branches of an 'if' join in a node: they have written their results to its output. */
function isJoin({ flow }: Graph, { op, inputs, outputs }: Node): boolean {
  return op === 'select' && flow?.places.get(inputs[1] ?? -1) === outputs[0];
}

/** The tensors in the memory of states, each with the state's index. */
export function stateTensors(graph: Graph): ReadonlyMap<TensorId, number> {
  const held = new Map<TensorId, number>();
  statesOf(graph).forEach(({ tensor, next }, index) => {
    held.set(tensor, index).set(next, index);
  });
  if (held.size === 0) return held;
  const before = new Set(statesOf(graph).map(({ tensor }) => tensor));
  for (const node of graph.nodes) {
    const [input] = node.inputs;
    const state = input == null || before.has(input) ? undefined : held.get(input);
    const isOutput = node.outputs.some((id) => graph.outputs.includes(id));
    if (!isReshape(node) || isOutput || state === undefined) continue;
    for (const id of node.outputs) held.set(id, state);
  }
  return held;
}

/**
 * The tensor that owns the memory of each tensor of the arena: itself, unless it is an alias.
 * Tensors in the memory of states are not in the arena.
 */
export function ownersOf(graph: Graph): ReadonlyMap<TensorId, TensorId> {
  const states = stateTensors(graph);
  const owners = new Map(graph.inputs.map((id) => [id, id]));
  for (const node of graph.nodes) {
    const [input] = node.inputs;
    const isShared = isAlias(graph, node) && !isJoin(graph, node) && input != null;
    const owner = isShared ? owners.get(input) : undefined;
    for (const id of node.outputs) if (!states.has(id)) owners.set(id, owner ?? placeOf(graph, id));
  }
  return owners;
}

/** The tensor in whose memory a tensor lies, as the graph's flow says. */
function placeOf(graph: Graph, id: TensorId): TensorId {
  const place = graph.flow?.places.get(id) ?? id;
  return place === id ? id : placeOf(graph, place);
}

/** All buffers except scratch: inputs first, then in the order in which the graph writes them. */
export function makeBuffers({ graph, steps, keepInput }: Schedule): readonly TensorBuffer[] {
  const owners = ownersOf(graph);
  const first = new Map<TensorId, number>(graph.inputs.map((id) => [id, -1]));
  const last = new Map(first);
  const use = (id: TensorId | null, step: number) => {
    const owner = id === null ? undefined : owners.get(id);
    if (owner !== undefined) last.set(owner, step);
  };
  steps.forEach((index, step) => {
    const { inputs = [], outputs = [] } = graph.nodes[index] ?? {};
    for (const id of outputs) {
      const owner = owners.get(id);
      if (owner !== undefined && !first.has(owner)) first.set(owner, step);
    }
    for (const id of [...inputs, ...outputs]) use(id, step);
  });
  const extents = sectionSteps(graph, steps);
  for (const { condition, first: at } of extents)
    if (at > (last.get(owners.get(condition) ?? -1) ?? -1)) use(condition, at);
  // What a loop reads and does not write in each turn stays until its last turn.
  for (const { again, last: end } of extents.toReversed()) {
    for (const [owner, step] of last) {
      if (again !== null && (first.get(owner) ?? 0) < again && again <= step && step < end)
        last.set(owner, end);
    }
  }
  for (const id of [...graph.outputs, ...(keepInput ? graph.inputs : [])]) use(id, steps.length);
  return [...new Set(owners.values())].map((owner) => ({
    owner,
    bytes: aligned(byteCount(tensorOf(graph, owner))),
    first: first.get(owner) ?? 0,
    last: last.get(owner) ?? 0,
  }));
}

/** A section of a flat graph, in steps. */
export interface SectionSteps {
  readonly first: number;
  readonly last: number;
  readonly condition: TensorId;
  readonly runsIf: boolean;
  /** The step with which each turn of a loop begins; null for a branch. */
  readonly again: number | null;
}

/** The sections of the graph that have steps, in the order of the graph's. */
export function sectionSteps(graph: Graph, steps: readonly number[]): readonly SectionSteps[] {
  return (graph.flow?.sections ?? []).flatMap(({ first, last, condition, runsIf, loop }) => {
    const from = (node: number) => steps.findIndex((index) => index >= node);
    const end = steps.findLastIndex((index) => index <= last);
    const begin = from(first);
    if (begin < 0 || end < begin) return [];
    return [{ first: begin, last: end, condition, runsIf, again: loop ? from(loop.again) : null }];
  });
}

/** A schedule's nodes, its buffers, and the buffer of each tensor. */
export function resolve(schedule: Schedule) {
  const { graph, steps } = schedule;
  const owners = ownersOf(graph);
  const buffers = makeBuffers(schedule);
  const indices = new Map(buffers.map(({ owner }, index) => [owner, index]));
  const indexOf = (owner: TensorId) => indices.get(owner) ?? -1;
  const bufferOf = (owner: TensorId) => buffers[indexOf(owner)];
  const nodes = steps.map((index) => graph.nodes[index] as Node);
  return {
    nodes,
    owners,
    buffers,
    indexOf,
    bufferOf,
    /**
     * Whether the memory of an input is free for output 0 of a step: nothing reads it later, and
     * nothing has written to the output's memory before.
     */
    diesIn: (step: number) => (owner: TensorId) => {
      const output = bufferOf(owners.get(nodes[step]?.outputs[0] ?? -1) ?? -1);
      return bufferOf(owner)?.last === step && output?.first === step;
    },
  };
}

/** What a kernel does to memory, apart from reading its inputs and writing its outputs. */
export interface KernelMemory {
  readonly scratchBytes: number;
  readonly overlaps: readonly Overlap[];
}

/** What a kernel of an operator does to memory. By default it may work in place. */
export function kernelMemory(view: NodeView, { scratchBytes, overlaps }: Kernel): KernelMemory {
  const inPlace = () =>
    opOf(view.node)
      .inPlace(view)
      .map((input) => ({ input, lead: 0, exact: true }));
  return {
    scratchBytes: aligned(scratchBytes),
    overlaps: overlaps ?? inPlace(),
  };
}

/** Memory of an input (by its owner) that output 0 of the same step may share. */
export interface Sharing {
  readonly input: TensorId;
  readonly lead: number;
  readonly exact: boolean;
}

/** The inputs whose memory output 0 of a node may share, if `dies` holds for that memory. */
export function sharingsOf(
  node: Node,
  owners: ReadonlyMap<TensorId, TensorId>,
  overlaps: readonly Overlap[],
  dies: (owner: TensorId) => boolean,
): readonly Sharing[] {
  const inputs = node.inputs.map((id) => (id === null ? undefined : owners.get(id)));
  if (inputs.includes(owners.get(node.outputs[0] ?? -1))) return [];
  return [...new Set(inputs)].flatMap((input): Sharing[] => {
    if (input === undefined || !dies(input)) return [];
    // The same memory may be several inputs: each must allow the sharing.
    const positions = [...inputs.keys()].filter((position) => inputs[position] === input);
    const own = positions.map((position) => overlaps.find((o) => o.input === position));
    const given = own.filter((overlap) => overlap !== undefined);
    const lead = aligned(Math.max(...given.map((overlap) => overlap.lead)));
    const isOne = given.every((overlap) => !overlap.exact || overlap.lead === lead);
    const exact = given.some((overlap) => overlap.exact);
    return given.length === own.length && isOne ? [{ input, lead, exact }] : [];
  });
}

/** Bytes that a kernel adds to the live tensors: its scratch, less what its output can share. */
export function addedBytes(
  node: Node,
  owners: ReadonlyMap<TensorId, TensorId>,
  { scratchBytes, overlaps }: KernelMemory,
  bytesOf: (owner: TensorId) => number,
  dies: (owner: TensorId) => boolean,
): number {
  const [output] = node.outputs;
  if (output === undefined) return scratchBytes;
  const shared = sharingsOf(node, owners, overlaps, dies).reduce(
    (sum, sharing) => sum + sharedBytes(bytesOf(sharing.input), bytesOf(output), sharing),
    0,
  );
  return scratchBytes - Math.min(shared, bytesOf(output));
}
