/**
 * The order of steps in a branching graph whose largest step is smallest.
 *
 * A state is the set of executed steps. What is live then does not depend on their order, so only
 * the best way to each set is kept (dynamic programming over sets, one step a level). If a level
 * has more sets than `work` allows, those with the smallest need continue. The order may then miss
 * the best one, but is never worse than the given one.
 */
import {
  byteCount,
  type Graph,
  type Node,
  statesOf,
  type TensorId,
  tensorOf,
} from '../../ir/graph.js';
import { predecessorsOf } from '../../ir/order.js';
import { aligned } from '../arena/arena.js';
import { addedBytes, type KernelMemory, ownersOf, type Schedule } from '../arena/lifetimes.js';

/** States to visit, approximately. */
const work = 20_000;

/** A way to run some of the steps. */
interface Prefix {
  /** A bit for each step that has run. */
  readonly done: bigint;
  /** Steps that can run next, ascending. */
  readonly ready: readonly number[];
  readonly liveBytes: number;
  readonly peakBytes: number;
  readonly path: Path | null;
}

interface Path {
  readonly step: number;
  readonly before: Path | null;
}

/**
 * The order in which to run the schedule's steps: the given one, unless another needs less.
 *
 * @param kernels for each step, what its possible kernels do to memory
 */
export function orderSteps(
  schedule: Schedule,
  kernels: readonly (readonly KernelMemory[])[],
): readonly number[] {
  const { start, run } = runner(schedule, kernels);
  const steps = [...schedule.steps.keys()];
  const given = steps.reduce(run, start);
  const width = Math.max(8, Math.floor(work / steps.length));
  let level: readonly Prefix[] = [start];
  for (let i = 0; i < steps.length && level.length > 0; i++) {
    const reached = new Map<bigint, Prefix>();
    for (const state of level) {
      for (const step of state.ready) {
        const next = run(state, step);
        if (next.peakBytes >= (reached.get(next.done) ?? given).peakBytes) continue;
        reached.set(next.done, next);
      }
    }
    level = [...reached.values()].sort((a, b) => a.peakBytes - b.peakBytes).slice(0, width);
  }
  const order: number[] = [];
  for (let path = level[0]?.path ?? null; path !== null; path = path.before) order.push(path.step);
  return order.length === 0 ? schedule.steps : order.reverse().map((i) => schedule.steps[i] ?? 0);
}

/** Which steps read and write each tensor, by indices in the schedule. Sets of steps are bits. */
interface Traffic {
  /** Of each step. */
  readonly reads: readonly (readonly TensorId[])[];
  readonly writes: readonly (readonly TensorId[])[];
  /** Of each tensor. */
  readonly readers: ReadonlyMap<TensorId, bigint>;
  /** The steps before each step, and those after it: what it waits for, and what waits for it. */
  readonly needs: readonly bigint[];
  readonly unlocks: readonly (readonly number[])[];
}

function trafficOf(
  { graph, steps, keepInput }: Schedule,
  owners: ReadonlyMap<TensorId, TensorId>,
): Traffic {
  const ownerOf = (id: TensorId | null) => (id === null ? undefined : owners.get(id));
  const nodes = steps.map((index) => graph.nodes[index] as Node);
  const reads = nodes.map(({ inputs }) =>
    [...new Set(inputs.map(ownerOf))].filter((id) => id !== undefined),
  );
  const writes = nodes.map(({ outputs }) => outputs.filter((id) => owners.get(id) === id));
  const writer = new Map(writes.flatMap((ids, step) => ids.map((id) => [id, step] as const)));
  const readers = new Map<TensorId, bigint>();
  const read = (id: TensorId | undefined, step: number) => {
    if (id !== undefined) readers.set(id, (readers.get(id) ?? 0n) | bit(step));
  };
  const needs = steps.map(() => 0n);
  const unlocks: number[][] = steps.map(() => []);
  reads.forEach((ids, step) => {
    for (const id of ids) {
      read(id, step);
      const before = writer.get(id);
      if (before === undefined) continue;
      needs[step] = (needs[step] ?? 0n) | bit(before);
      unlocks[before]?.push(step);
    }
  });
  if (statesOf(graph).length > 0) addStateOrder(graph, nodes, needs, unlocks);
  // A tensor that is kept has a reader that never runs, so it stays alive until the end.
  for (const id of [...graph.outputs, ...(keepInput ? graph.inputs : [])])
    read(ownerOf(id), steps.length);
  return { reads, writes, readers, needs, unlocks };
}

