/** prelu (PRELU): x where x ≥ 0, alpha · x below, with an alpha for each channel or element. */
import { at, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic/arithmetic.js';
import { binary } from './arithmetic/binary.js';
import {
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import { badRatio } from './arithmetic/rescale.js';
import { inputOf, outputOf } from './shape/operands.js';

/** Input 1 is alpha. Both runtimes give the same bits: TFLM's reference/prelu.h is desktop's. */
export interface PreluAttrs extends BinaryAttrs {}

export const prelu = binary<PreluAttrs>('prelu', leak, {
  // TFLM has no kernel of int16.
  quantized: ['int8'],
  hasActivation: false,
  plain: { float32: (x, alpha) => (x >= 0 ? x : x * alpha) },
}) satisfies OpDef<PreluAttrs>;

/** The arithmetic of one node. */
export function leak(view: NodeView<PreluAttrs>): Arithmetic {
  const where = at(view.node);
  const a = perTensor(inputOf(view, 0), where);
  const b = perTensor(inputOf(view, 1), where);
  const output = perTensor(outputOf(view), where);
  const { fround } = Math;
  const ratio = fround(a.scale) / fround(output.scale);
  const leakRatio = (fround(a.scale) * fround(b.scale)) / fround(output.scale);
  const [identity, slope] = [quantizeMultiplier(ratio), quantizeMultiplier(leakRatio)];
  // |x| ≤ 255 and |x · alpha| ≤ 255² < 2^16 have to stay int32 after the left shift.
  if (identity.shift > 22 || slope.shift > 15) {
    throw badRatio(view, `the input's scale is ${ratio.toPrecision(3)} times the output's`);
  }
  return {
    combine(x, alpha) {
      const value = x - a.zeroPoint;
      const scaled =
        value >= 0
          ? multiplyByQuantizedMultiplier(value, identity, 'double')
          : multiplyByQuantizedMultiplier(value * (alpha - b.zeroPoint), slope, 'double');
      return scaled + output.zeroPoint;
    },
    bends: [a.zeroPoint - 1, a.zeroPoint],
    numbers: {
      a_zero_point: a.zeroPoint,
      b_zero_point: b.zeroPoint,
      out_zero_point: output.zeroPoint,
      multiplier: identity.multiplier,
      shift: identity.shift,
      slope_multiplier: slope.multiplier,
      slope_shift: slope.shift,
    },
  };
}
