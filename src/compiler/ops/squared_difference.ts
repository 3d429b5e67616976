/** squared_difference (SQUARED_DIFFERENCE): (a − b)² with broadcasting. */
import { at, type DType, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic/arithmetic.js';
import {
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import { badRatio, requireSymmetric } from './arithmetic/rescale.js';
import { pair } from './scalar.js';
import { inputOf, outputOf } from './shape/operands.js';

/** Both runtimes give the same bits; desktop TFLite has no kernel of int16. */
export interface SquaredDifferenceAttrs extends BinaryAttrs {}

export const squaredDifference = pair<SquaredDifferenceAttrs>('squared_difference', difference, {
  isMonotonic: false,
}) satisfies OpDef<SquaredDifferenceAttrs>;

/**
 * Operands are scaled by 2^7 first, and then by at most 1/2: |a − b| ≤ 255 · 2^7. Those of int16 by 1/2
 * alone: |a − b| ≤ 2^15.
 */
const leftShifts: Partial<Record<DType, number>> = { int8: 7, int16: 0 };

/** The arithmetic of one node (kernels/squared_difference.cc of both runtimes). */
export function difference(view: NodeView<SquaredDifferenceAttrs>): Arithmetic {
  const where = at(view.node);
  const a = perTensor(inputOf(view, 0), where);
  const b = perTensor(inputOf(view, 1), where);
  const output = perTensor(outputOf(view), where);
  requireSymmetric(view);
  const leftShift = leftShifts[outputOf(view).dtype] ?? 0;
  const { fround } = Math;
  const common = 2 * Math.max(fround(a.scale), fround(b.scale));
  const ofA = quantizeMultiplier(fround(a.scale) / common);
  const ofB = quantizeMultiplier(fround(b.scale) / common);
  const real = (common * common) / fround(2 ** (2 * leftShift) * fround(output.scale));
  const ofOutput = quantizeMultiplier(real);
  if (ofOutput.shift > 0) {
    throw badRatio(view, `the scale of its squares is ${real.toPrecision(3)} times the output's`);
  }
  const scaled = (q: number, zeroPoint: number, multiplier: Multiplier) =>
    multiplyByQuantizedMultiplier((q - zeroPoint) * 2 ** leftShift, multiplier, 'double');
  return {
    combine(x, y) {
      const distance = scaled(x, a.zeroPoint, ofA) - scaled(y, b.zeroPoint, ofB);
      return multiplyByQuantizedMultiplier(distance ** 2, ofOutput, 'double') + output.zeroPoint;
    },
    numbers: {
      a_zero_point: a.zeroPoint,
      a_multiplier: ofA.multiplier,
      a_shift: ofA.shift,
      b_zero_point: b.zeroPoint,
      b_multiplier: ofB.multiplier,
      b_shift: ofB.shift,
      out_zero_point: output.zeroPoint,
      out_multiplier: ofOutput.multiplier,
      out_shift: ofOutput.shift,
    },
  };
}
