/**
 * Fixed-point arithmetic of quantized inference, bit for bit as TensorFlow Lite defines it.
 *
 * Sources: gemmlowp/fixedpoint/fixedpoint.h, tensorflow/lite/kernels/internal/common.h and
 * quantization_util.cc. Products of two int32 need 63 bits: they are computed in halves, since a
 * double holds integers exactly only up to 2^53.
 */
import { BonsaiError } from '../../../errors.js';
import { rangeOfType } from '../../ir/dtypes.js';
import type { Quant, Tensor } from '../../ir/graph.js';

/**
 * The rounding of a 64-bit product to 32 bits.
 * double: saturating rounding doubling high multiply, then a rounding shift (TFLM reference).
 * single: one rounding shift of the 64-bit product (TFLite without vector instructions).
 * upward: as double, but the shift rounds halves up: vqrdmulh and vrshl, or what stands for them on
 *   x86 (desktop TFLite's convolutions and dense layers: ruy, and optimized_ops for 8 channels each).
 * float: a product in float32, rounded to an integer, halves to even (XNNPACK, float-scale.ts). The
 *   multiplier is then the bits of a float32, and the shift 0.
 * nudged: one rounding shift to even, an offset added before (`Nudge`). The shift is `nudgeWord`.
 * bent: as upward, an offset of −1 added before the shift to what is below zero, which makes it double:
 *   of layers whose channels differ in that. The shift is `nudgeWord`; a left shift wraps.
 */
export type Rounding = 'double' | 'single' | 'upward' | 'float' | 'nudged' | 'bent';

/** real ≈ multiplier · 2^(shift − 31), multiplier in [2^30, 2^31). */
export interface Multiplier {
  readonly multiplier: number;
  /** Positive: left. */
  readonly shift: number;
}

/**
 * x · real ≈ (round(x · 2^left · multiplier / 2^31) + offset) / 2^right, halves to even; x · 2^left
 * saturates at ±2^30.
 */
export interface Nudge {
  /** 0 … 30. */
  readonly left: number;
  /** 0 … 31; nudged: 1 … 29. */
  readonly right: number;
  /** −2^15 … 2^15 − 1. */
  readonly offset: number;
}

/**
 * A nudge in one int32: its low byte is the left shift, the next the negated right shift, as vectors
 * shift by them, and the upper half the offset.
 */
export function nudgeWord({ left, right, offset }: Nudge): number {
  return offset * 65536 + (-right & 255) * 256 + left;
}

export function nudgeOfWord(word: number): Nudge {
  return { left: word & 255, right: -(word >> 8) & 255, offset: word >> 16 };
}

/** A multiplier of the rounding 'bent'. @param isDouble whether halves below zero go down */
export function bentMultiplier({ multiplier, shift }: Multiplier, isDouble: boolean): Multiplier {
  const [left, right] = [Math.max(shift, 0), Math.max(-shift, 0)];
  return { multiplier, shift: nudgeWord({ left, right, offset: isDouble ? -1 : 0 }) };
}

/** QuantizeMultiplier of quantization_util.cc. `real` ≥ 0, finite. */
export function quantizeMultiplier(real: number): Multiplier {
  if (real === 0) return { multiplier: 0, shift: 0 };
  let [fraction, shift] = frexp(real);
  let multiplier = roundHalfAwayFromZero(fraction * 2 ** 31);
  if (multiplier === 2 ** 31) {
    multiplier /= 2;
    shift += 1;
  }
  // Below 2^-31 every product rounds to zero; TFLite flushes to keep shifts in range.
  if (shift < -31) return { multiplier: 0, shift: 0 };
  // TFLite's single-rounding build caps the left shift here; its double-rounding build is
  // undefined.
  if (shift > 30) return { multiplier: 2 ** 31 - 1, shift: 30 };
  return { multiplier, shift };
}

/** value = fraction · 2^exponent, fraction in [0.5, 1). */
export function frexp(value: number): [fraction: number, exponent: number] {
  if (value === 0) return [0, 0];
  let exponent = Math.max(-1023, Math.floor(Math.log2(Math.abs(value))) + 1);
  let fraction = value * 2 ** -exponent;
  while (Math.abs(fraction) < 0.5) {
    fraction *= 2;
    exponent -= 1;
  }
  while (Math.abs(fraction) >= 1) {
    fraction /= 2;
    exponent += 1;
  }
  return [fraction, exponent];
}

/** C's round(): halves away from zero. */
export function roundHalfAwayFromZero(value: number): number {
  // Not floor(value + 0.5): that sum rounds up just below a half. value − whole is exact.
  const whole = Math.trunc(value);
  const rounded = Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
  return rounded + 0; // no negative zero
}

