/** mean (MEAN): the average over any dimensions. */
import { BonsaiError } from '../errors.js';
import { rangeOfType } from '../ir/dtypes.js';
import {
  allocate,
  at,
  type DType,
  elementCount,
  type NodeView,
  type Shape,
  type TensorData,
} from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { boundsOf, channelCount, hullOf, mapBounds, rangeAt, tieOf } from './arithmetic/bounds.js';
import {
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
  saturatingRoundingDoublingHighMul,
} from './arithmetic/quant.js';
import { badRatio } from './arithmetic/rescale.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';
import {
  keepsChannels,
  placesIn,
  type ReductionAttrs,
  type ReductionLoops,
  reducedShape,
  reductionLoopsOf,
} from './shape/reduction.js';

export interface MeanAttrs extends ReductionAttrs {
  /**
   * 'general': the zero point is subtracted from the sum, and the multiplier is the scales' ratio
   * divided by the count in integer arithmetic. 'spatial': the zero point is scaled and rounded
   * separately, the multiplier comes from float32 arithmetic, and channels in whole groups of 16 (a
   * vector) round halves up.
   *
   * tflm: always 'general'. tflite: 'spatial' if the input has 4 dimensions, keepDims is set and
   * the axes tensor holds exactly [1, 2] or [2, 1] (negative or repeated axes do not count), else
   * 'general'.
   */
  readonly algorithm: 'general' | 'spatial';
}

/** Types of inputs and outputs: one for both of a node. */
export const meanTypes: readonly DType[] = ['int8', 'int16'];

export const mean = {
  name: 'mean',
  types: meanTypes,
  infer: (view) => [reducedShape(view)],
  check(view) {
    requireOneType(view, meanTypes);
    meanLoopsOf(view);
    scalingOf(view);
  },
  evaluate(view, [input]) {
    const scaling = scalingOf(view);
    const { shape } = inputOf(view, 0);
    const sums = sumOver(input as TensorData, shape, view.attrs.axes);
    const channels = shape.at(-1) ?? 1;
    const results = allocate(outputOf(view).dtype, sums.length) as Int8Array | Int16Array;
    return [
      results.map((_, i) => scaled(sums[i] as number, scaling, i % channels < scaling.halvesUp)),
    ];
  },
  macs: () => 0,
  range(view, [input]) {
    const { axes } = view.attrs;
    const { shape } = inputOf(view, 0);
    const scaling = scalingOf(view);
    const count = elementCount(axes.map((axis) => shape[axis] as number));
    const bounds = input as ChannelBounds;
    // If the channels are averaged, the output's last axis is another axis of the input.
    const isKept = keepsChannels(view);
    const known = boundsOf(channelCount(outputOf(view)), (channel) =>
      isKept ? rangeAt(bounds, channel) : hullOf(bounds),
    );
    return [
      mapBounds(known, (x, channel) => scaled(count * x, scaling, channel < scaling.halvesUp)),
    ];
  },
  // 'spatial' rounds a channel by its position.
  channels: (view) =>
    keepsChannels(view) && view.attrs.algorithm === 'general'
      ? { kind: 'tied', ties: [tieOf(0)] }
      : null,
  inPlace: () => [],
} satisfies OpDef<MeanAttrs>;

/** output = clamp((sum − sumOffset) · multiplier + outOffset) */
export interface Scaling {
  readonly sumOffset: number;
  readonly multiplier: Multiplier;
  readonly outOffset: number;
  /** The first `halvesUp` channels round halves up in the shift, the others away from zero. */
  readonly halvesUp: number;
  readonly low: number;
  readonly high: number;
}

function scaled(sum: number, scaling: Scaling, halvesUp: boolean): number {
  const { sumOffset, multiplier, outOffset } = scaling;
  const x = sum - sumOffset;
  const value =
    halvesUp && multiplier.shift < 0
      ? Math.floor(
          saturatingRoundingDoublingHighMul(x, multiplier.multiplier) * 2 ** multiplier.shift + 0.5,
        )
      : multiplyByQuantizedMultiplier(x, multiplier, 'double');
  return clamp(value + outOffset, scaling.low, scaling.high);
}

