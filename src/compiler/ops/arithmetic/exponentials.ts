/** Exponentials of the differences from the largest element of a row: softmax and log_softmax. */
import { BonsaiError } from '../../../errors.js';
import { at, type NodeView } from '../../ir/graph.js';
import { inputOf } from '../shape/operands.js';
import { rowsOf } from '../shape/rows.js';
import { expOnNegativeValues } from './fixed-point.js';
import { realRange } from './plain.js';
import { multiplyByQuantizedMultiplier, perTensor, quantizeMultiplier } from './quant.js';
import { greaterReal } from './real.js';

/** A node whose rows are computed by TFLM's fixed point, or by desktop TFLite's float32 table. */
type RowView = NodeView<{ readonly algorithm: 'fixed' | 'table' }>;

/** Scaled differences are Q5.26. */
const integerBits = 5;
const fractionalBits = 31 - integerBits;

export function inputScale(view: NodeView<object>): number {
  return Math.fround(perTensor(inputOf(view, 0), at(view.node)).scale);
}

/** @throws BonsaiError where TFLM's sum overflows, or a difference has no representation */
export function checkExponentials(view: RowView, beta: number): void {
  const { depth } = rowsOf(view);
  // The sum of exponentials has 12 integer bits.
  if (view.attrs.algorithm === 'fixed' && depth > 4095) {
    throw new BonsaiError(
      'unsupported-attribute',
      at(view.node),
      `rows of ${depth} elements overflow TFLM's sum of exponentials`,
      "use at most 4095, or '--rounding tflite'",
    );
  }
  const step = Math.fround(beta) * inputScale(view);
  if (!(step * 2 ** fractionalBits > 1 && Number.isFinite(step))) {
    throw new BonsaiError(
      'unsupported-attribute',
      at(view.node),
      `beta · scale is ${step}, must be finite and above 2^-${fractionalBits}`,
      'quantize the model again',
    );
  }
}

/** difference · beta · scale in Q5 for the 256 differences; null where TFLM drops them. */
export function fixedDifferences(view: NodeView<object>, beta: number): readonly (number | null)[] {
  const real = Math.fround(beta) * inputScale(view) * 2 ** fractionalBits;
  const multiplier = quantizeMultiplier(Math.min(real, 2 ** 31 - 1));
  const most = Math.floor(((2 ** integerBits - 1) * 2 ** fractionalBits) / 2 ** multiplier.shift);
  return Array.from({ length: 256 }, (_, difference) =>
    difference > most ? null : -multiplyByQuantizedMultiplier(-difference, multiplier, 'double'),
  );
}

/** exp(−difference · beta · scale) in Q0.31 for the 256 differences; 0 where TFLM drops them. */
export function fixedExponentials(view: NodeView<object>, beta: number): readonly number[] {
  return fixedDifferences(view, beta).map((scaled) =>
    scaled === null ? 0 : expOnNegativeValues(-scaled, integerBits),
  );
}

/** exp(−difference · beta · scale) in float32, as desktop TFLite's table has it. */
export function tableExponentials(view: NodeView<object>, beta: number): Float32Array {
  const { fround } = Math;
  const step = fround(-inputScale(view) * fround(beta));
  return Float32Array.from({ length: 256 }, (_, difference) => Math.exp(fround(step * difference)));
}

/** The largest element of a row of integers. */
export function largestOf(row: readonly number[]): number {
  return row.reduce((most, x) => Math.max(most, x));
}

/** How far each element of a row of integers is below the largest. */
export function differencesOf(row: readonly number[]): readonly number[] {
  const largest = largestOf(row);
  return row.map((x) => largest - x);
}

/** The largest float32 of a row, at least the least finite one; NaN is not larger. */
export function largestReal(row: readonly number[]): number {
  return row.reduce(greaterReal, realRange('none')[0]);
}
