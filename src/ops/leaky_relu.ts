/** leaky_relu (LEAKY_RELU): x where x ≥ 0, alpha · x below. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { elementwise, type Scalar } from './lookup.js';
import { clamp } from './quant.js';
import { elementQuant, rescaler } from './rescale.js';

/** Both runtimes give the same bits. */
export interface LeakyReluAttrs {
  /** A float32; may be negative or above 1. */
  readonly alpha: number;
}

export const leakyRelu = elementwise<LeakyReluAttrs>(
  'leaky_relu',
  scalarOf,
) satisfies OpDef<LeakyReluAttrs>;

function scalarOf(view: NodeView<LeakyReluAttrs>): Scalar {
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const { fround } = Math;
  const alpha = fround(view.attrs.alpha);
  const identity = rescaler(view, fround(inputScale / outputScale));
  const leak = rescaler(view, Math.abs(fround(fround(inputScale * alpha) / outputScale)));
  const sign = alpha < 0 ? -1 : 1;
  return (q) => {
    const x = q - inputZeroPoint;
    return clamp(outputZeroPoint + (x >= 0 ? identity(x) : sign * leak(x)), -128, 127);
  };
}
