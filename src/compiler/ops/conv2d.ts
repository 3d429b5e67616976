/** conv2d (CONV_2D): NHWC × OHWI, any stride, dilation and padding; grouped where I divides C. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView, type Shape, type TensorData } from '../ir/graph.js';
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
import { addResidual, checkResidual, residualBounds } from './arithmetic/residual.js';
import { imageAxes } from './shape/axes.js';
import { inputOf, outputOf } from './shape/operands.js';
import { checkWindow, type Window, type WindowDims, windowOutput } from './shape/window.js';

export interface Conv2dAttrs extends AccumulationAttrs, Window {}

export interface Conv2dDims extends WindowDims {
  /** Input channels of one filter: inC / groups. */
  readonly filterC: number;
  readonly groups: number;
}

export function conv2dDims(view: NodeView<Conv2dAttrs>): Conv2dDims {
  const [batches = 0, inH = 0, inW = 0, inC = 0] = inputOf(view, 0).shape;
  const weights = inputOf(view, 1).shape;
  const [outC = 0, kernelH = 0, kernelW = 0, filterC = 0] = weights;
  const [outH, outW] = windowOutput([batches, inH, inW, inC], kernelH, kernelW, view.attrs);
  const groups = inC / filterC;
  return { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW, filterC, groups };
}

export function conv2dFilters(view: NodeView<object>): Filters {
  const [channels = 0, ...rest] = inputOf(view, 1).shape;
  const depth = elementCount(rest);
  return { channels, axis: 0, depth, position: (channel, i) => channel * depth + i };
}

function conv2dReading({ kernelH, kernelW, filterC, groups, outC }: Conv2dDims): RealReading {
  return {
    perTap: filterC,
    firstInput: (channel) => Math.floor((channel * groups) / outC) * filterC,
    weight: (channel, tap, i) => (channel * kernelH * kernelW + tap) * filterC + i,
  };
}

function infer(view: NodeView<Conv2dAttrs>): readonly Shape[] {
  const input = inputOf(view, 0).shape;
  const weights = inputOf(view, 1).shape;
  checkWindow(view, input, weights[1] ?? 0, weights[2] ?? 0);
  const dims = conv2dDims(view);
  const isGrouped = Number.isInteger(dims.groups) && dims.outC % dims.groups === 0;
  if (weights.length !== 4 || dims.outC < 1 || !isGrouped) {
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `weights [${weights}] do not fit input [${input}]`,
      'the channels of a filter times the number of groups must be the channels of the input',
    );
  }
  return [[dims.batches, dims.outH, dims.outW, dims.outC]];
}

/**
 * Gathers the window's values once for each position, so that every channel is one dot product over
 * contiguous memory.
 */
function evaluate(
  view: NodeView<Conv2dAttrs>,
  [input, , , skip]: readonly (TensorData | null)[],
): readonly TensorData[] {
  const { attrs } = view;
  const dims = conv2dDims(view);
  if (isReal(view)) {
    return [realSums(view, { ...attrs, ...dims }, conv2dReading(dims), input as Float32Array)];
  }
  const { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW, filterC, groups } = dims;
  const stage = outputStage(view, outC, 'per-channel');
  const starts = accumulatorStarts(stage);
  const weights = weightsOf(view);
  const x = input as Int8Array | Int16Array;
  const offset = inputOffset(view);
  const padding = inputZeroPoint(view) - offset;
  const depth = kernelH * kernelW * filterC;
  const perGroup = outC / groups;
  const patch = new Int32Array(depth);
  const output = allocateLike(outputOf(view));
  let out = 0;
  for (let n = 0; n < batches; n += 1) {
    for (let oy = 0; oy < outH; oy += 1) {
      for (let ox = 0; ox < outW; ox += 1) {
        for (let group = 0; group < groups; group += 1) {
          let to = 0;
          for (let ky = 0; ky < kernelH; ky += 1) {
            const iy = oy * attrs.strideH - attrs.padTop + ky * attrs.dilationH;
            for (let kx = 0; kx < kernelW; kx += 1) {
              const ix = ox * attrs.strideW - attrs.padLeft + kx * attrs.dilationW;
              if (iy < 0 || iy >= inH || ix < 0 || ix >= inW) {
                patch.fill(padding, to, to + filterC);
                to += filterC;
                continue;
              }
              const from = ((n * inH + iy) * inW + ix) * inC + group * filterC;
              for (let c = 0; c < filterC; c += 1) patch[to++] = (x[from + c] as number) - offset;
            }
          }
          for (let o = group * perGroup; o < (group + 1) * perGroup; o += 1) {
            let sum = starts[o] as number;
            const row = o * depth;
            for (let i = 0; i < depth; i += 1) {
              sum += (patch[i] as number) * (weights[row + i] as number);
            }
            output[out++] = finish(stage, sum, o);
          }
        }
      }
    }
  }
  return [addResidual(view, output as Int8Array, skip)];
}

function accumulator(
  view: NodeView<Conv2dAttrs>,
  [input]: readonly (ChannelBounds | null)[],
): ChannelBounds {
  const dims = conv2dDims(view);
  const { filterC, outC, groups } = dims;
  const inputChannel = (channel: number, i: number) =>
    Math.floor((channel * groups) / outC) * filterC + (i % filterC);
  const reading = { ...dims, perTap: filterC, inputChannel, insides: insidesOf(view.attrs, dims) };
  return accumulatorBounds(view, conv2dFilters(view), reading, input as ChannelBounds);
}

function range(
  view: NodeView<Conv2dAttrs>,
  inputs: readonly (ChannelBounds | null)[],
): readonly ChannelBounds[] {
  if (outputOf(view).dtype !== 'int8') return [clampBounds(view)];
  const stage = outputStage(view, conv2dDims(view).outC, 'per-channel');
  return [residualBounds(view, stageBounds(stage, accumulator(view, inputs)), inputs)];
}

function axes(view: NodeView<Conv2dAttrs>): readonly Axis[] {
  const { groups, ...dims } = conv2dDims(view);
  return [
    ...imageAxes(view.attrs, dims),
    { inputs: [3, 3], output: null, groups },
    { inputs: [null, 0, 0, 3], output: 3, groups },
  ];
}

function macs(view: NodeView<Conv2dAttrs>): number {
  const { batches, outH, outW, outC, kernelH, kernelW, filterC } = conv2dDims(view);
  return batches * outH * outW * outC * kernelH * kernelW * filterC;
}

export const conv2d = {
  name: 'conv2d',
  types: layerTypes,
  infer,
  check(view) {
    checkAccumulation(view, conv2dFilters(view));
    checkResidual(view);
  },
  evaluate,
  macs,
  range,
  absorbs: { activation: true, pad: true, residual: true, zeroPoint: true },
  filters: 'first',
  leastWindow: 1,
  accumulator,
  axes,
  inPlace: () => [],
} satisfies OpDef<Conv2dAttrs>;
