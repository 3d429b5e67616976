/** rsqrt (RSQRT): 1 / √x. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { sqrt } from './arithmetic/float32.js';
import { inverseSqrt } from './arithmetic/inverse-sqrt.js';
import { elementwise, type Scalar } from './arithmetic/lookup.js';
import { clamp, multiplyByQuantizedMultiplier, quantizeMultiplier } from './arithmetic/quant.js';
import { badRatio, elementQuant } from './arithmetic/rescale.js';

/** Both runtimes give the same bits. */
export type RsqrtAttrs = Readonly<Record<string, never>>;

export const rsqrt = elementwise<RsqrtAttrs>(
  'rsqrt',
  scalarOf,
  ['int8'],
  () => (x) => 1 / sqrt(x),
) satisfies OpDef<RsqrtAttrs>;

/** Fraction bits of 1 / √x as an integer. */
const fractionBits = 20;

/**
 * Zero gives the largest output. So does a negative x, for which the runtimes end with an error.
 */
function scalarOf(view: NodeView<RsqrtAttrs>): Scalar {
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const root = Math.fround(Math.sqrt(inputScale));
  const real = 1 / Math.fround(root * outputScale);
  // Below 2^30 the shift to the left is at most 10, and 1 / √x at most 2^20: their product is an
  // int32. It wraps in the runtimes beyond.
  if (!(real < 2 ** 30)) {
    throw badRatio(view, `scales ${inputScale} to ${outputScale} are too far apart`);
  }
  const { multiplier, shift } = quantizeMultiplier(real);
  const rescale = { multiplier, shift: shift - fractionBits };
  return (q) => {
    const x = q - inputZeroPoint;
    if (x <= 0) return 127;
    const inverse = inverseSqrt(x);
    const fine = { multiplier: inverse.multiplier, shift: inverse.shift + fractionBits };
    const value = multiplyByQuantizedMultiplier(1, fine, 'double');
    const scaled = multiplyByQuantizedMultiplier(value, rescale, 'double');
    return clamp(scaled + outputZeroPoint, -128, 127);
  };
}
