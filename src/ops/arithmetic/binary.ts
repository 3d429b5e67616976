import {
  allocate,
  type DType,
  elementCount,
  isConstant,
  type NodeView,
  type TensorData,
} from '../../ir/graph.js';
import type { ChannelBounds, OpDef } from '../../ir/op.js';
import { broadcastShape, requireRank, sourceIndices } from '../shape/broadcast.js';
import { inputOf, outputOf, requireOneType } from '../shape/operands.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic.js';
import { boundsOf, channelCount, rangeAt, tieOf } from './bounds.js';
import { activationRange, clamp } from './quant.js';

/** Types of operands and results: one for all of a node. */
export const binaryTypes: readonly DType[] = ['int8', 'int16'];

/**
 * @param isMonotonic whether the result is, in each operand while the other is held
 * @param hasActivation whether TFLite's operator can have a fused activation
 * @param arithmeticOf throws BonsaiError 'bad-quantization' for scales that cannot be computed
 * exactly
 */
export function binary<A extends BinaryAttrs>(
  name: string,
  arithmeticOf: (view: NodeView<A>) => Arithmetic,
  { isMonotonic = true, hasActivation = true } = {},
): OpDef<A> {
  return {
    name,
    types: binaryTypes,
    infer: (view) => [broadcastShape(view)],
    check(view) {
      requireOneType(view, binaryTypes);
      requireRank(view);
      activationRange(view.attrs.activation, outputOf(view));
      arithmeticOf(view);
    },
    evaluate(view, inputs) {
      const { combine } = arithmeticOf(view);
      const output = outputOf(view);
      const [low, high] = activationRange(view.attrs.activation, output);
      const [a, b] = inputs as readonly [TensorData, TensorData];
      const ofA = sourceIndices(inputOf(view, 0).shape, output.shape);
      const ofB = sourceIndices(inputOf(view, 1).shape, output.shape);
      const element = (i: number) =>
        combine(Number(a[ofA[i] as number]), Number(b[ofB[i] as number]));
      const results = allocate(output.dtype, ofA.length) as Int8Array | Int16Array;
      return [results.map((_, i) => clamp(element(i), low, high))];
    },
    macs: () => 0,
    range(view, inputs) {
      const { combine, bends = [] } = arithmeticOf(view);
      const output = outputOf(view);
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
    channels(view) {
      const isTied = (input: number) =>
        channelCount(inputOf(view, input)) === channelCount(outputOf(view));
      const ties = [0, 1].filter(isTied).map(tieOf);
      return { kind: 'tied', ties };
    },
    inPlace(view) {
      const count = elementCount(outputOf(view).shape);
      return [0, 1].filter((position) => {
        const input = inputOf(view, position);
        return !isConstant(input) && elementCount(input.shape) === count;
      });
    },
  };
}