export function scalingOf(view: NodeView<MeanAttrs>): Scaling {
  const where = at(view.node);
  const input = perTensor(inputOf(view, 0), where);
  const output = perTensor(outputOf(view), where);
  const { shape } = inputOf(view, 0);
  const count = elementCount(view.attrs.axes.map((axis) => shape[axis] as number));
  if (count >= 2 ** 23) {
    const message = `averages ${count} elements, whose sum may not fit an int32`;
    throw new BonsaiError('too-large', where, message, 'average in two steps');
  }
  const channels = shape.at(-1) ?? 1;
  const { dtype } = outputOf(view);
  // Desktop TFLite's vector code is for int8.
  const algorithm = dtype === 'int8' ? view.attrs.algorithm : 'general';
  const [low, high] = rangeOfType(dtype);
  const scaling = { ...{ general, spatial }[algorithm](input, output, count, channels), low, high };
  // |sum − sumOffset| ≤ 255 · count has to stay an int32 after the left shift; 65535 · count of int16.
  if ((high - low) * count * 2 ** Math.max(0, scaling.multiplier.shift) >= 2 ** 31) {
    const ratio = (input.scale / output.scale).toPrecision(3);
    throw badRatio(view, `the input's scale is ${ratio} times the output's`);
  }
  return scaling;
}

interface PerTensor {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** reference_ops::QuantizedMeanOrSum of kernels/internal/reference/reduce.h. */
function general(
  input: PerTensor,
  output: PerTensor,
  count: number,
): Omit<Scaling, 'low' | 'high'> {
  const ratio = Math.fround(input.scale) / Math.fround(output.scale);
  const { multiplier, shift } = quantizeMultiplier(ratio);
  // The count's magnitude moves to the shift, so that the multiplier keeps its precision.
  const bits = Math.min(31 - Math.clz32(count), 31 + shift);
  const share = multiplier * 2 ** bits;
  return {
    sumOffset: input.zeroPoint * count,
    // Without the remainder the quotient is exact in a double; a share of more than 53 bits is not.
    multiplier: { multiplier: (share - (share % count)) / count, shift: shift - bits },
    outOffset: output.zeroPoint,
    halvesUp: 0,
  };
}

/** optimized_integer_ops::Mean of kernels/internal/optimized/integer_ops/mean.h. */
function spatial(
  input: PerTensor,
  output: PerTensor,
  count: number,
  channels: number,
): Omit<Scaling, 'low' | 'high'> {
  const { fround } = Math;
  const inputScale = fround(input.scale);
  const outputScale = fround(output.scale);
  const share = fround(fround(input.zeroPoint * inputScale) / outputScale);
  const rounded = Math.trunc(fround(share + (share > 0 ? 0.5 : -0.5)));
  return {
    sumOffset: 0,
    multiplier: quantizeMultiplier(fround(inputScale / fround(count * outputScale))),
    outOffset: output.zeroPoint - rounded,
    // TFLite's vector code rounds with vrshl, its scalar remainder with a rounding shift.
    halvesUp: channels - (channels % 16),
  };
}

/** Sums over `axes`, in the order of the output's elements. */
function sumOver(data: TensorData, shape: Shape, axes: readonly number[]): Float64Array {
  const kept = shape.map((extent, i) => (axes.includes(i) ? 1 : extent));
  const sums = new Float64Array(elementCount(kept));
  placesIn(shape, axes).forEach((place, j) => {
    sums[place] = (sums[place] as number) + Number(data[j]);
  });
  return sums;
}

/** Loops over kept and averaged dimensions, outermost first; neighbours of a kind are merged. */
export function meanLoopsOf(view: NodeView<MeanAttrs>): ReductionLoops {
  if (view.attrs.algorithm !== 'spatial') return reductionLoopsOf(view);
  // Never merged, since the kernel needs the channel index for its rounding.
  const [batches = 1, height = 1, width = 1, channels = 1] = inputOf(view, 0).shape;
  const image = height * width * channels;
  return {
    kept: [
      { extent: batches, stride: image },
      { extent: channels, stride: 1 },
    ],
    reduced: [{ extent: height * width, stride: channels }],
  };
}
