/** relu6 (RELU6): x clamped to [0, 6]. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { rescaleAndClamp } from './arithmetic/clamping.js';
import { elementwise, type Scalar } from './arithmetic/lookup.js';
import { activationRange, clamp } from './arithmetic/quant.js';
import { elementQuant } from './arithmetic/rescale.js';
import { inputOf } from './shape/operands.js';

export interface Relu6Attrs {
  /**
   * clamp: integers are clamped to the input's [0, 6] and the output's quantisation is ignored
   * (TFLM's reference kernel, rounding 'tflm').
   * rescale: to the output's scale, then clamped to [0, 6] there (desktop TFLite's builtin kernel,
   * rounding 'tflite').
   * Where input and output are quantised alike the two are the same.
   */
  readonly algorithm: 'clamp' | 'rescale';
}

export const relu6 = elementwise<Relu6Attrs>('relu6', scalarOf) satisfies OpDef<Relu6Attrs>;

function scalarOf(view: NodeView<Relu6Attrs>): Scalar {
  if (view.attrs.algorithm === 'rescale') return rescaleAndClamp(view, 'relu6');
  elementQuant(view);
  const [low, high] = activationRange('relu6', inputOf(view, 0));
  return (q) => clamp(q, low, high);
}
