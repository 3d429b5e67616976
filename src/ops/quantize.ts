/** quantize (QUANTIZE, int8 to int8): changes scale and zero point. */
import { elementCount, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { elementwiseInSegments, type Segment } from './arithmetic/lookup.js';
import { clamp } from './arithmetic/quant.js';
import { elementQuant, rescaler } from './arithmetic/rescale.js';
import { outputOf } from './shape/operands.js';

export interface QuantizeAttrs {
  /**
   * scalar: the last rounding of every element rounds halves away from zero (TFLM's reference
   * kernel, rounding 'tflm').
   * vector: whole groups of 16 elements round halves up, the remainder rounds as 'scalar' does
   * (desktop TFLite's builtin kernel, rounding 'tflite'). Halves are common: with a ratio of scales
   * below 1/2 the value before the last rounding has as few as one fractional bit.
   */
  readonly algorithm: 'scalar' | 'vector';
}

export const quantize = elementwiseInSegments<QuantizeAttrs>(
  'quantize',
  segmentsOf,
) satisfies OpDef<QuantizeAttrs>;

const vectorElements = 16;

function segmentsOf(view: NodeView<QuantizeAttrs>): readonly Segment[] {
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const scalarWith = (rescale: (x: number) => number) => (q: number) =>
    clamp(rescale(q - inputZeroPoint) + outputZeroPoint, -128, 127);
  const count = elementCount(outputOf(view).shape);
  const grouped = view.attrs.algorithm === 'vector' ? count - (count % vectorElements) : 0;
  const ratio = inputScale / outputScale;
  const halvesUp = scalarWith(rescaler(view, ratio, divideHalvesUp));
  const halvesAway = scalarWith(rescaler(view, ratio));
  return [
    { first: 0, end: grouped, scalar: halvesUp },
    { first: grouped, end: count, scalar: halvesAway },
  ].filter(({ first, end }) => first < end);
}

function divideHalvesUp(x: number, exponent: number): number {
  return Math.floor(x / 2 ** exponent + 0.5);
}
