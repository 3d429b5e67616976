/** depthwise_conv2d (DEPTHWISE_CONV_2D): NHWC × 1HWO, any depth multiplier, stride, dilation. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView, type Shape, type TensorData } from '../ir/graph.js';
import type { Axis, ChannelBounds, OpDef } from '../ir/op.js';
import {
  type AccumulationAttrs,
  accumulatorStarts,
  allocateLike,
  clampBounds,
  type Filters,
  finish,
  inputOffset,
  inputZeroPoint,
  layerTypes,
  outputStage,
  weightsOf,
} from './arithmetic/accumulation.js';
import { checkAccumulation } from './arithmetic/accumulation-checks.js';
import { accumulatorBounds, insidesOf, stageBounds } from './arithmetic/accumulator-bounds.js';
import { isReal, type RealReading, realSums } from './arithmetic/real.js';
import { imageAxes } from './shape/axes.js';
import { inputOf, outputOf } from './shape/operands.js';
import { checkWindow, type Window, type WindowDims, windowOutput } from './shape/window.js';

export interface DepthwiseConv2dAttrs extends AccumulationAttrs, Window {
  /** Output channels of each input channel, consecutive. */
  readonly depthMultiplier: number;
}

export function depthwiseDims(view: NodeView<DepthwiseConv2dAttrs>): WindowDims {
  const [batches = 0, inH = 0, inW = 0, inC = 0] = inputOf(view, 0).shape;
  const [, kernelH = 0, kernelW = 0, outC = 0] = inputOf(view, 1).shape;
  const [outH, outW] = windowOutput([batches, inH, inW, inC], kernelH, kernelW, view.attrs);
  return { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW };
}

export function depthwiseFilters(view: NodeView<object>): Filters {
  const [, kernelH = 0, kernelW = 0, channels = 0] = inputOf(view, 1).shape;
  const position = (channel: number, i: number) => i * channels + channel;
  return { channels, axis: 3, depth: kernelH * kernelW, position };
}

function infer(view: NodeView<DepthwiseConv2dAttrs>): readonly Shape[] {
  const input = inputOf(view, 0).shape;
  const weights = inputOf(view, 1).shape;
  checkWindow(view, input, weights[1] ?? 0, weights[2] ?? 0);
  const { batches, inC, outH, outW, outC } = depthwiseDims(view);
  const { depthMultiplier } = view.attrs;
  const isMultiple = Number.isInteger(depthMultiplier) && outC === inC * depthMultiplier;
  if (weights.length !== 4 || weights[0] !== 1 || outC < 1 || !isMultiple) {
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `weights [${weights}] do not fit input [${input}] with depth multiplier ${depthMultiplier}`,
      'weights are [1, height, width, input channels × depth multiplier]',
    );
  }
  return [[batches, outH, outW, outC]];
}

/** For each position: all channels of a tap, then the next tap. */
function evaluate(
  view: NodeView<DepthwiseConv2dAttrs>,
  [input]: readonly (TensorData | null)[],
): readonly TensorData[] {
  const { attrs } = view;
  const dims = depthwiseDims(view);
  const { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW } = dims;
  const multiplier = attrs.depthMultiplier;
  if (isReal(view)) {
    const reading: RealReading = {
      perTap: 1,
      firstInput: (channel) => Math.floor(channel / multiplier),
      weight: (channel, tap) => tap * outC + channel,
    };
    return [realSums(view, { ...attrs, ...dims }, reading, input as Float32Array)];
  }
  const stage = outputStage(view, outC, 'per-channel');
  const starts = accumulatorStarts(stage);
  const weights = weightsOf(view);
  const x = input as Int8Array | Int16Array;
  const offset = inputOffset(view);
  const padding = inputZeroPoint(view) - offset;
  const sums = new Float64Array(outC);
  const output = allocateLike(outputOf(view));
  let out = 0;
  for (let n = 0; n < batches; n += 1) {
    for (let oy = 0; oy < outH; oy += 1) {
      for (let ox = 0; ox < outW; ox += 1) {
        sums.set(starts);
        for (let ky = 0; ky < kernelH; ky += 1) {
          const iy = oy * attrs.strideH - attrs.padTop + ky * attrs.dilationH;
          for (let kx = 0; kx < kernelW; kx += 1) {
            const ix = ox * attrs.strideW - attrs.padLeft + kx * attrs.dilationW;
            const inside = iy >= 0 && iy < inH && ix >= 0 && ix < inW;
            const from = ((n * inH + iy) * inW + ix) * inC;
            let o = 0;
            let weight = (ky * kernelW + kx) * outC;
            for (let c = 0; c < inC; c += 1) {
              const value = inside ? (x[from + c] as number) - offset : padding;
              for (let m = 0; m < multiplier; m += 1) {
                sums[o] = (sums[o] as number) + value * (weights[weight++] as number);
                o += 1;
              }
            }
          }
        }
        for (let o = 0; o < outC; o += 1) output[out++] = finish(stage, sums[o] as number, o);
      }
    }
  }
  return [output];
}

function accumulator(
  view: NodeView<DepthwiseConv2dAttrs>,
  [input]: readonly (ChannelBounds | null)[],
): ChannelBounds {
  const dims = depthwiseDims(view);
  const inputChannel = (channel: number) => Math.floor(channel / view.attrs.depthMultiplier);
  const reading = { ...dims, perTap: 1, inputChannel, insides: insidesOf(view.attrs, dims) };
  return accumulatorBounds(view, depthwiseFilters(view), reading, input as ChannelBounds);
}

function range(
  view: NodeView<DepthwiseConv2dAttrs>,
  inputs: readonly (ChannelBounds | null)[],
): readonly ChannelBounds[] {
  if (outputOf(view).dtype !== 'int8') return [clampBounds(view)];
  const stage = outputStage(view, depthwiseDims(view).outC, 'per-channel');
  return [stageBounds(stage, accumulator(view, inputs))];
}

function axes(view: NodeView<DepthwiseConv2dAttrs>): readonly Axis[] {
  const channels = { inputs: [3, 3, 0], output: 3, repeat: view.attrs.depthMultiplier };
  return [...imageAxes(view.attrs, depthwiseDims(view)), channels];
}

function macs(view: NodeView<DepthwiseConv2dAttrs>): number {
  const { batches, outH, outW, outC, kernelH, kernelW } = depthwiseDims(view);
  return batches * outH * outW * outC * kernelH * kernelW;
}

export const depthwiseConv2d = {
  name: 'depthwise_conv2d',
  types: layerTypes,
  infer,
  check: (view) => checkAccumulation(view, depthwiseFilters(view), { wideBiases: ['int64'] }),
  evaluate,
  macs,
  range,
  absorbs: { activation: true, pad: true, zeroPoint: true },
  filters: 'last',
  // 3×3 kernels are faster than kernels of any other size, smaller ones included.
  leastWindow: 3,
  accumulator,
  axes,
  inPlace: () => [],
} satisfies OpDef<DepthwiseConv2dAttrs>;
