/** abs (ABS): |x|. */
import { rangeOfType } from '../ir/dtypes.js';
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Scalar } from './arithmetic/lookup.js';
import { clamp } from './arithmetic/quant.js';
import { elementQuant, requireSymmetric, rescaler } from './arithmetic/rescale.js';
import { unary } from './scalar.js';
import { outputOf } from './shape/operands.js';

/** Both runtimes give the same bits. */
export type AbsAttrs = Readonly<Record<string, never>>;

export const abs = unary<AbsAttrs>('abs', scalarOf, ['int8', 'int16']) satisfies OpDef<AbsAttrs>;

function scalarOf(view: NodeView<AbsAttrs>): Scalar {
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const ratio = Math.fround(inputScale / outputScale);
  // With equal scales the runtimes do not multiply; a ratio of 1 changes no integer either.
  const rescale = rescaler(view, ratio);
  requireSymmetric(view);
  const [low, high] = rangeOfType(outputOf(view).dtype);
  return (q) => clamp(rescale(Math.abs(q - inputZeroPoint)) + outputZeroPoint, low, high);
}
