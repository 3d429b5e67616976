/** log (LOG): the natural logarithm of x; where x ≤ 0 the least number that the output holds. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { log as logOf } from './arithmetic/float32.js';
import { elementwise, type Scalar } from './arithmetic/lookup.js';
import { elementQuant } from './arithmetic/rescale.js';
import { floatTable } from './arithmetic/sigmoid.js';

/** TFLM has no int8 form, so the bits are those of desktop TFLite. */
export type LogAttrs = Readonly<Record<string, never>>;

export const log = elementwise<LogAttrs>(
  'log',
  scalarOf,
  ['int8'],
  () => logOf,
) satisfies OpDef<LogAttrs>;

function scalarOf(view: NodeView<LogAttrs>): Scalar {
  const quant = elementQuant(view);
  const least = Math.fround((-128 - quant.outputZeroPoint) * quant.outputScale);
  return floatTable(quant, (x) => (x <= 0 ? least : logOf(x)));
}
