/**
 * Operators that map each int8 element by itself: a function of 256 values, computed when the model
 * is compiled. The kernel is a table look-up, whatever the arithmetic.
 */
import {
  type Attrs,
  allocate,
  type DType,
  elementCount,
  type NodeView,
  type TensorData,
} from '../../ir/graph.js';
import { type ChannelBounds, computedTypes, type OpDef } from '../../ir/op.js';
import { pointwiseAxes } from '../shape/axes.js';
import { inputOf, outputOf, requireOneType, requireTypes } from '../shape/operands.js';
import { anyBounds, boundsOf, channelCount, rangeAt } from './bounds.js';

/** One element: mostly int8 to int8. */
export type Scalar = (q: number) => number;

/** Elements [first, end) of the flat tensor that one function maps. */
export interface Segment {
  readonly first: number;
  readonly end: number;
  readonly scalar: Scalar;
}

/** An operator with one look-up table for each segment. */
export interface Elementwise<A extends object = Attrs> extends OpDef<A> {
  segments(view: NodeView<A>): readonly Segment[];
}

/**
 * The operator that applies a scalar function to each element.
 *
 * @param scalarOf the function for one node, both tensors per-tensor quantized int8; throws
 *   BonsaiError for quantization or attributes that cannot be computed exactly
 * @param realOf the function of float32 elements, for an operator that takes these
 */
export function elementwise<A extends object = Attrs>(
  name: string,
  scalarOf: (view: NodeView<A>) => Scalar,
  types: readonly DType[] = int8Alone,
  realOf: ((view: NodeView<A>) => Scalar) | null = null,
): Elementwise<A> {
  const all: readonly DType[] = realOf === null ? types : [...types, 'float32'];
  const own = (view: NodeView<A>) =>
    requireOneType(view, all) === 'float32' && realOf !== null ? realOf(view) : scalarOf(view);
  return elementwiseInSegments<A>(
    name,
    (view) => [{ first: 0, end: elementCount(outputOf(view).shape), scalar: own(view) }],
    all,
  );
}

const int8Alone: readonly DType[] = ['int8'];

/** Whether a node maps int8 to int8, so that a table of 256 values computes it. */
export function mapsBytes(view: NodeView<object>): boolean {
  // A constant has a type too: branches quantize those that they are given.
  const [input] = view.inputs;
  return input?.dtype === 'int8' && computedTypes(view).every((type) => type === 'int8');
}

/**
 * The same for a function that depends on an element's position. The segments tile the tensor.
 *
 * A second operand of 256 constants replaces the function: its values for −128, −127 … 127,
 * composed with those of the look-ups after it (passes/compose-lookups.ts).
 */
export function elementwiseInSegments<A extends object = Attrs>(
  name: string,
  ownSegmentsOf: (view: NodeView<A>) => readonly Segment[],
  types: readonly DType[] = int8Alone,
): Elementwise<A> {
  const segmentsOf = (view: NodeView<A>): readonly Segment[] => {
    const composed = view.inputs[1]?.data;
    if (composed == null) return ownSegmentsOf(view);
    const scalar = (q: number) => Number(composed[q + 128]);
    return [{ first: 0, end: elementCount(outputOf(view).shape), scalar }];
  };
  return {
    name,
    types,
    infer: (view) => [inputOf(view, 0).shape],
    check(view) {
      requireTypes(view, types);
      segmentsOf(view);
    },
    evaluate(view, [input]) {
      if (!mapsBytes(view)) return [mapEach(view, segmentsOf(view), input as TensorData)];
      const from = input as Int8Array;
      const to = new Int8Array(from.length);
      for (const { first, end, scalar } of segmentsOf(view)) {
        const table = tableOf(scalar);
        for (let i = first; i < end; i++) to[i] = table[(from[i] as number) & 0xff] as number;
      }
      return [to];
    },
    macs: () => 0,
    range(view, [input]) {
      if (!mapsBytes(view)) return [anyBounds(outputOf(view))];
      const tables = segmentsOf(view).map(({ scalar }) => tableOf(scalar));
      const bounds = input as ChannelBounds;
      // Thousands of channels have few ranges between them.
      const ends = new Map<number, readonly [low: number, high: number]>();
      return [
        boundsOf(channelCount(outputOf(view)), (channel) => {
          const [low, high] = rangeAt(bounds, channel);
          const key = low * 256 + high;
          const known = ends.get(key);
          if (known !== undefined) return known;
          const values = tables.flatMap((table) =>
            Array.from({ length: high - low + 1 }, (_, i) => table[(low + i) & 0xff] as number),
          );
          const found = [Math.min(...values), Math.max(...values)] as const;
          ends.set(key, found);
          return found;
        }),
      ];
    },
    lookup(view) {
      if (!mapsBytes(view)) return null;
      const [only, ...others] = segmentsOf(view);
      if (only === undefined || others.length > 0) return null;
      return Int8Array.from({ length: 256 }, (_, i) => only.scalar(i - 128));
    },
    axes: (view) => pointwiseAxes(view, 1),
    inPlace: (view) => (inputOf(view, 0).dtype === outputOf(view).dtype ? [0] : []),
    segments: segmentsOf,
  };
}

function mapEach(
  view: NodeView<object>,
  segments: readonly Segment[],
  from: TensorData,
): TensorData {
  const to = allocate(outputOf(view).dtype, from.length);
  for (const { first, end, scalar } of segments) {
    for (let i = first; i < end; i++) to[i] = scalar(Number(from[i]));
  }
  return to;
}

/** The function's values at 0, 1 … 127, −128 … −1: indexed by the element's byte. */
export function tableOf(scalar: Scalar): Int8Array {
  return Int8Array.from({ length: 256 }, (_, byte) => scalar((byte << 24) >> 24));
}
