/** Shared by relu, relu6, relu_0_to_1 and relu_n1_to_1. */
import type { NodeView } from '../../ir/graph.js';
import { outputOf } from '../shape/operands.js';
import type { Scalar } from './lookup.js';
import { activationRange, type Clamp, clamp } from './quant.js';
import {
  elementQuant,
  elementRatio,
  type RatioAttrs,
  requireSymmetric,
  rescaler,
} from './rescale.js';

/** Rescales each element to the output's scale and clamps it to the activation's range. */
export function rescaleAndClamp(view: NodeView<RatioAttrs>, activation: Clamp): Scalar {
  const { inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const rescale = rescaler(view, elementRatio(view));
  requireSymmetric(view);
  const [low, high] = activationRange(activation, outputOf(view));
  return (q) => clamp(rescale(q - inputZeroPoint) + outputZeroPoint, low, high);
}
