/** logistic (LOGISTIC): 1 / (1 + exp(−x)). */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { curveScalar } from './arithmetic/curve16.js';
import { logisticOf } from './arithmetic/fixed-point.js';
import { exp } from './arithmetic/float32.js';
import type { Scalar } from './arithmetic/lookup.js';
import { badRatio, elementQuant } from './arithmetic/rescale.js';
import {
  fixedPointOf,
  floatTable,
  offsetFloatTable,
  type SigmoidAlgorithm,
} from './arithmetic/sigmoid.js';
import { unary } from './scalar.js';
import { outputOf } from './shape/operands.js';

export interface LogisticAttrs {
  /** Of int8: 'fixed' for TFLM's rounding, 'float' for TFLite's, 'offsetFloat' for XNNPACK's (arithmetic/sigmoid.ts). */
  readonly algorithm: SigmoidAlgorithm;
}

export const logistic = unary<LogisticAttrs>('logistic', scalarOf, [
  'int8',
  'int16',
]) satisfies OpDef<LogisticAttrs>;

function scalarOf(view: NodeView<LogisticAttrs>): Scalar {
  if (outputOf(view).dtype === 'int16') return curveScalar(view, 'unsigned');
  const quant = elementQuant(view);
  // TFLite's quantization specification fixes the output: [0, 1) in 256 steps.
  if (quant.outputScale !== 1 / 256 || quant.outputZeroPoint !== -128) {
    throw badRatio(view, 'the output of a logistic has scale 1/256 and zero point -128');
  }
  if (view.attrs.algorithm === 'float') {
    const { fround } = Math;
    // Each operation rounds to float32, as in 1.0f / (1.0f + std::exp(-x)).
    return floatTable(quant, (x) => fround(1 / fround(1 + exp(-x))));
  }
  if (view.attrs.algorithm === 'offsetFloat') {
    // XNNPACK computes it in double.
    return offsetFloatTable(quant, (x) => Math.fround(1 / (1 + Math.exp(-x))));
  }
  return fixedPointOf(view, quant, logisticOf, 8);
}
