/** leaky_relu (LEAKY_RELU): x where x ≥ 0, alpha · x below. */
import { BonsaiError } from '../../errors.js';
import { rangeOfType } from '../ir/dtypes.js';
import { at, type NodeView } from '../ir/graph.js';
import type { Elementwise, Scalar } from './arithmetic/lookup.js';
import { clamp } from './arithmetic/quant.js';
import { elementQuant, rescaler, sixteenBitRescaler } from './arithmetic/rescale.js';
import { unary } from './scalar.js';
import { outputOf } from './shape/operands.js';

export interface LeakyReluAttrs {
  /** A float32; may be negative or above 1. */
  readonly alpha: number;
  /**
   * The rounding of halves for a negative alpha, and of ratios.
   * magnitude: x · |alpha| is rounded and then negated (TFLM's reference kernel, rounding 'tflm').
   * signed: −x · |alpha| is rounded (desktop TFLite's builtin kernel, rounding 'tflite').
   * 'magnitude' divides scales in double, 'signed' in float32.
   * sixteenBits: factors of 16 bits, halves up (XNNPACK, rounding 'xnnpack').
   */
  readonly algorithm: 'magnitude' | 'signed' | 'sixteenBits';
}

const elements = unary<LeakyReluAttrs>('leaky_relu', scalarOf, ['int8', 'int16']);

export const leakyRelu = {
  ...elements,
  check(view) {
    finiteAlpha(view);
    elements.check(view);
  },
} satisfies Elementwise<LeakyReluAttrs>;

function scalarOf(view: NodeView<LeakyReluAttrs>): Scalar {
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const [low, high] = rangeOfType(outputOf(view).dtype);
  const alpha = finiteAlpha(view);
  const { fround } = Math;
  if (view.attrs.algorithm === 'sixteenBits') {
    const ratio = fround(inputScale / outputScale);
    const [positive, negative] = [ratio, fround(ratio * alpha)].map(sixteenBitRescaler);
    return (q) => {
      const x = q - inputZeroPoint;
      const scaled = (x > 0 ? positive : negative)?.(x) ?? 0;
      return clamp(scaled + outputZeroPoint, -128, 127);
    };
  }
  const [above, below] = leakyRatios(view);
  const identity = rescaler(view, above);
  const scaled = rescaler(view, below);
  const negated =
    view.attrs.algorithm === 'signed' ? (x: number) => scaled(-x) : (x: number) => -scaled(x);
  const leak = alpha < 0 ? negated : scaled;
  return (q) => {
    const x = q - inputZeroPoint;
    return clamp(outputZeroPoint + (x >= 0 ? identity(x) : leak(x)), low, high);
  };
}

function finiteAlpha(view: NodeView<LeakyReluAttrs>): number {
  const alpha = Math.fround(view.attrs.alpha);
  if (Number.isFinite(alpha)) return alpha;
  const message = `its alpha is ${alpha}, must be finite`;
  throw new BonsaiError('unsupported-attribute', at(view.node), message, 'convert the model again');
}

/** Outputs per unit of input from 0 up, and the magnitude of those below. */
export function leakyRatios(
  view: NodeView<LeakyReluAttrs>,
): readonly [above: number, below: number] {
  const { inputScale, outputScale } = elementQuant(view);
  const round = view.attrs.algorithm === 'magnitude' ? (x: number) => x : Math.fround;
  const leak = round(round(inputScale * Math.fround(view.attrs.alpha)) / outputScale);
  return [round(inputScale / outputScale), Math.abs(leak)];
}
