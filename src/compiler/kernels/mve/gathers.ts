/**
 * Streams of nonzero weights for gathers: vectors of 16 byte offsets and of the 16 weights there.
 * Inputs that a byte offset cannot reach are computed in further steps.
 */

/** A nonzero weight, and the offset of its input in bytes. */
export interface Gathered {
  readonly offset: number;
  readonly weight: number;
}

/** Lanes of a vector of bytes. */
export const vectorLanes = 16;
/** Bytes that byte offsets can address. */
const reachBytes = 256;

/** The steps from which offsets count. */
export interface Reach {
  readonly steps: number;
  /**
   * Bytes from one step to the next. Steps overlap, so that vectors can be filled from the next
   * step.
   */
  readonly stepBytes: number;
}

/** @param bytes the inputs' extent */
export function reachOf(bytes: number): Reach {
  const further = Math.ceil(Math.max(0, bytes - reachBytes) / reachBytes);
  const stepBytes = further === 0 ? 0 : Math.ceil((bytes - reachBytes) / further);
  return { steps: 1 + further, stepBytes };
}

/** The vectors of one step. */
export interface GatherStep {
  /** Per filter. */
  readonly vectors: number;
  /** vectors × filters × (16 offsets, 16 weights). */
  readonly bytes: readonly number[];
}

/**
 * Steps shared by several filters, with the same number of vectors for each. Empty last steps are
 * left out.
 *
 * @param filters ascending in their offsets
 * @param least vectors in the first step
 */
export function stepsOf(
  filters: readonly (readonly Gathered[])[],
  { steps, stepBytes }: Reach,
  least: number,
): readonly GatherStep[] {
  const left = filters.map((entries) => [...entries]);
  const found: GatherStep[] = [];
  for (let step = 0; step < steps; step += 1) {
    if (step > 0 && left.every((entries) => entries.length === 0)) break;
    const begin = step * stepBytes;
    const due = step === steps - 1 ? Infinity : begin + stepBytes;
    const counts = left.map((entries) => entries.filter(({ offset }) => offset < due).length);
    const vectors = Math.max(step === 0 ? least : 0, Math.ceil(Math.max(...counts) / vectorLanes));
    const taken = left.map((entries) => {
      const near = entries.filter(({ offset }) => offset < begin + reachBytes).length;
      return entries.splice(0, Math.min(near, vectors * vectorLanes));
    });
    const bytes = Array.from({ length: vectors }, (_, vector) =>
      taken.flatMap((entries) => {
        const lanes = entries.slice(vector * vectorLanes, (vector + 1) * vectorLanes);
        const fill = new Array<number>(vectorLanes - lanes.length).fill(0);
        const offsets = lanes.map(({ offset }) => offset - begin);
        return [...offsets, ...fill, ...lanes.map(({ weight }) => weight), ...fill];
      }),
    );
    found.push({ vectors, bytes: bytes.flat() });
  }
  return found;
}

/**
 * The number of vectors of each step, less `peeled` in the first, as kernels read it; then the
 * vectors.
 */
export function streamOf(
  steps: readonly GatherStep[],
  reach: Reach,
  peeled: number,
): { readonly count: number; readonly bytes: readonly number[] } {
  const told = steps.map(({ vectors }, i) => {
    const count = i === 0 ? vectors - peeled : vectors;
    return reach.steps === 1 ? count : 2 * count + (i === steps.length - 1 ? 1 : 0);
  });
  const bytes = steps.flatMap((step, i) => [
    ...(i === 0 ? [] : [told[i] as number]),
    ...step.bytes,
  ]);
  return { count: told[0] ?? 0, bytes };
}
