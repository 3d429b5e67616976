/** abs (ABS): |x|. */
import { rangeOfType } from '../ir/dtypes.js';
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Scalar } from './arithmetic/lookup.js';
import { clamp } from './arithmetic/quant.js';
import {
  elementQuant,
  elementRatio,
  type RatioAttrs,
  requireSymmetric,
  rescaler,
} from './arithmetic/rescale.js';
import { unary } from './scalar.js';
import { outputOf } from './shape/operands.js';

export const abs = unary('abs', scalarOf, ['int8', 'int16']) satisfies OpDef<RatioAttrs>;

function scalarOf(view: NodeView<RatioAttrs>): Scalar {
  const { inputZeroPoint, outputZeroPoint } = elementQuant(view);
  // With equal scales the runtimes do not multiply; a ratio of 1 changes no integer either.
  const rescale = rescaler(view, elementRatio(view));
  requireSymmetric(view);
  const [low, high] = rangeOfType(outputOf(view).dtype);
  return (q) => clamp(rescale(Math.abs(q - inputZeroPoint)) + outputZeroPoint, low, high);
}