/** Adds to each step's `needs`, and to `unlocks`, the order that states ask for. */
function addStateOrder(
  graph: Graph,
  nodes: readonly Node[],
  needs: bigint[],
  unlocks: readonly number[][],
): void {
  const predecessors = predecessorsOf(graph);
  const stepOf = new Map(nodes.map((node, step) => [node, step]));
  nodes.forEach((node, step) => {
    for (const earlier of new Set(stepsBefore(node, predecessors, stepOf))) {
      const needed = needs[step] ?? 0n;
      if ((needed & bit(earlier)) !== 0n) continue;
      needs[step] = needed | bit(earlier);
      unlocks[earlier]?.push(step);
    }
  });
}

/** The steps that must run before a node; an alias has none of its own, but those before it. */
function stepsBefore(
  node: Node,
  predecessors: ReadonlyMap<Node, readonly Node[]>,
  stepOf: ReadonlyMap<Node, number>,
): readonly number[] {
  return (predecessors.get(node) ?? []).flatMap((other) => {
    const step = stepOf.get(other);
    return step === undefined ? stepsBefore(other, predecessors, stepOf) : [step];
  });
}

/** The initial state, and the state after running a step, given by its index in the schedule. */
function runner(
  schedule: Schedule,
  kernels: readonly (readonly KernelMemory[])[],
): { readonly start: Prefix; readonly run: (state: Prefix, step: number) => Prefix } {
  const { graph, steps } = schedule;
  const owners = ownersOf(graph);
  const { reads, writes, readers, needs, unlocks } = trafficOf(schedule, owners);
  const sizes = new Map(
    [...new Set(owners.values())].map((id) => [id, aligned(byteCount(tensorOf(graph, id)))]),
  );
  const bytes = (ids: readonly TensorId[]) =>
    ids.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
  const isReady = (done: bigint) => (step: number) => ((needs[step] ?? 0n) & ~done) === 0n;
  const run = (state: Prefix, step: number): Prefix => {
    const done = state.done | bit(step);
    const dies = (id: TensorId) => ((readers.get(id) ?? 0n) & ~done) === 0n;
    const written = writes[step] ?? [];
    const node = graph.nodes[steps[step] ?? 0] as Node;
    const liveBytes = state.liveBytes + bytes(written);
    const added = (kernels[step] ?? []).map((kernel) =>
      addedBytes(node, owners, kernel, (id) => bytes([id]), dies),
    );
    const needed = liveBytes + Math.min(...added, added.length === 0 ? 0 : Infinity);
    return {
      done,
      ready: [
        ...state.ready.filter((other) => other !== step),
        ...new Set((unlocks[step] ?? []).filter(isReady(done))),
      ].sort((a, b) => a - b),
      liveBytes: liveBytes - bytes([...(reads[step] ?? []), ...written].filter(dies)),
      peakBytes: Math.max(state.peakBytes, needed),
      path: { step, before: state.path },
    };
  };
  const inputs = [...new Set(graph.inputs)];
  const start = {
    done: 0n,
    ready: [...steps.keys()].filter(isReady(0n)),
    liveBytes: bytes(inputs.filter((id) => readers.has(id))),
    peakBytes: bytes(inputs),
    path: null,
  };
  return { start, run };
}

function bit(step: number): bigint {
  return 1n << BigInt(step);
}
