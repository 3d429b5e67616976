/** softmax (SOFTMAX): exp(beta · x) / Σ exp(beta · x) along the last dimension. */
import { at, type DType, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import {
  checkExponentials,
  differencesOf,
  fixedExponentials,
  largestReal,
  tableExponentials,
} from './arithmetic/exponentials.js';
import { oneOverOnePlus } from './arithmetic/fixed-point.js';
import { exp } from './arithmetic/float32.js';
import {
  perTensor,
  roundingDivideByPot,
  saturatingRoundingDoublingHighMul,
} from './arithmetic/quant.js';
import {
  checkWideSoftmax,
  differenceMultiplier,
  wideSoftmaxRow,
  wideTables,
} from './arithmetic/softmax16.js';
import { pointwiseAxes } from './shape/axes.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';
import { mapRows, requireRowQuant, rowsOf } from './shape/rows.js';

export interface SoftmaxAttrs {
  /** A float32 above 0. */
  readonly beta: number;
  /**
   * Of int8. 'fixed' (tflm): 32-bit fixed point. 'table' (tflite): a float32 table of exponentials, summed
   * in float32. Of int16 the same two differ in their tables.
   */
  readonly algorithm: 'fixed' | 'table';
}

/** Types of inputs and outputs: one for both of a node, or int8 to int16. */
const softmaxTypes: readonly DType[] = ['int8', 'int16', 'float32'];

export const softmax = {
  name: 'softmax',
  types: softmaxTypes,
  infer: (view) => [inputOf(view, 0).shape],
  check(view) {
    const type = widens(view) ? 'int8' : requireOneType(view, softmaxTypes);
    if (type === 'float32') return;
    if (type === 'int16') return checkWideSoftmax(view, view.attrs.beta, rowsOf(view).depth);
    const levels = levelsOf(view);
    const tolerance = widens(view) ? 0.001 : 0;
    requireRowQuant(view, { scale: 1 / levels, zeroPoint: -levels / 2, tolerance });
    checkExponentials(view, view.attrs.beta);
  },
  evaluate(view, [input]) {
    const { dtype } = inputOf(view, 0);
    if (dtype === 'int16') return [wideRows(view, input as Int16Array, rowsOf(view).depth)];
    if (dtype === 'float32') return [mapRows(view, input as Float32Array, realRow(view))];
    const normalize = view.attrs.algorithm === 'fixed' ? fixedRow(view) : tableRow(view);
    return [mapRows(view, input as Int8Array, (row) => normalize(differencesOf(row)))];
  },
  macs: () => 0,
  axes: (view) => pointwiseAxes(view).slice(0, -1),
  inPlace: () => [],
} satisfies OpDef<SoftmaxAttrs>;

/** Whether a node takes int8 to int16. */
export function widens(view: NodeView<SoftmaxAttrs>): boolean {
  return inputOf(view, 0).dtype === 'int8' && outputOf(view).dtype === 'int16';
}

/** Steps of the output in 1. */
const levelsOf = (view: NodeView<SoftmaxAttrs>) => (widens(view) ? 65536 : 256);

/** The output's scale, from which desktop TFLite computes; TFLM takes it for 1 / levels. */
export function outputStep(view: NodeView<SoftmaxAttrs>): number {
  return Math.fround(perTensor(outputOf(view), at(view.node)).scale);
}

function wideRows(view: NodeView<SoftmaxAttrs>, input: Int16Array, depth: number): Int16Array {
  const multiplier = differenceMultiplier(view, view.attrs.beta);
  const result = new Int16Array(input.length);
  for (let first = 0; first < input.length; first += depth) {
    result.set(
      wideSoftmaxRow(
        input.subarray(first, first + depth),
        multiplier,
        wideTables[view.attrs.algorithm],
      ),
      first,
    );
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
  const half = levelsOf(view) / 2;
  const bits = widens(view) ? 16 : 8;
  return (differences) => {
    const exps = differences.map((difference) => exponentials[difference] as number);
    // Q12.19
    const sum = exps.reduce((total, exp) => total + roundingDivideByPot(exp, 12), 0);
    const leadingZeros = Math.clz32(sum);
    const reciprocal = oneOverOnePlus(sum * 2 ** leadingZeros - 2 ** 31);
    // Beyond 31 TFLM aborts (int8 alone); every probability is below 1/512 there.
    const exponent = 31 - bits + 12 - leadingZeros;
    return exps.map((exp) => {
      if (exponent > 31) return -half;
      const product = saturatingRoundingDoublingHighMul(reciprocal, exp);
      return Math.min(roundingDivideByPot(product, exponent) - half, half - 1);
    });
  };
}

/** optimized_ops::Softmax of kernels/internal/optimized/optimized_ops.h. */
function tableRow(view: NodeView<SoftmaxAttrs>): Normalize {
  const exponentials = tableExponentials(view, view.attrs.beta);
  const { fround } = Math;
  const levels = levelsOf(view);
  const step = outputStep(view);
  return (differences) => {
    const exps = differences.map((difference) => exponentials[difference] as number);
    const sum = exps.reduce((total, exp) => fround(total + exp), 0);
    const scale = fround(1 / fround(sum * step));
    return exps.map((exp) =>
      Math.min(Math.floor(fround(exp * scale) + 0.5) - levels / 2, levels / 2 - 1),
    );
  };
}
