/** reduce_sum (SUM): the sum over any dimensions. */
import { quantizeMultiplier } from './arithmetic/quant.js';
import { type ReductionAttrs, reductionLoopsOf } from './shape/reduction.js';
import { summing } from './shape/sums.js';

/** reference_ops::QuantizedMeanOrSum of kernels/internal/reference/reduce.h. */
export const reduceSum = summing<ReductionAttrs>({
  name: 'reduce_sum',
  divides: false,
  loops: reductionLoopsOf,
  scaling: (_, input, output, count) => ({
    sumOffset: input.zeroPoint * count,
    multiplier: quantizeMultiplier(Math.fround(input.scale) / Math.fround(output.scale)),
    outOffset: output.zeroPoint,
    halvesUp: 0,
  }),
});
