/** relu, relu6 and relu_n1_to_1: what the three have in common. */
import type { NodeView } from '../../ir/graph.js';
import { outputOf } from '../shape/operands.js';
import type { Scalar } from './lookup.js';
import { type Activation, activationRange, clamp } from './quant.js';
import { elementQuant, rescaler } from './rescale.js';

/**
 * Brings each element to the output's scale and clamps it to the activation's range there. The
 * scales' ratio is a float32, which decides bits: its products come close to halves.
 */
export function rescaleAndClamp(view: NodeView<object>, activation: Activation): Scalar {
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const rescale = rescaler(view, Math.fround(inputScale / outputScale));
  const [low, high] = activationRange(activation, outputOf(view));
  return (q) => clamp(rescale(q - inputZeroPoint) + outputZeroPoint, low, high);
}