const int32Min = -(2 ** 31);
const int32Max = 2 ** 31 - 1;

function saturateToInt32(value: number): number {
  return clamp(value, int32Min, int32Max);
}

/**
 * floor((a·b + nudge) / 2^shift), exact.
 * |a| ≤ 2^33, b an int32, nudge < 2^62 and a multiple of 2^16, shift ≥ 16.
 */
export function multiplyShift(a: number, b: number, nudge: number, shift: number): number {
  // a·b = a·high·2^16 + a·low. No intermediate reaches 2^53, so every double here is an integer.
  const high = Math.floor(b / 65536);
  const low = b - high * 65536;
  const carried = Math.floor((a * low) / 65536);
  return Math.floor((a * high + carried + nudge / 65536) / 2 ** (shift - 16));
}

/** SaturatingRoundingDoublingHighMul: round(a·b / 2^31) of int32, a half rounded up. */
export function saturatingRoundingDoublingHighMul(a: number, b: number): number {
  if (a === int32Min && b === int32Min) return int32Max;
  // gemmlowp adds 2^30 (or 1 − 2^30 below zero) and divides truncating: for a negative product that
  // is ceil((ab + 1 − 2^30) / 2^31) = floor((ab + 2^30) / 2^31), the same as for a positive one.
  return multiplyShift(a, b, 2 ** 30, 31);
}

/** 2^exponent for exponent ≥ 0; faster than `**`, and called for every output. */
function powerOfTwo(exponent: number): number {
  return exponent < 31 ? 1 << exponent : 2 ** exponent;
}

/** RoundingDivideByPOT: x / 2^exponent, halves away from zero. */
export function roundingDivideByPot(x: number, exponent: number): number {
  const divisor = powerOfTwo(exponent);
  const shifted = Math.floor(x / divisor);
  const remainder = x - shifted * divisor;
  const threshold = Math.floor((divisor - 1) / 2) + (x < 0 ? 1 : 0);
  return shifted + (remainder > threshold ? 1 : 0);
}

/** x / 2^exponent, halves up. */
function shiftUpward(x: number, exponent: number): number {
  const divisor = powerOfTwo(exponent);
  return Math.floor((x + divisor / 2) / divisor);
}

/** C's lrintf() in its default mode: halves to even. */
export function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  const part = value - below;
  const rounded = part > 0.5 || (part === 0.5 && below % 2 !== 0) ? below + 1 : below;
  return rounded + 0; // no negative zero
}

const floatBits = new Float32Array(1);
const integerBits = new Int32Array(floatBits.buffer);

/** The float32 with these bits. */
export function floatOfBits(bits: number): number {
  integerBits[0] = bits;
  return floatBits[0] as number;
}

/**
 * The plainer rounding with the same bits: 'upward' and 'double' differ in halves below zero alone, for
 * which a ReLU gives zero.
 */
export function roundingBefore(activation: Activation, rounding: Rounding): Rounding {
  const isClamped = activation === 'relu' || activation === 'relu6';
  return rounding === 'upward' && isClamped ? 'double' : rounding;
}

/** MultiplyByQuantizedMultiplier: int32 x to int32 x·real, rounded as asked. */
export function multiplyByQuantizedMultiplier(
  x: number,
  { multiplier, shift }: Multiplier,
  rounding: Rounding,
): number {
  if (rounding === 'float') {
    const product = Math.fround(Math.fround(x) * floatOfBits(multiplier));
    return saturateToInt32(roundHalfToEven(product));
  }
  if (rounding === 'nudged') {
    const { left, right, offset } = nudgeOfWord(shift);
    const bounded = clamp(x * powerOfTwo(left), -(2 ** 30), 2 ** 30);
    const product = multiplyShift(bounded, multiplier, 2 ** 30, 31) + offset;
    return roundHalfToEven(product / powerOfTwo(right));
  }
  if (rounding === 'bent') {
    const { left, right, offset } = nudgeOfWord(shift);
    const high = saturatingRoundingDoublingHighMul((x * powerOfTwo(left)) | 0, multiplier);
    return shiftUpward(high + (high < 0 ? offset : 0), right);
  }
  const scaled = x * powerOfTwo(Math.max(shift, 0));
  const right = Math.max(-shift, 0);
  if (rounding === 'single') {
    // Results beyond int32 saturate, so clamping to 2^33 changes none and keeps the product exact.
    const bounded = clamp(scaled, -(2 ** 33), 2 ** 33);
    return saturateToInt32(multiplyShift(bounded, multiplier, 2 ** (30 + right), 31 + right));
  }
  // x·2^left wraps, as it does in TFLM.
  const high = saturatingRoundingDoublingHighMul(scaled | 0, multiplier);
  if (rounding === 'upward') return shiftUpward(high, right);
  return roundingDivideByPot(high, right);
}

