/** strided_slice (STRIDED_SLICE): every n-th element of each dimension, forward or backward. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { movement, rowMajorStrides } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export interface StridedSliceAttrs {
  /** First index along each dimension of the input, 0 to extent − 1. */
  readonly begin: readonly number[];
  /** Stride between indices along each dimension of the input; negative: backward. */
  readonly strides: readonly number[];
  /** Number of indices taken along each dimension of the input, at least 1. */
  readonly counts: readonly number[];
  /** The output's shape: `counts` without shrunk dimensions, with new ones. */
  readonly shape: Shape;
}

export const stridedSlice = movement<StridedSliceAttrs>({
  name: 'strided_slice',
  infer(view) {
    requireInside(view);
    return [view.attrs.shape];
  },
  moves(view) {
    const { begin, strides, counts } = view.attrs;
    const inStrides = rowMajorStrides(inputOf(view, 0).shape);
    const outStrides = rowMajorStrides(counts);
    const loops = counts.map((extent, d) => ({
      extent,
      inStride: (strides[d] as number) * (inStrides[d] as number),
      outStride: outStrides[d] as number,
    }));
    const inOffset = inStrides.reduce((sum, stride, d) => sum + stride * (begin[d] as number), 0);
    return [{ input: 0, output: 0, inOffset, outOffset: 0, loops }];
  },
}) satisfies OpDef<StridedSliceAttrs>;

function requireInside(view: NodeView<StridedSliceAttrs>): void {
  const { begin, strides, counts, shape } = view.attrs;
  const input = inputOf(view, 0).shape;
  const inside = (index: number, extent: number) => index >= 0 && index < extent;
  const fits =
    input.length <= 6 &&
    [begin, strides, counts].every(({ length }) => length === input.length) &&
    elementCount(shape) === elementCount(counts) &&
    input.every((extent, d) => {
      const first = begin[d] as number;
      const last = first + ((counts[d] as number) - 1) * (strides[d] as number);
      return (counts[d] as number) >= 1 && inside(first, extent) && inside(last, extent);
    });
  if (fits) return;
  throw new BonsaiError(
    'bad-shape',
    at(view.node),
    `[${counts}] indices from [${begin}] by [${strides}] are not within [${input}], rank 6 at most`,
    'convert the model again',
  );
}

/** STRIDED_SLICE as in the file. Bit i of a mask applies to entry i of begin, end and strides. */
export interface StridedSliceSpec {
  readonly begin: readonly number[];
  readonly end: readonly number[];
  readonly strides: readonly number[];
  /** begin is ignored: the slice starts at the first element in the direction of the stride. */
  readonly beginMask: number;
  /** end is ignored: the slice ends at the last element in the direction of the stride. */
  readonly endMask: number;
  /** The entry stands for all dimensions without an entry of their own. At most one. */
  readonly ellipsisMask: number;
  /** The entry inserts a dimension of extent 1 and applies to none of the input's. */
  readonly newAxisMask: number;
  /** The entry takes one index, and the dimension disappears. */
  readonly shrinkAxisMask: number;
  /** end counts from begin: refused, since the runtimes disagree. */
  readonly offset?: boolean;
}

/**
 * Resolves the slice to explicit indices, by the rules of Python's slices (and of desktop TFLite;
 * TFLM has neither ellipsis nor new axis).
 *
 * @param where the place, for errors
 * @throws BonsaiError 'unsupported-attribute' for a zero stride, several ellipses or `offset`,
 *   'bad-shape' for a slice that is empty, outside of the input, or of too many dimensions
 */
export function resolveStridedSlice(
  input: Shape,
  spec: StridedSliceSpec,
  where: string,
): StridedSliceAttrs {
  const has = (mask: number, entry: number) => ((mask >> entry) & 1) === 1;
  const entries = spec.begin.map((_, entry) => entry);
  const ellipses = entries.filter((entry) => has(spec.ellipsisMask, entry));
  // An ellipsis takes precedence over a new axis, a new axis over a shrunk one.
  const isNew = (entry: number) => has(spec.newAxisMask, entry) && !ellipses.includes(entry);
  const about = entries.filter((entry) => !ellipses.includes(entry) && !isNew(entry)).length;
  const free = input.length - about;
  const faults = [
    ellipses.length > 1 && 'has several ellipses',
    spec.strides.includes(0) && 'has a stride of 0',
    spec.offset === true && 'counts its end from its begin',
  ];
  for (const fault of faults) {
    if (!fault) continue;
    throw new BonsaiError('unsupported-attribute', where, fault, 'write the slice out');
  }
  if (free < 0) throw badSlice(where, `slices ${about} of ${input.length} dimensions`);
  const begin: number[] = [];
  const strides: number[] = [];
  const counts: number[] = [];
  const shape: number[] = [];
  const take = (first: number, stride: number, count: number, shrink = false) => {
    begin.push(first);
    strides.push(stride);
    counts.push(count);
    if (!shrink) shape.push(count);
  };
  const takeWhole = (dimensions: number) => {
    for (let i = 0; i < dimensions; i++) take(0, 1, input[begin.length] as number);
  };
  for (const entry of entries) {
    if (ellipses.includes(entry)) {
      takeWhole(free);
    } else if (isNew(entry)) {
      shape.push(1);
    } else {
      const extent = input[begin.length] as number;
      const stride = spec.strides[entry] as number;
      const shrink = has(spec.shrinkAxisMask, entry);
      const [first, count] = indicesOf(extent, stride, {
        begin: has(spec.beginMask, entry) ? null : (spec.begin[entry] as number),
        end: has(spec.endMask, entry) ? null : (spec.end[entry] as number),
        shrink,
      });
      if (count < 1 || first < 0 || first >= extent) {
        throw badSlice(where, `takes nothing of dimension ${begin.length}, extent ${extent}`);
      }
      take(first, stride, count, shrink);
    }
  }
  takeWhole(input.length - begin.length);
  return { begin, strides, counts, shape };
}

interface SliceBounds {
  /** null: the first (last) element in the direction of the stride. */
  readonly begin: number | null;
  readonly end: number | null;
  readonly shrink: boolean;
}

/** First index and number of indices along one dimension. */
function indicesOf(
  extent: number,
  stride: number,
  { begin, end, shrink }: SliceBounds,
): readonly [first: number, count: number] {
  const [low, high] = stride > 0 ? [0, extent] : [-1, extent - 1];
  // Negative indices count from the end; indices still outside are clamped.
  const limit = (index: number) =>
    Math.min(Math.max(index < 0 ? index + extent : index, low), high);
  const first = begin === null ? (stride > 0 ? low : high) : limit(begin);
  if (shrink) return [first, stride > 0 ? 1 : 0];
  const last = end === null ? (stride > 0 ? high : low) : limit(end);
  return [first, Math.ceil((last - first) / stride)];
}

function badSlice(where: string, message: string): BonsaiError {
  return new BonsaiError('bad-shape', where, message, 'slice within the tensor');
}
