/** elu (ELU): x where x ≥ 0, exp(x) − 1 below. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { exp, expm1 } from './arithmetic/float32.js';
import type { Scalar } from './arithmetic/lookup.js';
import { elementQuant } from './arithmetic/rescale.js';
import { floatTable, offsetFloatTable } from './arithmetic/sigmoid.js';
import { unary } from './scalar.js';

export interface EluAttrs {
  /**
   * Of int8. difference: exp(x) − 1 with two roundings (TFLM's reference kernel, rounding 'tflm').
   * expm1: one rounding (desktop TFLite's builtin kernel, rounding 'tflite').
   * offsetFloat: the same in XNNPACK's table (rounding 'xnnpack').
   */
  readonly algorithm: 'difference' | 'expm1' | 'offsetFloat';
}

export const elu = unary<EluAttrs>('elu', scalarOf, ['int8']) satisfies OpDef<EluAttrs>;

function scalarOf(view: NodeView<EluAttrs>): Scalar {
  const { algorithm } = view.attrs;
  const table = algorithm === 'offsetFloat' ? offsetFloatTable : floatTable;
  const below = algorithm === 'difference' ? (x: number) => Math.fround(exp(x) - 1) : expm1;
  return table(elementQuant(view), (x) => (x < 0 ? below(x) : x));
}
