/** softmax (SOFTMAX): exp(beta · x) / Σ exp(beta · x) along the last dimension. */
import type { DType, NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import {
  checkExponentials,
  fixedExponentials,
  largestReal,
  tableExponentials,
} from './arithmetic/exponentials.js';
import { oneOverOnePlus } from './arithmetic/fixed-point.js';
import { exp } from './arithmetic/float32.js';
import { roundingDivideByPot, saturatingRoundingDoublingHighMul } from './arithmetic/quant.js';
import { checkWideSoftmax, differenceMultiplier, wideSoftmaxRow } from './arithmetic/softmax16.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';
import { mapRows, requireRowQuant, rowsOf } from './shape/rows.js';

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
const softmaxTypes: readonly DType[] = ['int8', 'int16', 'float32'];

export const softmax = {
  name: 'softmax',
  types: softmaxTypes,
  infer: (view) => [inputOf(view, 0).shape],
  check(view) {
    const type = requireOneType(view, softmaxTypes);
    if (type === 'float32') return;
    if (type === 'int16') return checkWideSoftmax(view, view.attrs.beta, rowsOf(view).depth);
    requireRowQuant(view, { scale: 1 / 256, zeroPoint: -128 });
    checkExponentials(view, view.attrs.beta);
  },
  evaluate(view, [input]) {
    const { dtype } = outputOf(view);
    if (dtype === 'int16') return [wideRows(view, input as Int16Array, rowsOf(view).depth)];
    if (dtype === 'float32') return [mapRows(view, input as Float32Array, realRow(view))];
    const normalize = view.attrs.algorithm === 'fixed' ? fixedRow(view) : tableRow(view);
    return [
      mapRows(view, input as Int8Array, (row) => {
        const largest = Math.max(...row);
        return normalize(row.map((x) => largest - x));
      }),
    ];
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

/** Maps a row of differences from the row's largest element, each 0 to 255, to a row of outputs. */
type Normalize = (differences: readonly number[]) => readonly number[];

/**
 * reference_ops::Softmax of float in kernels/internal/reference/softmax.h, whose exponentials come
 * from the C library: here from float32.ts. Sums are taken in order, each rounded.
 */
function realRow(view: NodeView<SoftmaxAttrs>): Normalize {
  const { fround } = Math;
  const beta = fround(view.attrs.beta);
  return (row) => {
    const largest = largestReal(row);
    const exps = row.map((x) => exp(fround(fround(x - largest) * beta)));
    const sum = exps.reduce((total, x) => fround(total + x), 0);
    return exps.map((x) => fround(x / sum));
  };
}

/** reference_ops::Softmax of kernels/internal/reference/softmax.h. */
function fixedRow(view: NodeView<SoftmaxAttrs>): Normalize {
  const exponentials = fixedExponentials(view, view.attrs.beta);
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

/** optimized_ops::Softmax of kernels/internal/optimized/optimized_ops.h. */
function tableRow(view: NodeView<SoftmaxAttrs>): Normalize {
  const exponentials = tableExponentials(view, view.attrs.beta);
  const { fround } = Math;
  return (differences) => {
    const exps = differences.map((difference) => exponentials[difference] as number);
    const sum = exps.reduce((total, exp) => fround(total + exp), 0);
    const scale = fround(1 / fround(sum / 256));
    return exps.map((exp) => Math.min(Math.floor(fround(exp * scale) + 0.5) - 128, 127));
  };
}