/** MultiplyByQuantizedMultiplier of 64-bit accumulators: the multiplier in 15 bits, one rounding. */
export interface ReducedMultiplier {
  readonly multiplier: number;
  /** Right shift of the product, 8 to 46. */
  readonly shift: number;
}

/** The upper 15 bits, rounded, of a multiplier whose shift is 7 at most. */
export function reducedMultiplier({ multiplier, shift }: Multiplier): ReducedMultiplier {
  const reduced = multiplier < 0x7fff0000 ? Math.floor((multiplier + 2 ** 15) / 2 ** 16) : 0x7fff;
  return { multiplier: reduced, shift: 15 - shift };
}

/**
 * Whether sums of up to `reach` in magnitude, below 2^47, can be scaled by a reduced multiplier: TFLite
 * shifts left by 7 at most, and the result has 32 bits, however the multiplier is rounded.
 */
export function fitsReduced(reach: number, { multiplier, shift }: Multiplier): boolean {
  return shift < 8 && reach * multiplier * 2 ** (shift - 31) < 2 ** 30;
}

/** round(x · multiplier / 2^shift), halves up, for |x| < 2^47. */
export function multiplyReduced(x: number, { multiplier, shift }: ReducedMultiplier): number {
  // |x · multiplier| < 2^52: exact in a double, and so is the sum with half a unit.
  if (Math.abs(x) < 2 ** 37) return Math.floor((x * multiplier + 2 ** (shift - 1)) / 2 ** shift);
  const product = BigInt(x) * BigInt(multiplier) + (1n << BigInt(shift - 1));
  return Number(product >> BigInt(shift));
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

export const activations = ['none', 'relu', 'relu_n1_to_1', 'relu6', 'tanh', 'sign_bit'] as const;
export type Activation = (typeof activations)[number];
/** relu_0_to_1 is an operator, never fused. */
export type Clamp = Activation | 'relu_0_to_1';

/**
 * The range of the output's integers under a fused activation (CalculateActivationRangeQuantized;
 * tanh and sign_bit do not restrict it, as in TFLite).
 *
 * @param round the runtime's rounding of f / scale
 */
export function activationRange(
  activation: Clamp,
  output: Tensor,
  round: (value: number) => number = roundHalfAwayFromZero,
): readonly [min: number, max: number] {
  const { scale, zeroPoint } = perTensor(output, output.name);
  const [low, high] = rangeOfType(output.dtype);
  // kernel_util.cc Quantize(): zero point + round(f / scale), in float32.
  const quantized = (real: number) =>
    zeroPoint + round(Math.fround(Math.fround(real) / Math.fround(scale)));
  switch (activation) {
    case 'relu':
      return [Math.max(low, quantized(0)), high];
    case 'relu6':
      return [Math.max(low, quantized(0)), Math.min(high, quantized(6))];
    case 'relu_0_to_1':
      return [Math.max(low, quantized(0)), Math.min(high, quantized(1))];
    case 'relu_n1_to_1':
      return [Math.max(low, quantized(-1)), Math.min(high, quantized(1))];
    default:
      return [low, high];
  }
}

/**
 * Scale and zero point of a tensor quantized per tensor.
 * @throws BonsaiError 'bad-quantization' for no quantization or one per channel
 */
export function perTensor(
  tensor: Pick<Tensor, 'name' | 'quant'>,
  where: string,
): { scale: number; zeroPoint: number } {
  const scale = tensor.quant?.scales[0];
  const zeroPoint = tensor.quant?.zeroPoints[0];
  if (scale === undefined || zeroPoint === undefined || tensor.quant?.scales.length !== 1) {
    throw new BonsaiError(
      'bad-quantization',
      where,
      `tensor "${tensor.name}" needs one scale and one zero point`,
      'quantize the model fully to int8 (inference_input_type = inference_output_type = int8)',
    );
  }
  return { scale, zeroPoint };
}

/** Whether scales and zero points are equal, so that integers have the same value in both. */
export function sameQuant(a: Quant | null, b: Quant | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.scales.length === b.scales.length &&
    a.scales.every((scale, i) => scale === b.scales[i]) &&
    a.zeroPoints.every((zeroPoint, i) => zeroPoint === b.zeroPoints[i])
  );
}
