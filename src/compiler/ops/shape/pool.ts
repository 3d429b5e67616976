/** Shared by average_pool2d and max_pool2d. */
import { BonsaiError } from '../../../errors.js';
import {
  allocate,
  at,
  type DType,
  elementCount,
  type NodeView,
  type Shape,
  type TensorData,
} from '../../ir/graph.js';
import type { ChannelBounds, OpDef } from '../../ir/op.js';
import { mapBounds } from '../arithmetic/bounds.js';
import { clampReal, realRange } from '../arithmetic/plain.js';
import { type Activation, activationRange, clamp, perTensor } from '../arithmetic/quant.js';
import { imageAxes } from './axes.js';
import { inputOf, outputOf, requireOneType } from './operands.js';
import { type Pads, type Window, windowOutput } from './window.js';

/** Both runtimes give the same bits. */
export interface PoolAttrs extends Pads {
  readonly kernelH: number;
  readonly kernelW: number;
  readonly strideH: number;
  readonly strideW: number;
  /** Fused: the output is clamped to its range. */
  readonly activation: Activation;
}

/** Types of inputs and outputs: one for both of a node. */
const types: readonly DType[] = ['int8', 'int16', 'float32'];

const realAlone: readonly DType[] = ['float32'];

/** Those of integers. */
export const poolTypes: readonly DType[] = ['int8', 'int16'];

interface Pool {
  readonly name: string;
  /** One output from the window's elements inside the image, at least one. Absent: float32 alone. */
  reduce?(elements: readonly number[]): number;
  /** The same of float32: each step rounds as TFLM's does. */
  reduceReal(elements: readonly number[]): number;
}

export function pool<A extends PoolAttrs>(operator: Pool): OpDef<A> {
  const { name, reduceReal, reduce = reduceReal } = operator;
  const own = operator.reduce === undefined ? realAlone : types;
  return {
    name,
    types: own,
    infer(view) {
      const input = imageOf(view);
      const [outH, outW] = windowOutput(
        input,
        view.attrs.kernelH,
        view.attrs.kernelW,
        slides(view),
      );
      if (outH < 1 || outW < 1) {
        throw new BonsaiError(
          'bad-shape',
          at(view.node),
          `its ${view.attrs.kernelH}x${view.attrs.kernelW} window does not fit in [${input}]`,
          'use a smaller window or SAME padding',
        );
      }
      return [[input[0] as number, outH, outW, input[3] as number]];
    },
    check(view) {
      const dtype = requireOneType(view, own);
      requireElements(view);
      if (dtype === 'float32') return;
      requireSameQuant(view);
      activationRange(view.attrs.activation, outputOf(view));
    },
    evaluate(view, [input]) {
      const { attrs } = view;
      const [batches = 0, inH = 0, inW = 0, channels = 0] = imageOf(view);
      const output = outputOf(view);
      const [, outH = 0, outW = 0] = output.shape;
      const real = output.dtype === 'float32';
      const range = real ? realRange(attrs.activation) : activationRange(attrs.activation, output);
      const data = input as TensorData;
      const result = allocate(output.dtype, elementCount(output.shape));
      let o = 0;
      for (let n = 0; n < batches; n++) {
        for (let oy = 0; oy < outH; oy++) {
          const ys = under(oy, attrs.strideH, attrs.padTop, attrs.kernelH, inH);
          for (let ox = 0; ox < outW; ox++) {
            const xs = under(ox, attrs.strideW, attrs.padLeft, attrs.kernelW, inW);
            for (let c = 0; c < channels; c++) {
              const elements = ys.flatMap((y) =>
                xs.map((x) => Number(data[((n * inH + y) * inW + x) * channels + c])),
              );
              result[o++] = real
                ? clampReal(reduceReal(elements), range)
                : clamp(reduce(elements), ...range);
            }
          }
        }
      }
      return [result];
    },
    macs: () => 0,
    range(view, [input]) {
      const [low, high] = activationRange(view.attrs.activation, outputOf(view));
      // A mean and a maximum stay within the range of their elements.
      return [mapBounds(input as ChannelBounds, (value) => clamp(value, low, high))];
    },
    absorbs: { activation: true },
    axes: (view) => [...imageAxes(slides(view), view.attrs), { inputs: [3], output: 3 }],
    inPlace: () => [],
  };
}

/** Indices inside the image that window number `o` along one axis covers. */
function under(o: number, stride: number, pad: number, kernel: number, extent: number): number[] {
  const start = o * stride - pad;
  const first = Math.max(0, start);
  const end = Math.min(extent, start + kernel);
  return Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
}

/** The window in the form that convolutions use. */
export function slides({ attrs }: NodeView<PoolAttrs>): Window {
  return { ...attrs, dilationH: 1, dilationW: 1 };
}

/** The input's shape. @throws BonsaiError 'bad-shape' unless it is NHWC */
export function imageOf(view: NodeView<PoolAttrs>): Shape {
  const { shape } = inputOf(view, 0);
  if (shape.length === 4) return shape;
  throw new BonsaiError(
    'bad-shape',
    at(view.node),
    `input has ${shape.length} dimensions, must have 4`,
    'convert the model again',
  );
}

/** Both runtimes pool the integers as they are, and refuse a change of scale. */
function requireSameQuant(view: NodeView<PoolAttrs>): void {
  const input = perTensor(inputOf(view, 0), at(view.node));
  const output = perTensor(outputOf(view), at(view.node));
  // TFLite's tolerance.
  const close = Math.abs(Math.fround(input.scale) - Math.fround(output.scale)) <= 1e-6;
  if (close && input.zeroPoint === output.zeroPoint) return;
  throw new BonsaiError(
    'bad-quantization',
    at(view.node),
    'its input and output must have the same scale and zero point',
    'quantize the model again',
  );
}

/**
 * Refuses padding so wide that a window has no element inside the image, and windows with so many
 * elements that their sum, or their count times the largest magnitude, leaves int32.
 */
function requireElements(view: NodeView<PoolAttrs>): void {
  const { attrs } = view;
  const [, inH = 0, inW = 0] = imageOf(view);
  const [, outH = 0, outW = 0] = outputOf(view).shape;
  const mostElements = outputOf(view).dtype === 'int16' ? 2 ** 15 : 2 ** 23;
  if (Math.min(attrs.kernelH, inH) * Math.min(attrs.kernelW, inW) >= mostElements) {
    const message = `its window of ${attrs.kernelH}x${attrs.kernelW} has too many elements`;
    throw new BonsaiError('too-large', at(view.node), message, 'pool in two steps');
  }
  const covered = (outputs: number, stride: number, pad: number, kernel: number, extent: number) =>
    pad < kernel && (outputs - 1) * stride - pad < extent;
  if (
    covered(outH, attrs.strideH, attrs.padTop, attrs.kernelH, inH) &&
    covered(outW, attrs.strideW, attrs.padLeft, attrs.kernelW, inW)
  ) {
    return;
  }
  throw new BonsaiError(
    'unsupported-attribute',
    at(view.node),
    'one of its windows lies wholly in the padding',
    'use SAME or VALID padding',
  );
}
