/** relu6 (RELU6): x clamped to [0, 6]. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { rescaleAndClamp } from './arithmetic/clamping.js';
import type { Scalar } from './arithmetic/lookup.js';
import { activationRange, clamp } from './arithmetic/quant.js';
import { elementQuant, type RatioAttrs, requireSymmetric } from './arithmetic/rescale.js';
import { unary } from './scalar.js';
import { inputOf } from './shape/operands.js';

export interface Relu6Attrs extends RatioAttrs {
  /**
   * clamp: integers are clamped to [0, 6] in the input's scale, and the output's quantization is
   * ignored (TFLM's reference kernel, rounding 'tflm').
   * rescale: values are rescaled to the output, then clamped to [0, 6] (desktop TFLite's builtin
   * kernel, rounding 'tflite').
   * The two are the same if input and output have the same quantization.
   */
  readonly algorithm: 'clamp' | 'rescale';
}

export const relu6 = unary<Relu6Attrs>('relu6', scalarOf, [
  'int8',
  'int16',
]) satisfies OpDef<Relu6Attrs>;

function scalarOf(view: NodeView<Relu6Attrs>): Scalar {
  if (view.attrs.algorithm === 'rescale') return rescaleAndClamp(view, 'relu6');
  elementQuant(view);
  requireSymmetric(view);
  const [low, high] = activationRange('relu6', inputOf(view, 0));
  return (q) => clamp(q, low, high);
}
