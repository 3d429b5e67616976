/** One model on several boards at once: each runs all vectors, or they share them. */
import { BonsaiError } from '../../errors.js';
import type { NamedClass } from './classes.js';
import type { Measurement } from './measure.js';
import type { VectorPair } from './vectors.js';
import { latencyOf } from './verify.js';

/** What a board has measured, or why it has not. */
export interface BoardResult {
  readonly port: string;
  /** null: it failed, or there were more boards than vectors. */
  readonly measured: Measurement | null;
  readonly error: BonsaiError | null;
}

export interface BoardsRequest {
  readonly ports: readonly string[];
  readonly vectors: readonly VectorPair[];
  /** A board's own measurement (measure.ts), which refuses boards that run anything else. */
  readonly measureOn: (
    port: string,
    vectors: readonly VectorPair[],
    observe: (done: number) => void,
  ) => Promise<Measurement>;
  /** Called when a board has finished a vector, with the vectors done of each board. */
  readonly observe: (done: ReadonlyMap<string, number>) => void;
}

/** Runs all vectors on every board at the same time; one that fails does not stop the others. */
export async function measureEach(request: BoardsRequest): Promise<BoardResult[]> {
  const { ports, vectors } = request;
  return runShares(request, new Map(ports.map((port) => [port, vectors])));
}

/**
 * Shares the vectors among the boards. Those of a board that fails go to the others.
 *
 * @returns what each board did, and all vectors as one measurement; null if no board is left
 * @throws BonsaiError 'device' if the boards' counts do not compare
 */
export async function measureSpread(
  request: BoardsRequest,
): Promise<{ readonly boards: BoardResult[]; readonly merged: Measurement | null }> {
  const { vectors } = request;
  const parts: Part[] = [];
  const errors = new Map<string, BonsaiError>();
  let pending = sequencesOf(vectors);
  while (pending.length > 0) {
    const ports = request.ports.filter((port) => !errors.has(port)).slice(0, pending.length);
    if (ports.length === 0) break;
    const shares = new Map(ports.map((port, i) => [port, every(pending, i, ports.length).flat()]));
    const pairs = new Map([...shares].map(([port, share]) => [port, pick(vectors, share)]));
    pending = [];
    for (const { port, measured, error } of await runShares(request, pairs)) {
      const indices = shares.get(port) ?? [];
      if (measured !== null) parts.push({ port, indices, measured });
      if (error !== null) {
        errors.set(port, error);
        pending.push(...sequencesOf(vectors).filter(([first = 0]) => indices.includes(first)));
      }
    }
  }
  const boards = request.ports.map((port) => {
    const own = parts.filter((part) => part.port === port);
    return { port, measured: merge(own), error: errors.get(port) ?? null };
  });
  return { boards, merged: pending.length > 0 ? null : merge(parts) };
}

async function runShares(
  { measureOn, observe }: BoardsRequest,
  shares: ReadonlyMap<string, readonly VectorPair[]>,
): Promise<BoardResult[]> {
  const done = new Map([...shares.keys()].map((port) => [port, 0]));
  const runs = [...shares].map(async ([port, vectors]): Promise<BoardResult> => {
    try {
      const measured = await measureOn(port, vectors, (count) => {
        observe(done.set(port, count));
      });
      return { port, measured, error: null };
    } catch (error) {
      if (!(error instanceof BonsaiError)) throw error;
      return { port, measured: null, error };
    }
  });
  // All boards are closed before a bug in one of them is reported.
  const settled = await Promise.allSettled(runs);
  return settled.map((run) => {
    if (run.status === 'rejected') throw run.reason;
    return run.value;
  });
}

/** A measurement of some of the vectors. */
interface Part {
  readonly port: string;
  /** Of the vectors, in the order of `measured.counts`. */
  readonly indices: readonly number[];
  readonly measured: Measurement;
}

/**
 * One measurement of all parts' vectors, in their order; steps and checksums are those of the first.
 *
 * @throws BonsaiError 'device' when counts do not compare
 */
function merge(parts: readonly Part[]): Measurement | null {
  const sorted = parts.toSorted((a, b) => (a.indices[0] ?? 0) - (b.indices[0] ?? 0));
  const [first] = sorted;
  if (first === undefined) return null;
  const all = sorted.map(({ measured }) => measured);
  for (const { port, measured } of sorted) requireSameKind(first, { port, measured });
  const counts = sorted
    .flatMap(({ indices, measured }) =>
      indices.map((index, i) => ({ index, count: measured.counts[i] ?? 0 })),
    )
    .toSorted((a, b) => a.index - b.index)
    .map(({ count }) => count);
  const { unit, clockHz } = first.measured.latency;
  const total = (value: (one: Measurement) => number) =>
    all.reduce((sum, one) => sum + value(one), 0);
  return {
    ...first.measured,
    device: [...new Set(sorted.map(({ port }) => port))].join(', '),
    verify: {
      vectors: total(({ verify }) => verify.vectors),
      mismatches: total(({ verify }) => verify.mismatches),
      firstDivergingLayer:
        all.find(({ verify }) => verify.firstDivergingLayer !== null)?.verify.firstDivergingLayer ??
        null,
      layersChecked: total(({ verify }) => verify.layersChecked),
      ...(first.measured.verify.classes === undefined ? {} : { classes: classesOf(sorted) }),
    },
    latency: latencyOf(counts, unit, clockHz),
    counts,
    stackBytes: Math.max(...all.map(({ stackBytes }) => stackBytes)),
  };
}

/** The classes of all parts, by the index of the vector among all. */
function classesOf(parts: readonly Part[]): readonly NamedClass[] {
  return parts
    .flatMap(({ indices, measured: { verify } }) =>
      (verify.classes ?? []).map((one) => ({ ...one, vector: indices[one.vector] ?? 0 })),
    )
    .toSorted((a, b) => a.vector - b.vector);
}

type Kind = Pick<Part, 'port' | 'measured'>;

function requireSameKind(first: Kind, other: Kind): void {
  const kindOf = ({ measured: { latency, simulation, xip } }: Kind) =>
    `${latency.unit} at ${latency.clockHz / 1e6} MHz` +
    `${simulation === null ? '' : `, simulated`}${xip === null ? '' : ` (--xip ${xip})`}`;
  if (kindOf(first) === kindOf(other)) return;
  throw new BonsaiError(
    'device',
    other.port,
    `counts ${kindOf(other)}, but ${first.port} ${kindOf(first)}: they cannot share vectors`,
    'leave --spread out, and each board runs all vectors',
  );
}

/** The indices of the vectors of each sequence, which one board runs. */
function sequencesOf(vectors: readonly VectorPair[]): number[][] {
  const sequences: number[][] = [];
  vectors.forEach(({ continues = false }, index) => {
    if (continues) sequences.at(-1)?.push(index);
    else sequences.push([index]);
  });
  return sequences;
}

/** Every `step`th item from `first` on. */
function every<T>(items: readonly T[], first: number, step: number): T[] {
  return items.filter((_, i) => i % step === first);
}

function pick<T>(items: readonly T[], indices: readonly number[]): T[] {
  return indices.flatMap((index) => items.slice(index, index + 1));
}
