/** The place of every tensor and of every kernel's scratch. */
import { byteCount, type TensorId, tensorOf } from '../../ir/graph.js';
import type { Move, Placement, Scratch } from '../types.js';
import { type Buffer, lowerBound, type Packing, pack, type Relation } from './arena.js';
import { type KernelMemory, resolve, type Schedule, sharingsOf } from './lifetimes.js';
import { Patience } from './search.js';

export interface Arena {
  /** Every tensor by its id, in the order of ids. */
  readonly placements: ReadonlyMap<TensorId, Placement>;
  /** One per step. */
  readonly scratch: readonly (Scratch | null)[];
  readonly moves: readonly (Move | null)[];
  readonly bytes: number;
  readonly lowerBoundBytes: number;
}

/** A move must save a byte of the arena for this many bytes that it moves. */
const movedForOne = 16;
/** The most moves that are tried, and only in small problems: each trial packs everything again. */
const mostMoves = 8;
const mostBuffers = 160;

/**
 * Places the tensors of a schedule and the scratch of each step's kernel.
 *
 * Each output that lies ahead of its input shifts the next one further, so all outputs together
 * need more than any single step. Where it pays, a step first moves its input to where its output
 * can follow, which ends the shift.
 */
export function planArena(
  schedule: Schedule,
  kernels: readonly KernelMemory[],
  patience: Patience = new Patience(),
): Arena {
  const { nodes, owners, buffers: tensors, indexOf, bufferOf, diesIn } = resolve(schedule);
  const relations = nodes.flatMap((node, step): Relation[] => {
    const output = indexOf(owners.get(node.outputs[0] ?? -1) ?? -1);
    const sharings = sharingsOf(node, owners, kernels[step]?.overlaps ?? [], diesIn(step));
    return sharings.map((sharing) => ({ ...sharing, input: indexOf(sharing.input), output }));
  });
  const scratches = [...kernels.entries()].flatMap(([step, { scratchBytes }]) =>
    scratchBytes > 0 ? [{ bytes: scratchBytes, first: step, last: step }] : [],
  );
  const { moved, packing } = packWithMoves([...tensors, ...scratches], relations, patience);
  const offsetOf = (index: number) => packing.offsets[index] ?? 0;
  const placements = [...owners].map(([id, owner]): [TensorId, Placement] => {
    const { name, ...tensor } = tensorOf(schedule.graph, id);
    const { first = 0, last = 0 } = bufferOf(owner) ?? {};
    const offset = offsetOf(indexOf(owner));
    return [id, { tensor: id, name, offset, bytes: byteCount(tensor), first, last }];
  });
  const scratch = new Array<Scratch | null>(nodes.length).fill(null);
  scratches.forEach(({ bytes, first }, i) => {
    scratch[first] = { offset: offsetOf(tensors.length + i), bytes };
  });
  const moves = new Array<Move | null>(nodes.length).fill(null);
  moved.forEach(({ input, step }, i) => {
    const to = offsetOf(tensors.length + scratches.length + i);
    const bytes = byteCount(tensorOf(schedule.graph, tensors[input]?.owner ?? -1));
    moves[step] = { from: offsetOf(input), to, bytes };
  });
  const { bytes, lowerBoundBytes } = packing;
  return {
    placements: new Map(placements.sort(([a], [b]) => a - b)),
    scratch,
    moves,
    bytes,
    lowerBoundBytes,
  };
}

/** A buffer that dies in a step and is moved before the step's kernel runs. */
interface Moved {
  /** Its index. */
  readonly input: number;
  readonly step: number;
  readonly bytes: number;
}

function packWithMoves(
  buffers: readonly Buffer[],
  relations: readonly Relation[],
  patience: Patience,
): { readonly moved: readonly Moved[]; readonly packing: Packing } {
  const least = lowerBound(buffers, relations);
  const movable = relations.map(({ input }): Moved => {
    const { bytes, last } = buffers[input] as Buffer;
    return { input, step: last, bytes };
  });
  let moved: readonly Moved[] = [];
  let packing = pack(buffers, relations, patience);
  while (moved.length < mostMoves && buffers.length <= mostBuffers) {
    const { bytes } = packing;
    const pays = (move: Moved, after: number) => (bytes - after) * movedForOne >= move.bytes;
    const isFree = ({ step }: Moved) => moved.every((other) => other.step !== step);
    const [best] = movable
      .filter((move) => pays(move, least) && isFree(move))
      .map((move) => ({ move, packing: packMoved(buffers, relations, [...moved, move], patience) }))
      .filter(({ move, packing }) => pays(move, packing.bytes))
      .sort((a, b) => a.packing.bytes - b.packing.bytes);
    if (best === undefined) break;
    moved = [...moved, best.move];
    packing = best.packing;
  }
  return { moved, packing };
}

/** The packing in which each of `moved` has two places: the second one in its last step only. */
function packMoved(
  buffers: readonly Buffer[],
  relations: readonly Relation[],
  moved: readonly Moved[],
  patience: Patience,
): Packing {
  const places = moved.map(({ bytes, step }) => ({ bytes, first: step, last: step }));
  const all = [...buffers, ...places];
  // After the move, nothing that the step writes can harm the first place.
  const free = moved.flatMap(({ input, step, bytes }): Relation[] =>
    [...all.entries()].flatMap(([output, { first }]) =>
      first === step ? [{ input, output, lead: -bytes, exact: false }] : [],
    ),
  );
  const kept = relations.map((relation) => {
    const place = moved.findIndex(({ input }) => input === relation.input);
    return place < 0 ? relation : { ...relation, input: buffers.length + place };
  });
  return pack(all, [...free, ...kept], patience);
}
