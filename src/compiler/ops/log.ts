/** log (LOG): the natural logarithm of x; where x ≤ 0 the least number that the output holds. */
import { rangeOfType } from '../ir/dtypes.js';
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { log as logOf } from './arithmetic/float32.js';
import type { Scalar } from './arithmetic/lookup.js';
import { elementQuant } from './arithmetic/rescale.js';
import { tabulated } from './arithmetic/tabulated.js';
import { realFunction } from './scalar.js';
import { outputOf } from './shape/operands.js';

/** TFLM has no quantized form, so the bits are those of desktop TFLite. */
export type LogAttrs = Readonly<Record<string, never>>;

export const log = tabulated<LogAttrs>('log', realFunction, quantizedOf) satisfies OpDef<LogAttrs>;

function quantizedOf(view: NodeView<LogAttrs>): Scalar {
  const { outputScale, outputZeroPoint } = elementQuant(view);
  const [lowest] = rangeOfType(outputOf(view).dtype);
  const least = Math.fround((lowest - outputZeroPoint) * outputScale);
  return (x) => (x <= 0 ? least : logOf(x));
}
