/**
 * quantize (QUANTIZE): integers of another type, scale or zero point, or of float32. Results saturate
 * at the type's bounds.
 */
import { BonsaiError } from '../../errors.js';
import { rangeOfType } from '../ir/dtypes.js';
import { at, type DType, elementCount, type NodeView } from '../ir/graph.js';
import {
  type Elementwise,
  elementwiseInSegments,
  mapsBytes,
  type Scalar,
  type Segment,
} from './arithmetic/lookup.js';
import {
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
  roundHalfAwayFromZero,
} from './arithmetic/quant.js';
import { elementQuant, rescaler, sixteenBitRescaler } from './arithmetic/rescale.js';
import { pointwiseAxes } from './shape/axes.js';
import { inputOf, outputOf } from './shape/operands.js';

export interface QuantizeAttrs {
  /**
   * Of int8 to int8. scalar: the last rounding of every element rounds halves away from zero (TFLM's
   * reference kernel, rounding 'tflm').
   * vector: whole groups of 16 elements round halves up, the remainder rounds as 'scalar' does
   * (desktop TFLite's builtin kernel, rounding 'tflite'). Halves are common: with a ratio of scales
   * below 1/2 the value before the last rounding has as few as one fractional bit.
   * sixteenBits: a factor of 16 bits, halves up (XNNPACK, rounding 'xnnpack').
   */
  readonly algorithm: 'scalar' | 'vector' | 'sixteenBits';
}

export const quantizeTypes: readonly DType[] = ['int8', 'uint8', 'int16', 'int32', 'float32'];

const each = elementwiseInSegments<QuantizeAttrs>('quantize', segmentsOf, quantizeTypes);

export const quantize = {
  ...each,
  /** In groups of elements a part is computed alike if each of its positions has whole groups. */
  axes(view) {
    const { shape } = outputOf(view);
    const count = elementCount(shape);
    const isOne = view.inputs[1] != null || !mapsBytes(view) || count < vectorElements;
    const isAlike = (extent = 1) => (count / extent) % vectorElements === 0;
    const { algorithm } = view.attrs;
    const all = pointwiseAxes(view, 1);
    return isOne || algorithm !== 'vector' ? all : all.filter((_, d) => isAlike(shape[d]));
  },
} satisfies Elementwise<QuantizeAttrs>;

const vectorElements = 16;

function segmentsOf(view: NodeView<QuantizeAttrs>): readonly Segment[] {
  const count = elementCount(outputOf(view).shape);
  if (!mapsBytes(view)) return [{ first: 0, end: count, scalar: wideScalar(view) }];
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const scalarWith = (rescale: (x: number) => number) => (q: number) =>
    clamp(rescale(q - inputZeroPoint) + outputZeroPoint, -128, 127);
  if (view.attrs.algorithm === 'sixteenBits') {
    const rescale = sixteenBitRescaler(Math.fround(inputScale / outputScale));
    return [{ first: 0, end: count, scalar: scalarWith(rescale) }];
  }
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

/** The parameters of a node that is not int8 to int8. */
export interface Requantization {
  readonly inputZeroPoint: number;
  readonly outputZeroPoint: number;
  /** null: the inputs are float32, to divide by `scale`. */
  readonly multiplier: Multiplier | null;
  readonly scale: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The pairs of types that kernels/quantize_common.cc of TFLM has. A shift to the left wraps, as it
 * does there.
 */
export function requantizationOf(view: NodeView<object>): Requantization {
  const input = inputOf(view, 0);
  const output = outputOf(view);
  if (!(pairs[input.dtype] ?? []).includes(output.dtype)) {
    throw new BonsaiError(
      'unsupported-type',
      at(view.node),
      `converts ${input.dtype} to ${output.dtype}, for which TFLM has no kernel`,
      'convert by way of int8 or int16',
    );
  }
  const [low, high] = rangeOfType(output.dtype);
  const { scale, zeroPoint: outputZeroPoint } = perTensor(output, at(view.node));
  const bounds = { outputZeroPoint, scale: Math.fround(scale), low, high };
  if (input.dtype === 'float32') return { ...bounds, inputZeroPoint: 0, multiplier: null };
  const { inputScale, inputZeroPoint, outputScale } = elementQuant(view);
  return { ...bounds, inputZeroPoint, multiplier: quantizeMultiplier(inputScale / outputScale) };
}

const pairs: Partial<Readonly<Record<DType, readonly DType[]>>> = {
  int8: ['int8', 'uint8', 'int16', 'int32'],
  uint8: ['int8'],
  int16: ['int8', 'int16', 'int32'],
  int32: ['int8', 'int16'],
  float32: ['int8', 'int16'],
};

function wideScalar(view: NodeView<object>): Scalar {
  const { inputZeroPoint, outputZeroPoint, multiplier, scale, low, high } = requantizationOf(view);
  if (multiplier === null) {
    // C's conversion of a float that no int32 holds is undefined: here it saturates, NaN downward.
    return (x) => {
      const steps = roundHalfAwayFromZero(Math.fround(x / scale)) + outputZeroPoint;
      return Number.isNaN(steps) ? low : clamp(steps, low, high);
    };
  }
  return (q) => {
    const rescaled = multiplyByQuantizedMultiplier((q - inputZeroPoint) | 0, multiplier, 'double');
    return clamp(rescaled + outputZeroPoint, low, high);
  };
}
