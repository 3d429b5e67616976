/** What the arena holds at each step, which kernels it affords, and where everything lies. */
import { byteCount, type Node, type TensorId, tensorOf } from '../ir/graph.js';
import type { Optimize } from '../ir/op.js';
import { pack, type Relation } from './arena.js';
import {
  addedBytes,
  type KernelMemory,
  makeBuffers,
  ownersOf,
  type Schedule,
  sharingsOf,
  type TensorBuffer,
} from './lifetimes.js';
import type { Placement, Scratch } from './types.js';

/**
 * Bytes of the arena in every step with each of its kernels: no packing with that kernel needs less.
 *
 * @param kernels for each step, what the kernels do that could compute it
 */
export function stepBytes(
  schedule: Schedule,
  kernels: readonly (readonly KernelMemory[])[],
): readonly (readonly number[])[] {
  const { nodes, owners, buffers, bufferOf } = resolve(schedule);
  const bytes = (id: TensorId) => bufferOf(id)?.bytes ?? 0;
  // By step + 1: that before the first step comes too.
  const changes = new Float64Array(nodes.length + 3);
  const change = (step: number, by: number) => {
    changes[step + 1] = (changes[step + 1] ?? 0) + by;
  };
  for (const buffer of buffers) {
    change(buffer.first, buffer.bytes);
    change(buffer.last + 1, -buffer.bytes);
  }
  let liveBytes = changes[0] ?? 0;
  return nodes.map((node, step) => {
    liveBytes += changes[step + 1] ?? 0;
    const dies = (id: TensorId) => bufferOf(id)?.last === step;
    return (kernels[step] ?? []).map(
      (kernel) => liveBytes + addedBytes(node, owners, kernel, bytes, dies),
    );
  });
}

/**
 * By how much kernels may raise the arena above what the leanest ones need: the scratch of a fast
 * kernel is a tile or a few rows, and worth that much whatever the model.
 */
const allowanceBytes: Readonly<Record<Optimize, number>> = { speed: 1280, balanced: 1280, size: 0 };

/**
 * Bytes that no step may need more of.
 *
 * @param needs as stepBytes gives them
 * @param availableBytes RAM for the arena
 */
export function arenaLimit(
  needs: readonly (readonly number[])[],
  optimize: Optimize,
  availableBytes: number,
): number {
  const leanest = needs.reduce((most, all) => Math.max(most, Math.min(...all)), 0);
  return Math.max(leanest, Math.min(leanest + allowanceBytes[optimize], availableBytes));
}

export interface Arena {
  /** Of every tensor, by its id, in the order of ids. */
  readonly placements: ReadonlyMap<TensorId, Placement>;
  /** One a step. */
  readonly scratch: readonly (Scratch | null)[];
  readonly bytes: number;
  readonly lowerBoundBytes: number;
}

/** Places the tensors of a schedule and the scratch of the kernel chosen for each step. */
export function planArena(schedule: Schedule, kernels: readonly KernelMemory[]): Arena {
  const { nodes, owners, buffers, indexOf, bufferOf } = resolve(schedule);
  const relations = nodes.flatMap((node, step): Relation[] => {
    const output = indexOf(node.outputs[0] ?? -1);
    const dies = (id: TensorId) => bufferOf(id)?.last === step;
    const sharings = sharingsOf(node, owners, kernels[step]?.overlaps ?? [], dies);
    return sharings.map((sharing) => ({ ...sharing, input: indexOf(sharing.input), output }));
  });
  const scratchSteps = [...kernels.keys()].filter((step) => kernels[step]?.scratchBytes);
  const scratches = scratchSteps.map((step) => ({
    bytes: kernels[step]?.scratchBytes ?? 0,
    first: step,
    last: step,
  }));
  const packing = pack([...buffers, ...scratches], relations);
  const offsetOf = (index: number) => packing.offsets[index] ?? 0;
  const placements = [...owners].map(([id, owner]): [TensorId, Placement] => {
    const tensor = tensorOf(schedule.graph, id);
    const { first, last } = bufferOf(owner) as TensorBuffer;
    const offset = offsetOf(indexOf(owner));
    const place = { tensor: id, name: tensor.name, offset, bytes: byteCount(tensor), first, last };
    return [id, place];
  });
  const scratch: (Scratch | null)[] = kernels.map(() => null);
  scratches.forEach(({ bytes, first }, i) => {
    scratch[first] = { offset: offsetOf(buffers.length + i), bytes };
  });
  return {
    placements: new Map(placements.sort(([a], [b]) => a - b)),
    scratch,
    bytes: packing.bytes,
    lowerBoundBytes: packing.lowerBoundBytes,
  };
}

/** The nodes and buffers of a schedule, and who is where. */
function resolve(schedule: Schedule) {
  const { graph, steps } = schedule;
  const owners = ownersOf(graph);
  const buffers = makeBuffers(schedule);
  const indices = new Map(buffers.map(({ owner }, index) => [owner, index]));
  const indexOf = (owner: TensorId) => indices.get(owner) ?? -1;
  return {
    nodes: steps.map((index) => graph.nodes[index] as Node),
    owners,
    buffers,
    indexOf,
    bufferOf: (owner: TensorId) => buffers[indexOf(owner)],
  };
}
