/**
 * Offsets for buffers of known lifetimes (dynamic storage allocation).
 *
 * Greedy best fit in several orders, as in 'Efficient Memory Management for Deep Neural Net
 * Inference' (Pisarchyk & Lee, 2020); where that misses the lower bound on a small problem, a
 * branch-and-bound search. No clock and no chance: the same buffers get the same offsets.
 */

/** Time runs in steps, from −1 (inputs are written) to the number of steps (outputs are read). */
export interface Buffer {
  /** A multiple of the arena's alignment, so every offset is one. */
  readonly bytes: number;
  /** First and last step during which it is live, inclusive. */
  readonly first: number;
  readonly last: number;
}

export interface Packing {
  /** In the order of the buffers. */
  readonly offsets: readonly number[];
  /** The end of the highest buffer. */
  readonly bytes: number;
}

/** The most bytes that are live during one step: no packing can need less. */
export function lowerBound(buffers: readonly Buffer[]): number {
  const changes = buffers.flatMap(({ bytes, first, last }) => [
    { step: first, bytes },
    { step: last + 1, bytes: -bytes },
  ]);
  changes.sort((a, b) => a.step - b.step || a.bytes - b.bytes);
  let live = 0;
  let most = 0;
  for (const change of changes) {
    live += change.bytes;
    most = Math.max(most, live);
  }
  return most;
}

/** Packs the buffers so that no two that are live during one step overlap. */
export function pack(buffers: readonly Buffer[]): Packing {
  const bound = lowerBound(buffers);
  const neighbours = overlaps(buffers);
  let best: Packing | null = null;
  for (const order of orders) {
    const packing = bestFit(buffers, neighbours, order);
    if (best === null || packing.bytes < best.bytes) best = packing;
    if (best.bytes === bound) return best;
  }
  if (best === null) return { offsets: [], bytes: 0 };
  return buffers.length <= searchableBuffers ? search(buffers, neighbours, bound, best) : best;
}

type Order = (a: Buffer, b: Buffer) => number;

const steps = (buffer: Buffer) => buffer.last - buffer.first + 1;

const orders: readonly Order[] = [
  (a, b) => b.bytes - a.bytes || a.first - b.first,
  (a, b) => a.first - b.first || b.bytes - a.bytes,
  (a, b) => steps(b) - steps(a) || b.bytes - a.bytes,
  (a, b) => b.bytes * steps(b) - a.bytes * steps(a) || a.first - b.first,
];

/** For each buffer those that are live during one of its steps. */
function overlaps(buffers: readonly Buffer[]): readonly (readonly number[])[] {
  const neighbours: number[][] = buffers.map(() => []);
  const byStart = buffers.map((buffer, index) => ({ buffer, index }));
  byStart.sort((a, b) => a.buffer.first - b.buffer.first);
  let live: typeof byStart = [];
  for (const entry of byStart) {
    live = live.filter(({ buffer }) => buffer.last >= entry.buffer.first);
    for (const { index } of live) {
      neighbours[index]?.push(entry.index);
      neighbours[entry.index]?.push(index);
    }
    live.push(entry);
  }
  return neighbours;
}

/** Places one buffer after the other into the smallest gap that holds it, else on top. */
function bestFit(
  buffers: readonly Buffer[],
  neighbours: readonly (readonly number[])[],
  order: Order,
): Packing {
  const offsets = new Array<number>(buffers.length).fill(-1);
  const byOrder = buffers.map((buffer, index) => ({ buffer, index }));
  byOrder.sort((a, b) => order(a.buffer, b.buffer) || a.index - b.index);
  let bytes = 0;
  for (const { buffer, index } of byOrder) {
    const placed = (neighbours[index] ?? [])
      .map((other) => ({ offset: offsets[other] ?? -1, bytes: buffers[other]?.bytes ?? 0 }))
      .filter((other) => other.offset >= 0)
      .sort((a, b) => a.offset - b.offset);
    let end = 0;
    let chosen = { offset: -1, gap: Number.POSITIVE_INFINITY };
    for (const other of placed) {
      const gap = other.offset - end;
      if (gap >= buffer.bytes && gap < chosen.gap) chosen = { offset: end, gap };
      end = Math.max(end, other.offset + other.bytes);
    }
    const offset = chosen.offset >= 0 ? chosen.offset : end;
    offsets[index] = offset;
    bytes = Math.max(bytes, offset + buffer.bytes);
  }
  return { offsets, bytes };
}

const searchableBuffers = 64;
const searchLimit = 20_000;

/**
 * Branch and bound from the bottom up. In some best packing each buffer lies at 0 or on top of one
 * that is live with it (else it could sink); listed by offset, each then lies exactly on the highest
 * of those before it. So it is enough to search lists with offsets that never fall.
 */
function search(
  buffers: readonly Buffer[],
  neighbours: readonly (readonly number[])[],
  bound: number,
  start: Packing,
): Packing {
  let best = start;
  let visited = 0;
  const offsets = new Array<number>(buffers.length).fill(-1);
  /** `floors[i]`: the lowest offset left for buffer i. */
  const visit = (floors: readonly number[], left: number, lowest: number, previous: number) => {
    visited++;
    if (left === 0) {
      const ends = buffers.map((buffer, i) => (offsets[i] ?? 0) + buffer.bytes);
      best = { offsets: [...offsets], bytes: Math.max(...ends) };
      return;
    }
    const open = [...buffers.keys()].filter((i) => offsets[i] === -1);
    const floor = (i: number) => floors[i] ?? 0;
    const bytes = (i: number) => buffers[i]?.bytes ?? 0;
    const candidates = open
      .filter((i) => floor(i) > lowest || (floor(i) === lowest && i > previous))
      .sort((a, b) => floor(a) - floor(b) || bytes(b) - bytes(a) || a - b);
    for (const i of candidates) {
      if (visited >= searchLimit || best.bytes === bound) return;
      if (open.some((j) => floor(j) + bytes(j) >= best.bytes)) return;
      const raised = [...floors];
      for (const j of neighbours[i] ?? []) raised[j] = Math.max(floor(j), floor(i) + bytes(i));
      offsets[i] = floor(i);
      visit(raised, left - 1, floor(i), i);
      offsets[i] = -1;
    }
  };
  visit(new Array<number>(buffers.length).fill(0), buffers.length, 0, -1);
  return best;
}
