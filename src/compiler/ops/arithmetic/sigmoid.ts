/** Shared by logistic and tanh: the input's range and the two algorithms. */
import type { NodeView } from '../../ir/graph.js';
import type { Scalar } from './lookup.js';
import {
  clamp,
  frexp,
  multiplyByQuantizedMultiplier,
  roundHalfAwayFromZero,
  roundingDivideByPot,
} from './quant.js';
import { badRatio, type ElementQuant } from './rescale.js';

/**
 * fixed: gemmlowp's 32-bit fixed point (TFLM's reference kernels, rounding 'tflm').
 * float: a table computed in float32 (desktop TFLite's builtin kernels, rounding 'tflite').
 * offsetFloat: XNNPACK's table (rounding 'xnnpack').
 */
export type SigmoidAlgorithm = 'fixed' | 'float' | 'offsetFloat';

/** The input is converted to Q4: at ±16 both functions have reached their limits. */
const inputIntegerBits = 4;

/**
 * @param of            the function, from Q4 to Q0
 * @param fractionBits  fraction bits of the output, whose scale is 2^-fractionBits
 * @throws BonsaiError 'bad-quantization' when the input's scale is 16 or more
 */
export function fixedPointOf(
  view: NodeView<object>,
  quant: ElementQuant,
  of: (raw: number, integerBits: number) => number,
  fractionBits: number,
): Scalar {
  const [fraction, shift] = frexp(quant.inputScale * 2 ** (31 - inputIntegerBits));
  const multiplier = { multiplier: roundHalfAwayFromZero(fraction * 2 ** 31), shift };
  if (shift > 31 || shift < -31) {
    throw badRatio(view, `the input's scale ${quant.inputScale} is out of range`);
  }
  // Inputs whose Q4 would reach ±15 saturate (CalculateInputRadius).
  const radius = Math.floor((2 ** inputIntegerBits - 1) * 2 ** (31 - inputIntegerBits - shift));
  return (q) => {
    const x = q - quant.inputZeroPoint;
    if (x <= -radius) return -128;
    if (x >= radius) return 127;
    const raw = of(multiplyByQuantizedMultiplier(x, multiplier, 'double'), inputIntegerBits);
    return clamp(roundingDivideByPot(raw, 31 - fractionBits) + quant.outputZeroPoint, -128, 127);
  };
}

/**
 * The value in float32, with the operations by which desktop TFLite fills its table.
 * `of` must return a float32.
 */
export function floatTable(quant: ElementQuant, of: (x: number) => number): Scalar {
  const { fround } = Math;
  const inverseScale = fround(1 / quant.outputScale);
  return (q) => {
    const x = fround(quant.inputScale * (q - quant.inputZeroPoint));
    const rounded = roundHalfAwayFromZero(fround(of(x) * inverseScale));
    return clamp(rounded + quant.outputZeroPoint, -128, 127);
  };
}

/**
 * The same with the operations by which XNNPACK fills its table: the zero point is added in float32,
 * before the rounding, which is away from zero (src/reference/unary-elementwise.cc as LiteRT 2.3.0
 * and TensorFlow 2.21 have it; later versions round halves to even).
 */
export function offsetFloatTable(quant: ElementQuant, of: (x: number) => number): Scalar {
  const { fround } = Math;
  const inverseScale = fround(1 / fround(quant.outputScale));
  return (q) => {
    const x = fround(fround(quant.inputScale) * (q - quant.inputZeroPoint));
    const sum = fround(fround(of(x) * inverseScale) + quant.outputZeroPoint);
    return clamp(roundHalfAwayFromZero(sum), -128, 127);
  };
}
