/** reduce_sum (SUM): the sum over any dimensions. */
import { quantizeMultiplier } from './arithmetic/quant.js';
import { type ReductionAttrs, reductionLoopsOf } from './shape/reduction.js';
import { offsetFloat, summing } from './shape/sums.js';

export interface ReduceSumAttrs extends ReductionAttrs {
  /**
   * tflm: 'fixed', reference_ops::QuantizedMeanOrSum (kernels/internal/reference/reduce.h). tflite:
   * 'float', the same function of optimized_ops, which scales in float32. xnnpack: 'offsetFloat'
   * (shape/sums.ts).
   */
  readonly algorithm: 'fixed' | 'float' | 'offsetFloat';
}

export const reduceSum = summing<ReduceSumAttrs>({
  name: 'reduce_sum',
  divides: false,
  loops: reductionLoopsOf,
  scaling({ attrs }, input, output, count) {
    if (attrs.algorithm === 'offsetFloat') return offsetFloat(input, output, count, 1);
    const { fround } = Math;
    const [inputScale, outputScale] = [fround(input.scale), fround(output.scale)];
    const scale = fround(inputScale / outputScale);
    const bias = fround(fround(-input.zeroPoint * scale) * count);
    return {
      sumOffset: input.zeroPoint * count,
      multiplier: quantizeMultiplier(inputScale / outputScale),
      outOffset: output.zeroPoint,
      halvesUp: 0,
      ...(attrs.algorithm === 'float' ? { real: { scale, bias } } : {}),
    };
  },
});
