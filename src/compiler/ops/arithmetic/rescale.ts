/** Arithmetic shared by operators that change the scale and zero point of single elements. */
import { BonsaiError } from '../../../errors.js';
import { at, type NodeView } from '../../ir/graph.js';
import { inputOf, outputOf } from '../shape/operands.js';
import {
  perTensor,
  quantizeMultiplier,
  roundHalfToEven,
  roundingDivideByPot,
  saturatingRoundingDoublingHighMul,
} from './quant.js';

/** Scales as the runtimes hold them: float32. */
export interface ElementQuant {
  readonly inputScale: number;
  readonly inputZeroPoint: number;
  readonly outputScale: number;
  readonly outputZeroPoint: number;
}

/** @throws BonsaiError 'bad-quantization' when input or output is not quantized per tensor */
export function elementQuant(view: NodeView<object>): ElementQuant {
  const input = perTensor(inputOf(view, 0), at(view.node));
  const output = perTensor(outputOf(view), at(view.node));
  return {
    inputScale: Math.fround(input.scale),
    inputZeroPoint: input.zeroPoint,
    outputScale: Math.fround(output.scale),
    outputZeroPoint: output.zeroPoint,
  };
}

/** Of operators that take the ratio of two scales. */
export interface RatioAttrs {
  /**
   * The precision in which scales are divided: it decides results close to a tie.
   * double: TFLM (rounding 'tflm'), the default. single: in float32 (desktop TFLite, rounding 'tflite').
   */
  readonly ratios?: 'double' | 'single';
}

/** Rounds each product and quotient of scales. */
export function ratioRounding({ ratios }: RatioAttrs): (value: number) => number {
  return ratios === 'single' ? Math.fround : (value) => value;
}

/** Steps of the output in a step of the input. */
export function elementRatio(view: NodeView<RatioAttrs>): number {
  const { inputScale, outputScale } = elementQuant(view);
  return ratioRounding(view.attrs)(inputScale / outputScale);
}

/**
 * x · real in fixed point with two roundings, for |x| ≤ 255 (65535 of int16 inputs): the high half of the product with
 * halves rounded up, then a rounding right shift. Both runtimes round single elements so; only the
 * matrix products of desktop TFLite use one rounding.
 *
 * @param divide the rounding right shift; by default halves round away from zero
 * @throws BonsaiError 'bad-quantization' where x · 2^shift would leave int32
 */
export function rescaler(
  view: NodeView<object>,
  real: number,
  divide: (x: number, exponent: number) => number = roundingDivideByPot,
): (x: number) => number {
  const { multiplier, shift } = quantizeMultiplier(real);
  if (shift > (inputOf(view, 0).dtype === 'int8' ? 23 : 15)) {
    throw badRatio(view, `the input's scale is ${real.toPrecision(3)} times the output's`);
  }
  const left = 2 ** Math.max(shift, 0);
  const right = Math.max(-shift, 0);
  return (x) => divide(saturatingRoundingDoublingHighMul(x * left, multiplier), right);
}

/**
 * x · real as XNNPACK computes it (src/qs8-vcvt, src/qs8-vlrelu): a factor with 8 fraction bits,
 * halves up. |x| ≤ 255, |real| ≤ 2^7.
 */
export function sixteenBitRescaler(real: number): (x: number) => number {
  const factor = roundHalfToEven(256 * real);
  return (x) => Math.floor((x * factor + 128) / 256);
}

/**
 * Refuses int16 with a zero point that is not 0, as both runtimes do.
 *
 * @throws BonsaiError 'bad-quantization'
 */
export function requireSymmetric(view: NodeView<object>): void {
  const { node, inputs, outputs } = view;
  const other = [...inputs, ...outputs].find(
    (tensor) => tensor?.dtype === 'int16' && perTensor(tensor, at(node)).zeroPoint !== 0,
  );
  if (other != null) {
    throw badRatio(
      view,
      `tensor "${other.name}" has a zero point that is not 0, as that of int16 must be`,
    );
  }
}

export function badRatio(view: NodeView<object>, message: string): BonsaiError {
  return new BonsaiError('bad-quantization', at(view.node), message, 'quantize the model again');
}
