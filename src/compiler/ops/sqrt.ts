/** sqrt (SQRT): √x. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { sqrt as sqrtOf } from './arithmetic/float32.js';
import type { Scalar } from './arithmetic/lookup.js';
import { clamp } from './arithmetic/quant.js';
import { elementQuant } from './arithmetic/rescale.js';
import { unary } from './scalar.js';

/** TFLM has no int8 form, so the bits are those of desktop TFLite. */
export type SqrtAttrs = Readonly<Record<string, never>>;

export const sqrt = unary<SqrtAttrs>('sqrt', scalarOf, ['int8']) satisfies OpDef<SqrtAttrs>;

/** A negative x gives the zero point; desktop TFLite ends with an error. The quotient truncates. */
function scalarOf(view: NodeView<SqrtAttrs>): Scalar {
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const { fround } = Math;
  return (q) => {
    const x = fround(inputScale * Math.max(0, q - inputZeroPoint));
    return clamp(Math.trunc(fround(sqrtOf(x) / outputScale)) + outputZeroPoint, -128, 127);
  };
}
