/** mean (MEAN): the average over any dimensions. */
import type { NodeView } from '../ir/graph.js';
import { quantizeMultiplier } from './arithmetic/quant.js';
import { inputOf, outputOf } from './shape/operands.js';
import { type ReductionAttrs, type ReductionLoops, reductionLoopsOf } from './shape/reduction.js';
import {
  offsetFloat,
  type PerTensor,
  type Scaling,
  type SummingOp,
  summing,
} from './shape/sums.js';

export interface MeanAttrs extends ReductionAttrs {
  /**
   * 'general': the zero point is subtracted from the sum, and the multiplier is the scales' ratio
   * divided by the count in integer arithmetic. 'spatial': the zero point is scaled and rounded
   * separately, the multiplier comes from float32 arithmetic, and channels in whole groups of 16 (a
   * vector) round halves up.
   *
   * tflm: always 'general'. tflite: 'spatial' if the input has 4 dimensions, keepDims is set and
   * the axes tensor holds exactly [1, 2] or [2, 1] (negative or repeated axes do not count), else
   * 'general'. xnnpack: 'offsetFloat' (shape/sums.ts).
   */
  readonly algorithm: 'general' | 'spatial' | 'offsetFloat';
}

const sums = summing<MeanAttrs>({
  name: 'mean',
  divides: true,
  loops: meanLoopsOf,
  scaling(view, input, output, count) {
    if (view.attrs.algorithm === 'offsetFloat') {
      return offsetFloat(input, output, count, Math.fround(1 / count));
    }
    const channels = inputOf(view, 0).shape.at(-1) ?? 1;
    return isSpatial(view)
      ? spatial(input, output, count, channels)
      : general(input, output, count);
  },
});

export const mean = {
  ...sums,
  // 'spatial' rounds a channel by its position.
  axes(view) {
    const axes = sums.axes(view);
    return isSpatial(view) ? axes.slice(0, -1) : axes;
  },
} satisfies SummingOp<MeanAttrs>;

/** Desktop TFLite's vector code is for int8. */
function isSpatial(view: NodeView<MeanAttrs>): boolean {
  return outputOf(view).dtype === 'int8' && view.attrs.algorithm === 'spatial';
}

/** reference_ops::QuantizedMeanOrSum of kernels/internal/reference/reduce.h. */
function general(input: PerTensor, output: PerTensor, count: number): Scaling {
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
function spatial(input: PerTensor, output: PerTensor, count: number, channels: number): Scaling {
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

/** Loops over kept and averaged dimensions, outermost first; neighbours of a kind are merged. */
function meanLoopsOf(view: NodeView<MeanAttrs>): ReductionLoops {
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
