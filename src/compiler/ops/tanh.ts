/** tanh (TANH). */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { curveScalar } from './arithmetic/curve16.js';
import { tanhOf } from './arithmetic/fixed-point.js';
import { tanh as real } from './arithmetic/float32.js';
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

export interface TanhAttrs {
  /** Of int8: 'fixed' for TFLM's rounding, 'float' for TFLite's, 'offsetFloat' for XNNPACK's (arithmetic/sigmoid.ts). */
  readonly algorithm: SigmoidAlgorithm;
}

export const tanh = unary<TanhAttrs>('tanh', scalarOf, [
  'int8',
  'int16',
]) satisfies OpDef<TanhAttrs>;

function scalarOf(view: NodeView<TanhAttrs>): Scalar {
  if (outputOf(view).dtype === 'int16') return curveScalar(view, 'signed');
  const quant = elementQuant(view);
  // TFLite's quantization specification fixes the output: [-1, 1) in 256 steps.
  if (quant.outputScale !== 1 / 128 || quant.outputZeroPoint !== 0) {
    throw badRatio(view, 'the output of a tanh has scale 1/128 and zero point 0');
  }
  const { algorithm } = view.attrs;
  if (algorithm === 'fixed') return fixedPointOf(view, quant, tanhOf, 7);
  const table = algorithm === 'float' ? floatTable : offsetFloatTable;
  return table(quant, real);
}
