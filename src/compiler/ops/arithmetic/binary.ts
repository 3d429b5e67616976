import { BonsaiError } from '../../../errors.js';
import {
  allocate,
  at,
  type DType,
  elementCount,
  isConstant,
  type NodeView,
  type TensorData,
} from '../../ir/graph.js';
import type { ChannelBounds, OpDef } from '../../ir/op.js';
import { pointwiseAxes } from '../shape/axes.js';
import { broadcastShape, requireRank, sourceIndices } from '../shape/broadcast.js';
import { inputOf, outputOf, requireOneType } from '../shape/operands.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic.js';
import { anyBounds, boundsOf, channelCount, rangeAt } from './bounds.js';
import { clampReal, noActivation, realActivations, realRange } from './plain.js';
import { activationRange, clamp } from './quant.js';

/** Types of quantized operands and results: one for all of a node. */
export const binaryTypes: readonly DType[] = ['int8', 'int16'];

export interface BinaryTraits {
  /** The quantized types that it takes; default: int8 and int16. */
  readonly quantized?: readonly DType[];
  readonly isMonotonic?: boolean;
  readonly hasActivation?: boolean;
  /** Types of elements that stand for themselves, and the function of these. */
  readonly plain: {
    readonly types: readonly DType[];
    of(view: NodeView<object>): (a: number, b: number) => number;
  };
}

/** For all elements of the output, a function of the operands' elements, broadcast to it. */
export function mapPairs(
  view: NodeView<object>,
  [a, b]: readonly (TensorData | null)[],
  of: (a: number, b: number) => number,
): TensorData {
  const { shape, dtype } = outputOf(view);
  const [ofA, ofB] = [0, 1].map((i) => sourceIndices(inputOf(view, i).shape, shape));
  const results = allocate(dtype, elementCount(shape));
  for (let i = 0; i < results.length; i++) {
    const [x, y] = [a?.[ofA?.[i] as number], b?.[ofB?.[i] as number]];
    results[i] = of(Number(x), Number(y));
  }
  return results;
}

/** The operands of which the output may take the memory, element by element. */
export function inPlaceOperands(view: NodeView<object>): readonly number[] {
  const { shape, dtype } = outputOf(view);
  return view.inputs.flatMap((input, position) => {
    const isWhole = input !== null && elementCount(input.shape) === elementCount(shape);
    return isWhole && !isConstant(input) && input.dtype === dtype ? [position] : [];
  });
}

/**
 * @param isMonotonic whether the result is, in each operand while the other is held
 * @param hasActivation whether TFLite's operator can have a fused activation
 * @param arithmeticOf throws BonsaiError 'bad-quantization' for scales that cannot be computed
 * exactly
 */
export function binary<A extends BinaryAttrs>(
  name: string,
  arithmeticOf: (view: NodeView<A>) => Arithmetic,
  { quantized = binaryTypes, isMonotonic = true, hasActivation = true, plain }: BinaryTraits,
): OpDef<A> {
  const types = [...new Set([...quantized, ...plain.types])];
  const isPlain = (dtype: DType) => plain.types.includes(dtype);
  return {
    name,
    types,
    infer: (view) => [broadcastShape(view)],
    check(view) {
      const dtype = requireOneType(view, types);
      requireRank(view);
      if (isPlain(dtype)) {
        requirePlainActivation(view);
        return;
      }
      activationRange(view.attrs.activation, outputOf(view));
      arithmeticOf(view);
    },
    evaluate(view, inputs) {
      const output = outputOf(view);
      if (isPlain(output.dtype)) {
        const of = plain.of(view);
        const isClamped = hasActivation && output.dtype === 'float32';
        const range = realRange(view.attrs.activation);
        return [mapPairs(view, inputs, isClamped ? (a, b) => clampReal(of(a, b), range) : of)];
      }
      const { combine } = arithmeticOf(view);
      const [low, high] = activationRange(view.attrs.activation, output);
      return [mapPairs(view, inputs, (a, b) => clamp(combine(a, b), low, high))];
    },
    macs: () => 0,
    range(view, inputs) {
      const output = outputOf(view);
      if (isPlain(output.dtype)) return [anyBounds(output)];
      const { combine, bends = [] } = arithmeticOf(view);
      const [low, high] = activationRange(view.attrs.activation, output);
      const [a, b] = inputs as readonly [ChannelBounds, ChannelBounds];
      return [
        boundsOf(channelCount(output), (channel) => {
          if (!isMonotonic) return [low, high];
          const ofA = rangeAt(a, channel % a.min.length);
          const ofB = rangeAt(b, channel % b.min.length);
          const bent = bends.filter((x) => ofA[0] < x && x < ofA[1]);
          // Monotonic in each operand, so the extremes are at the corners.
          const corners = [...ofA, ...bent].flatMap((x) =>
            ofB.map((y) => clamp(combine(x, y), low, high)),
          );
          return [Math.min(...corners), Math.max(...corners)];
        }),
      ];
    },
    ...(hasActivation ? { absorbs: { activation: true } as const } : {}),
    axes: pointwiseAxes,
    inPlace: inPlaceOperands,
  };
}

/** TFLM ignores a fused activation of int32. */
function requirePlainActivation(view: NodeView<BinaryAttrs>): void {
  // Operators without one have no such attribute.
  const { activation = 'none' } = view.attrs;
  const known = outputOf(view).dtype === 'float32' ? realActivations : noActivation;
  if (known.includes(activation)) return;
  throw new BonsaiError(
    'unsupported-attribute',
    at(view.node),
    `has the fused activation ${activation} of ${outputOf(view).dtype}`,
    'make it an operator of its own',
  );
}
