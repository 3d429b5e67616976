/** log_softmax (LOG_SOFTMAX): x − ln Σ exp(x) along the last dimension. */
import type { DType, NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import {
  checkExponentials,
  differencesOf,
  fixedDifferences,
  fixedExponentials,
  inputScale,
  largestOf,
  largestReal,
  tableExponentials,
} from './arithmetic/exponentials.js';
import { logOfAtLeastOne } from './arithmetic/fixed-point.js';
import { exp, log, roundHalfToEven } from './arithmetic/float32.js';
import { roundingDivideByPot } from './arithmetic/quant.js';
import { pointwiseAxes } from './shape/axes.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';
import { mapRows, type Row, requireRowQuant } from './shape/rows.js';

export interface LogSoftmaxAttrs {
  /**
   * Of int8. 'fixed' (tflm): 32-bit fixed point. 'table' (tflite): a float32 table of exponentials,
   * summed in float32.
   */
  readonly algorithm: 'fixed' | 'table';
}

/** Types of inputs and outputs: one for both of a node. */
export const logSoftmaxTypes: readonly DType[] = ['int8', 'float32'];

export const logSoftmax = {
  name: 'log_softmax',
  types: logSoftmaxTypes,
  infer: (view) => [inputOf(view, 0).shape],
  check(view) {
    if (requireOneType(view, logSoftmaxTypes) === 'float32') return;
    requireRowQuant(view, { scale: 1 / 16, zeroPoint: 127 });
    checkExponentials(view, 1);
  },
  evaluate(view, [input]) {
    const isReal = outputOf(view).dtype === 'float32';
    const integers = view.attrs.algorithm === 'fixed' ? fixedRow : tableRow;
    return [mapRows(view, input as Int8Array | Float32Array, isReal ? realRow : integers(view))];
  },
  macs: () => 0,
  axes: (view) => pointwiseAxes(view).slice(0, -1),
  inPlace: () => [],
} satisfies OpDef<LogSoftmaxAttrs>;

/** 16.0 in Q5. */
const farthest = 2 ** 30;

/**
 * Distances from the largest element in Q5, at most 16: from there on the output is −128, since the
 * logarithm of the sum is not negative. TFLM sets it to −128 also where a distance exceeds 31, or
 * with the logarithm 32 less half a step of the input. A step is below 32, so that these are 16 or
 * more together and give −128 anyway.
 */
export function fixedDistances(view: NodeView<object>): readonly number[] {
  return fixedDifferences(view, 1).map((scaled) => Math.min(scaled ?? farthest, farthest));
}

/** The summands in Q12: the exponentials of all differences. */
export function fixedSummands(view: NodeView<object>): readonly number[] {
  return fixedExponentials(view, 1).map((exponential) => roundingDivideByPot(exponential, 12));
}

/** reference_ops::LogSoftmaxQuantized of kernels/internal/reference/log_softmax.h. */
function fixedRow(view: NodeView<LogSoftmaxAttrs>): Row {
  const [distances, summands] = [fixedDistances(view), fixedSummands(view)];
  return (row) => {
    const differences = differencesOf(row);
    const sum = differences.reduce((total, d) => total + (summands[d] as number), 0);
    const logarithm = logOfAtLeastOne(sum);
    return differences.map((d) =>
      Math.max(-128, 127 - roundingDivideByPot((distances[d] as number) + logarithm, 22)),
    );
  };
}

/** The output's steps in a unit. */
const steps = 16;

/** optimized_ops::LogSoftmax of kernels/internal/optimized/optimized_ops.h. */
function tableRow(view: NodeView<LogSoftmaxAttrs>): Row {
  const { fround } = Math;
  const exponentials = tableExponentials(view, 1);
  const scale = inputScale(view);
  return (row) => {
    const largest = largestOf(row);
    const sum = row.reduce((total, x) => fround(total + (exponentials[largest - x] as number)), 0);
    const offset = fround(fround(fround(scale * largest) + log(sum)) * steps);
    return row.map((x) => {
      const value = fround(fround(fround(scale * steps) * x) - offset);
      return value > -255 ? roundHalfToEven(value) + 127 : -128;
    });
  };
}

/** reference_ops::LogSoftmax of float, with the exponentials and the logarithm of float32.ts. */
const realRow: Row = (row) => {
  const { fround } = Math;
  const largest = largestReal(row);
  const sum = row.reduce((total, x) => fround(total + exp(fround(x - largest))), 0);
  const logarithm = log(sum);
  return row.map((x) => fround(fround(x - largest) - logarithm));
};
