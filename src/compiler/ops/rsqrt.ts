/** rsqrt (RSQRT): 1 / √x. */
import { rangeOfType } from '../ir/dtypes.js';
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { inverseSqrt } from './arithmetic/inverse-sqrt.js';
import { lineAt } from './arithmetic/line-table.js';
import type { Scalar } from './arithmetic/lookup.js';
import {
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import { badRatio, elementQuant, requireSymmetric } from './arithmetic/rescale.js';
import { lineTableOf, tabulatedTypes } from './arithmetic/tabulated.js';
import { unary } from './scalar.js';
import { outputOf } from './shape/operands.js';

/** Both runtimes give the same bits of int8 and float32. */
export interface RsqrtAttrs {
  /**
   * Of int16: lines between 513 values (desktop TFLite's, rounding 'tflite'). Default: as of int8
   * (TFLM's reference kernels, rounding 'tflm').
   */
  readonly algorithm?: 'table';
}

export const rsqrt = unary<RsqrtAttrs>(
  'rsqrt',
  scalarOf,
  tabulatedTypes,
) satisfies OpDef<RsqrtAttrs>;

/** Fraction bits of 1 / √x as an integer. */
export const fractionBits = 20;

/**
 * Zero gives the largest output. So does a negative x, for which the runtimes end with an error.
 */
function scalarOf(view: NodeView<RsqrtAttrs>): Scalar {
  if (outputOf(view).dtype === 'int16' && view.attrs.algorithm === 'table') {
    const table = rsqrtLines(view);
    return (q) => lineAt(q, table);
  }
  requireSymmetric(view);
  const rescale = rsqrtScale(view);
  const { inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const [low, high] = rangeOfType(outputOf(view).dtype);
  return (q) => {
    const x = q - inputZeroPoint;
    if (x <= 0) return high;
    const inverse = inverseSqrt(x);
    const fine = { multiplier: inverse.multiplier, shift: inverse.shift + fractionBits };
    const value = multiplyByQuantizedMultiplier(1, fine, 'double');
    const scaled = multiplyByQuantizedMultiplier(value, rescale, 'double');
    return clamp(scaled + outputZeroPoint, low, high);
  };
}

/** The table of an int16 node whose algorithm is 'table'. */
export function rsqrtLines(view: NodeView<RsqrtAttrs>): Int16Array {
  const { fround } = Math;
  const greatest = fround(32767 * elementQuant(view).outputScale);
  return lineTableOf(view, (x) => (x <= 0 ? greatest : fround(1 / fround(Math.sqrt(x)))));
}

/** What takes 1 / √x with `fractionBits` to the output. @throws BonsaiError 'bad-quantization' */
export function rsqrtScale(view: NodeView<RsqrtAttrs>): Multiplier {
  const { inputScale, outputScale } = elementQuant(view);
  const root = Math.fround(Math.sqrt(inputScale));
  const real = 1 / Math.fround(root * outputScale);
  // Below 2^30 the shift to the left is at most 10, and 1 / √x at most 2^20: their product is an
  // int32. It wraps in the runtimes beyond.
  if (!(real < 2 ** 30)) {
    throw badRatio(view, `scales ${inputScale} to ${outputScale} are too far apart`);
  }
  const { multiplier, shift } = quantizeMultiplier(real);
  return { multiplier, shift: shift - fractionBits };
}
