/** Shared by mean and reduce_sum: sums over any dimensions, and what is done with each. */
import { BonsaiError } from '../../../errors.js';
import { rangeOfType } from '../../ir/dtypes.js';
import {
  allocate,
  at,
  type DType,
  elementCount,
  type NodeView,
  type Shape,
  type TensorData,
} from '../../ir/graph.js';
import type { ChannelBounds, OpDef } from '../../ir/op.js';
import { mapBounds, takenBounds } from '../arithmetic/bounds.js';
import {
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
  roundHalfAwayFromZero,
  saturatingRoundingDoublingHighMul,
} from '../arithmetic/quant.js';
import { badRatio } from '../arithmetic/rescale.js';
import { reducedAxes } from './axes.js';
import { inputOf, outputOf, requireOneType } from './operands.js';
import {
  keepsChannels,
  placesIn,
  type ReductionAttrs,
  type ReductionLoops,
  reducedShape,
} from './reduction.js';

/** Types of inputs and outputs: one for both of a node. */
export const summedTypes: readonly DType[] = ['int8', 'int16', 'float32'];

/** output = clamp((sum − sumOffset) · multiplier + outOffset) */
export interface Scaling {
  readonly sumOffset: number;
  readonly multiplier: Multiplier;
  readonly outOffset: number;
  /** The first `halvesUp` channels round halves up in the shift, the others away from zero. */
  readonly halvesUp: number;
  /** Instead of the multiplier: output = clamp(round(sum · scale + bias) + outOffset) in float32. */
  readonly real?: { readonly scale: number; readonly bias: number };
}

/**
 * XNNPACK's sums, times `share`: the zero points are part of the float32 that is rounded
 * (reshape_reduce_nd of src/operators/reduce-nd.c; halves away from zero in LiteRT 2.3.0 and
 * TensorFlow 2.21, to even in later versions).
 */
export function offsetFloat(
  input: PerTensor,
  output: PerTensor,
  count: number,
  share: number,
): Scaling {
  const { fround } = Math;
  const scale = fround(fround(fround(input.scale) / fround(output.scale)) * share);
  const inputPart = fround(fround(count * input.zeroPoint) * scale);
  return {
    sumOffset: 0,
    multiplier: quantizeMultiplier(scale),
    outOffset: 0,
    halvesUp: 0,
    real: { scale, bias: fround(output.zeroPoint - inputPart) },
  };
}

