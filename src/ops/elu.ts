/** elu (ELU): x where x ≥ 0, exp(x) − 1 below. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { exp, expm1 } from './arithmetic/float32.js';
import { elementwise, type Scalar } from './arithmetic/lookup.js';
import { elementQuant } from './arithmetic/rescale.js';
import { floatTable } from './arithmetic/sigmoid.js';

export interface EluAttrs {
  /**
   * difference: exp(x) − 1 with two roundings (TFLM's reference kernel, rounding 'tflm').
   * expm1: one rounding (desktop TFLite's builtin kernel, rounding 'tflite').
   */
  readonly algorithm: 'difference' | 'expm1';
}

export const elu = elementwise<EluAttrs>('elu', scalarOf) satisfies OpDef<EluAttrs>;

function scalarOf(view: NodeView<EluAttrs>): Scalar {
  const below = view.attrs.algorithm === 'expm1' ? expm1 : (x: number) => Math.fround(exp(x) - 1);
  return floatTable(elementQuant(view), (x) => (x < 0 ? below(x) : x));
}
