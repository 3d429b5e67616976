/** softmax (SOFTMAX): exp(beta · x) / Σ exp(beta · x) along the last dimension. */
import { BonsaiError } from '../errors.js';
import { at, type DType, elementCount, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { expOnNegativeValues, oneOverOnePlus } from './arithmetic/fixed-point.js';
import {
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
  roundingDivideByPot,
  saturatingRoundingDoublingHighMul,
} from './arithmetic/quant.js';
import { checkWideSoftmax, differenceMultiplier, wideSoftmaxRow } from './arithmetic/softmax16.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';

export interface SoftmaxAttrs {
  /** A float32 above 0. */
  readonly beta: number;
  /**
   * Of int8. 'fixed' (tflm): 32-bit fixed point. 'table' (tflite): a float32 table of exponentials, summed
   * in float32.
   */
  readonly algorithm: 'fixed' | 'table';
}

/** Types of inputs and outputs: one for both of a node. */
const softmaxTypes: readonly DType[] = ['int8', 'int16'];

export const softmax = {
  name: 'softmax',
  types: softmaxTypes,
  infer: (view) => [inputOf(view, 0).shape],
  check(view) {
    const type = requireOneType(view, softmaxTypes);
    const { depth } = softmaxRows(view);
    if (type === 'int16') return checkWideSoftmax(view, view.attrs.beta, depth);
    requireOutputQuant(view);
    // The sum of exponentials has 12 integer bits.
    if (view.attrs.algorithm === 'fixed' && depth > 4095) {
      throw new BonsaiError(
        'unsupported-attribute',
        at(view.node),
        `rows of ${depth} elements overflow TFLM's sum of exponentials`,
        "use at most 4095, or '--rounding tflite'",
      );
    }
    const step = Math.fround(view.attrs.beta) * inputScale(view);
    if (!(step * 2 ** fractionalBits > 1 && Number.isFinite(step))) {
      throw new BonsaiError(
        'unsupported-attribute',
        at(view.node),
        `beta · scale is ${step}, must be finite and above 2^-${fractionalBits}`,
        'quantize the model again',
      );
    }
  },
  evaluate(view, [input]) {
    const { rows, depth } = softmaxRows(view);
    if (outputOf(view).dtype === 'int16') return [wideRows(view, input as Int16Array, depth)];
    const normalize = view.attrs.algorithm === 'fixed' ? fixedRow(view) : tableRow(view);
    const result = new Int8Array(rows * depth);
    for (let row = 0; row < rows; row++) {
      const elements = (input as Int8Array).subarray(row * depth, (row + 1) * depth);
      const largest = elements.reduce((most, x) => Math.max(most, x), -128);
      result.set(normalize(Array.from(elements, (x) => largest - x)), row * depth);
    }
    return [result];
  },
  macs: () => 0,
  inPlace: () => [],
} satisfies OpDef<SoftmaxAttrs>;

function wideRows(view: NodeView<SoftmaxAttrs>, input: Int16Array, depth: number): Int16Array {
  const multiplier = differenceMultiplier(view, view.attrs.beta);
  const result = new Int16Array(input.length);
  for (let first = 0; first < input.length; first += depth) {
    result.set(wideSoftmaxRow(input.subarray(first, first + depth), multiplier), first);
  }
  return result;
}

function inputScale(view: NodeView<SoftmaxAttrs>): number {
  return Math.fround(perTensor(inputOf(view, 0), at(view.node)).scale);
}

export function softmaxRows(view: NodeView<SoftmaxAttrs>): { rows: number; depth: number } {
  const { shape } = inputOf(view, 0);
  return { rows: elementCount(shape.slice(0, -1)), depth: shape.at(-1) ?? 1 };
}

/** Both runtimes require scale 1/256 and zero point −128. */
function requireOutputQuant(view: NodeView<SoftmaxAttrs>): void {
  const { scale, zeroPoint } = perTensor(outputOf(view), at(view.node));
  if (scale === 1 / 256 && zeroPoint === -128) return;
  throw new BonsaiError(
    'bad-quantization',
    at(view.node),
    `its output has scale ${scale} and zero point ${zeroPoint}, must have 1/256 and -128`,
    'quantize the model again',
  );
}

/** Maps a row of differences from the row's largest element, each 0 to 255, to a row of outputs. */
type Normalize = (differences: readonly number[]) => readonly number[];

/** Scaled differences are Q5.26. */
const integerBits = 5;
const fractionalBits = 31 - integerBits;

/** exp(−difference · beta · scale) in Q0.31 for the 256 differences; 0 where TFLM drops them. */
export function fixedExponentials(view: NodeView<SoftmaxAttrs>): readonly number[] {
  const real = Math.fround(view.attrs.beta) * inputScale(view) * 2 ** fractionalBits;
  const multiplier = quantizeMultiplier(Math.min(real, 2 ** 31 - 1));
  const most = Math.floor(((2 ** integerBits - 1) * 2 ** fractionalBits) / 2 ** multiplier.shift);
  return Array.from({ length: 256 }, (_, difference) =>
    difference > most
      ? 0
      : expOnNegativeValues(
          multiplyByQuantizedMultiplier(-difference, multiplier, 'double'),
          integerBits,
        ),
  );
}

/** reference_ops::Softmax of kernels/internal/reference/softmax.h. */
function fixedRow(view: NodeView<SoftmaxAttrs>): Normalize {
  const exponentials = fixedExponentials(view);
  return (differences) => {
    const exps = differences.map((difference) => exponentials[difference] as number);
    // Q12.19
    const sum = exps.reduce((total, exp) => total + roundingDivideByPot(exp, 12), 0);
    const leadingZeros = Math.clz32(sum);
    const reciprocal = oneOverOnePlus(sum * 2 ** leadingZeros - 2 ** 31);
    // Beyond 31 TFLM aborts; every probability is below 1/512 there.
    const exponent = 23 + 12 - leadingZeros;
    return exps.map((exp) => {
      if (exponent > 31) return -128;
      const product = saturatingRoundingDoublingHighMul(reciprocal, exp);
      return Math.min(roundingDivideByPot(product, exponent) - 128, 127);
    });
  };
}

export function tableExponentials(view: NodeView<SoftmaxAttrs>): Float32Array {
  const { fround } = Math;
  const step = fround(-inputScale(view) * fround(view.attrs.beta));
  return Float32Array.from({ length: 256 }, (_, difference) => Math.exp(fround(step * difference)));
}

/** optimized_ops::Softmax of kernels/internal/optimized/optimized_ops.h. */
function tableRow(view: NodeView<SoftmaxAttrs>): Normalize {
  const exponentials = tableExponentials(view);
  const { fround } = Math;
  return (differences) => {
    const exps = differences.map((difference) => exponentials[difference] as number);
    const sum = exps.reduce((total, exp) => fround(total + exp), 0);
    const scale = fround(1 / fround(sum / 256));
    return exps.map((exp) => Math.min(Math.floor(fround(exp * scale) + 0.5) - 128, 127));
  };
}