export interface PerTensor {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** An operator that adds up elements. */
export interface Summing<A extends ReductionAttrs> {
  readonly name: string;
  /** Of integers; `count` elements are added for each output. */
  scaling(view: NodeView<A>, input: PerTensor, output: PerTensor, count: number): Scaling;
  /** Whether a sum of float32 is divided by the number of elements. */
  readonly divides: boolean;
  loops(view: NodeView<A>): ReductionLoops;
}

/**
 * Sums of float32 begin at 0 and take the elements in the order of the input, each rounded to
 * float32, as reference_ops::ReduceGeneric and reference_ops::Mean of kernels/internal/reference/reduce.h.
 */
export function summing<A extends ReductionAttrs>(operator: Summing<A>) {
  const { name, divides, loops } = operator;
  const scalingOf = (view: NodeView<A>) => checkedScaling(view, operator);
  return {
    name,
    types: summedTypes,
    infer: (view) => [reducedShape(view)],
    check(view) {
      const dtype = requireOneType(view, summedTypes);
      loops(view);
      if (dtype !== 'float32') scalingOf(view);
    },
    evaluate(view, [input]) {
      const { shape, dtype } = inputOf(view, 0);
      const isReal = dtype === 'float32';
      const sums = sumOver(input as TensorData, shape, view.attrs.axes, isReal);
      if (isReal) return [divides ? sums.map((sum) => sum / summedCount(view)) : sums];
      const scaling = scalingOf(view);
      const [low, high] = rangeOfType(dtype);
      const channels = shape.at(-1) ?? 1;
      const results = allocate(dtype, sums.length) as Int8Array | Int16Array;
      return [
        results.map((_, i) =>
          clamp(scaled(sums[i] as number, scaling, i % channels < scaling.halvesUp), low, high),
        ),
      ];
    },
    macs: () => 0,
    range(view, [input]) {
      const scaling = scalingOf(view);
      const [low, high] = rangeOfType(outputOf(view).dtype);
      const count = summedCount(view);
      const known = takenBounds(outputOf(view), input as ChannelBounds, keepsChannels(view));
      return [
        mapBounds(known, (x, channel) =>
          clamp(scaled(count * x, scaling, channel < scaling.halvesUp), low, high),
        ),
      ];
    },
    axes: (view) => reducedAxes(inputOf(view, 0), view.attrs.axes, view.attrs.keepDims),
    inPlace: () => [],
    scalingOf,
    loopsOf: loops,
    divides,
  } satisfies SummingOp<A>;
}

export interface SummingOp<A extends ReductionAttrs = ReductionAttrs> extends OpDef<A> {
  scalingOf(view: NodeView<A>): Scaling;
  loopsOf(view: NodeView<A>): ReductionLoops;
  readonly divides: boolean;
}

/** The number of elements that are added for each output. */
export function summedCount(view: NodeView<ReductionAttrs>): number {
  const { shape } = inputOf(view, 0);
  return elementCount(view.attrs.axes.map((axis) => shape[axis] as number));
}

function scaled(sum: number, scaling: Scaling, halvesUp: boolean): number {
  const { sumOffset, multiplier, outOffset, real } = scaling;
  if (real !== undefined) {
    const { fround } = Math;
    const y = fround(fround(fround(sum) * real.scale) + real.bias);
    return roundHalfAwayFromZero(y) + outOffset;
  }
  const x = sum - sumOffset;
  const value =
    halvesUp && multiplier.shift < 0
      ? Math.floor(
          saturatingRoundingDoublingHighMul(x, multiplier.multiplier) * 2 ** multiplier.shift + 0.5,
        )
      : multiplyByQuantizedMultiplier(x, multiplier, 'double');
  return value + outOffset;
}

/** @throws BonsaiError where a sum may leave 32 bits */
function checkedScaling<A extends ReductionAttrs>(
  view: NodeView<A>,
  operator: Summing<A>,
): Scaling {
  const where = at(view.node);
  const input = perTensor(inputOf(view, 0), where);
  const output = perTensor(outputOf(view), where);
  const count = summedCount(view);
  if (count >= 2 ** 23) {
    const message = `adds ${count} elements, whose sum may not fit an int32`;
    throw new BonsaiError('too-large', where, message, 'reduce in two steps');
  }
  const [low, high] = rangeOfType(outputOf(view).dtype);
  const scaling = operator.scaling(view, input, output, count);
  // |sum − sumOffset| ≤ 255 · count has to stay an int32 after the left shift; 65535 · count of int16.
  if ((high - low) * count * 2 ** Math.max(0, scaling.multiplier.shift) >= 2 ** 31) {
    const ratio = (input.scale / output.scale).toPrecision(3);
    throw badRatio(view, `the input's scale is ${ratio} times the output's`);
  }
  return scaling;
}

/** Sums over `axes`, in the order of the output's elements. */
function sumOver(
  data: TensorData,
  shape: Shape,
  axes: readonly number[],
  isReal: boolean,
): Float32Array | Float64Array {
  const kept = shape.map((extent, i) => (axes.includes(i) ? 1 : extent));
  // Each store to an array of float32 rounds.
  const sums = new (isReal ? Float32Array : Float64Array)(elementCount(kept));
  placesIn(shape, axes).forEach((place, j) => {
    sums[place] = (sums[place] as number) + Number(data[j]);
  });
  return sums;
}
