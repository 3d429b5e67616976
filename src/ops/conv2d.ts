/** conv2d (CONV_2D): NHWC × OHWI, any stride, dilation and padding; grouped where I divides C. */
import { BonsaiError } from '../errors.js';
import { at, elementCount, type NodeView, type Shape, type TensorData } from '../ir/graph.js';
import type { ChannelBounds, ChannelFlow, KernelCall, OpDef } from '../ir/op.js';
import {
  type AccumulationAttrs,
  biasesFor,
  checkAccumulation,
  type Filters,
  finish,
  inputOffset,
  inputZeroPoint,
  outputStage,
  weightsOf,
} from './accumulation.js';
import { accumulatorBounds, insidesOf, paddedTaps, stageBounds } from './accumulator-bounds.js';
import { asRow, type Convolution } from './convolution.js';
import {
  fullyConnectedCalls,
  multiplyWork,
  pixelOverlaps,
  residualKernel,
  stageNumbers,
} from './dense.js';
import { smladConvolution, smladRow } from './dsp/multiply.js';
import { sparseConvolutions } from './dsp/sparse.js';
import { pixelHalves, rowHalves } from './halves.js';
import { interleaveWeights, laneBlocks, stageTable, storedLanes } from './interleave.js';
import { vectorConvolution } from './mve/conv2d.js';
import { gatheredConvolution } from './mve/sparse.js';
import { inputOf, outputOf } from './operands.js';
import {
  addResidual,
  checkResidual,
  hasResidual,
  residualBounds,
  residualOperands,
  residualVariants,
} from './residual.js';
import { packedKernel } from './sparse/index.js';
import { lanesKernel } from './swar/conv2d.js';
import { pixelsKernel, sparsePixelsKernel } from './swar/pixels.js';
import { codedConvolution } from './thumb1/conv2d.js';
import { checkWindow, type Window, windowOutput } from './window.js';

export interface Conv2dAttrs extends AccumulationAttrs, Window {}

interface Dims {
  readonly batches: number;
  readonly inH: number;
  readonly inW: number;
  readonly inC: number;
  readonly outH: number;
  readonly outW: number;
  readonly outC: number;
  readonly kernelH: number;
  readonly kernelW: number;
  /** Input channels of one filter: inC / groups. */
  readonly filterC: number;
  readonly groups: number;
}

function dimsOf(view: NodeView<Conv2dAttrs>): Dims {
  const [batches = 0, inH = 0, inW = 0, inC = 0] = inputOf(view, 0).shape;
  const weights = inputOf(view, 1).shape;
  const [outC = 0, kernelH = 0, kernelW = 0, filterC = 0] = weights;
  const [outH, outW] = windowOutput([batches, inH, inW, inC], kernelH, kernelW, view.attrs);
  const groups = inC / filterC;
  return { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW, filterC, groups };
}

function filtersOf(view: NodeView<object>): Filters {
  const [channels = 0, ...rest] = inputOf(view, 1).shape;
  const depth = elementCount(rest);
  return { channels, axis: 0, depth, position: (channel, i) => channel * depth + i };
}

function infer(view: NodeView<Conv2dAttrs>): readonly Shape[] {
  const input = inputOf(view, 0).shape;
  const weights = inputOf(view, 1).shape;
  checkWindow(view, input, weights[1] ?? 0, weights[2] ?? 0);
  const dims = dimsOf(view);
  const isGrouped = Number.isInteger(dims.groups) && dims.outC % dims.groups === 0;
  if (weights.length !== 4 || dims.outC < 1 || !isGrouped) {
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `weights [${weights}] do not fit input [${input}]`,
      'the input channels of a filter times the number of groups are the channels of the input',
    );
  }
  return [[dims.batches, dims.outH, dims.outW, dims.outC]];
}

/**
 * The window's values are gathered once for each position, so that every channel is one dot
 * product over contiguous memory.
 */
function evaluate(
  view: NodeView<Conv2dAttrs>,
  [input, , , skip]: readonly (TensorData | null)[],
): readonly TensorData[] {
  const { attrs } = view;
  const dims = dimsOf(view);
  const { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW, filterC, groups } = dims;
  const stage = outputStage(view, outC, 'per-channel');
  const weights = weightsOf(view);
  const x = input as Int8Array;
  const offset = inputOffset(view);
  const padding = inputZeroPoint(view) - offset;
  const depth = kernelH * kernelW * filterC;
  const perGroup = outC / groups;
  const patch = new Int32Array(depth);
  const output = new Int8Array(elementCount(outputOf(view).shape));
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
            let sum = stage.biases[o] as number;
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
  return [addResidual(view, output, skip)];
}

function accumulator(
  view: NodeView<Conv2dAttrs>,
  [input]: readonly (ChannelBounds | null)[],
): ChannelBounds {
  const dims = dimsOf(view);
  const { filterC, outC, groups } = dims;
  const inputChannel = (channel: number, i: number) =>
    Math.floor((channel * groups) / outC) * filterC + (i % filterC);
  const reading = { ...dims, perTap: filterC, inputChannel, insides: insidesOf(view.attrs, dims) };
  return accumulatorBounds(view, filtersOf(view), reading, input as ChannelBounds);
}

function range(
  view: NodeView<Conv2dAttrs>,
  inputs: readonly (ChannelBounds | null)[],
): readonly ChannelBounds[] {
  const stage = outputStage(view, dimsOf(view).outC, 'per-channel');
  return [residualBounds(view, stageBounds(stage, accumulator(view, inputs)), inputs)];
}

/** Channels of groups stay: groups are of one size. */
function channels(view: NodeView<Conv2dAttrs>): ChannelFlow | null {
  const dims = dimsOf(view);
  if (dims.groups > 1 || hasResidual(view)) return null;
  return { kind: 'mixed', padded: paddedTaps(dims, insidesOf(view.attrs, dims)) };
}

/** One input pixel for each output pixel, in order: a fully connected layer over pixels. */
function isPointwise(view: NodeView<Conv2dAttrs>): boolean {
  const { strideH, strideW, padTop, padBottom, padLeft, padRight } = view.attrs;
  const { kernelH, kernelW, groups } = dimsOf(view);
  const pads = padTop + padBottom + padLeft + padRight;
  return groups === 1 && kernelH * kernelW * strideH * strideW === 1 && pads === 0;
}

/** One call for each convolution group. */
function lower(view: NodeView<Conv2dAttrs>): readonly KernelCall[] {
  const shape = asRow({ ...view.attrs, ...dimsOf(view) });
  const { batches, inC, outC, filterC, groups } = shape;
  const stage = outputStage(view, outC, 'per-channel');
  const filters = filtersOf(view);
  const biases = biasesFor(view, filters, true);
  const channels = outC / groups;
  const operands = residualOperands(view);
  return Array.from({ length: groups }, (_, group): KernelCall => {
    const blocks = laneBlocks(channels, group * channels);
    const end = (group + 1) * channels;
    return {
      ...operands,
      flags: {
        ...operands.flags,
        by_tap: shape.dilationW > 1 || groups > 1,
        single_rounding: stage.rounding === 'single',
      },
      numbers: {
        ...operands.numbers,
        batches,
        in_h: shape.inH,
        in_w: shape.inW,
        in_c: inC,
        in_first: group * filterC,
        in_zp: inputZeroPoint(view),
        kernel_h: shape.kernelH,
        kernel_w: shape.kernelW,
        filter_c: filterC,
        stride_h: shape.strideH,
        stride_w: shape.strideW,
        dilation_h: shape.dilationH,
        dilation_w: shape.dilationW,
        pad_top: shape.padTop,
        pad_left: shape.padLeft,
        out_h: shape.outH,
        out_w: shape.outW,
        out_c: outC,
        out_first: group * channels,
        channels,
        lanes: storedLanes(channels),
        ...stageNumbers(stage),
      },
      tables: {
        ...operands.tables,
        weights: interleaveWeights(blocks, weightsOf(view), filters, end),
        stage: stageTable(blocks, stage, biases, end),
      },
    };
  });
}

function macs(view: NodeView<Conv2dAttrs>): number {
  const { batches, outH, outW, outC, kernelH, kernelW, filterC } = dimsOf(view);
  return batches * outH * outW * outC * kernelH * kernelW * filterC;
}

function pixelsOf(view: NodeView<Conv2dAttrs>): number {
  const { batches, outH, outW } = dimsOf(view);
  return batches * outH * outW;
}

/** For kernels that gather windows; pixels of a pointwise one are a single row. */
function convolutionOf(view: NodeView<Conv2dAttrs>): Convolution {
  const dims = dimsOf(view);
  const pixels = pixelsOf(view);
  const row = { batches: 1, inH: 1, outH: 1, inW: pixels, outW: pixels };
  return {
    shape: { ...view.attrs, ...dims, ...(isPointwise(view) ? row : {}) },
    filters: filtersOf(view),
    stage: outputStage(view, dims.outC, 'per-channel'),
  };
}

/** For those that gather windows row by row. */
function rowConvolutionOf(view: NodeView<Conv2dAttrs>): Convolution {
  const convolution = convolutionOf(view);
  return { ...convolution, shape: asRow(convolution.shape) };
}

export const conv2d = {
  name: 'conv2d',
  infer,
  check(view) {
    checkAccumulation(view, filtersOf(view));
    checkResidual(view);
  },
  evaluate,
  macs,
  range,
  absorbs: { activation: true, pad: true, residual: true, zeroPoint: 'first' },
  leastWindow: 1,
  accumulator,
  channels,
  inPlace: () => [],
  halves: (view) => (isPointwise(view) ? pixelHalves(view) : rowHalves(view, dimsOf(view).kernelH)),
  variants: residualVariants([
    smladRow(isPointwise, convolutionOf),
    smladConvolution((view) => dimsOf(view).groups === 1, convolutionOf),
    ...sparseConvolutions((view) => dimsOf(view).groups === 1, convolutionOf),
    vectorConvolution((view) => dimsOf(view).groups === 1, convolutionOf),
    gatheredConvolution((view) => dimsOf(view).groups === 1, convolutionOf),
    codedConvolution((view) => dimsOf(view).groups === 1, convolutionOf),
    lanesKernel((view) => dimsOf(view).groups === 1, rowConvolutionOf),
    pixelsKernel((view) => dimsOf(view).groups === 1, rowConvolutionOf),
    sparsePixelsKernel((view) => dimsOf(view).groups === 1, rowConvolutionOf),
    {
      ...residualKernel('fully_connected', ['dot4']),
      when: isPointwise,
      work: (view) => multiplyWork(view, macs(view), 5.5),
      weightPasses: pixelsOf,
      overlap: (view) => pixelOverlaps(view, convolutionOf(view).shape),
      lower(view, context) {
        const { filters, stage } = convolutionOf(view);
        return fullyConnectedCalls(view, filters, stage, context);
      },
    },
    {
      ...residualKernel('conv2d', ['dot4', 'pad4', 'clip_taps']),
      when: () => true,
      work(view) {
        const { outC, kernelH, groups } = asRow({ ...view.attrs, ...dimsOf(view) });
        const blocks = groups * laneBlocks(outC / groups).length;
        const segments = pixelsOf(view) * blocks * kernelH;
        return {
          ...multiplyWork(view, macs(view), 6.2),
          segments: { count: segments, cycles: 40 },
        };
      },
      weightPasses: pixelsOf,
      overlap: (view) => pixelOverlaps(view, convolutionOf(view).shape, dimsOf(view).groups),
      lower,
    },
    packedKernel('packed', (view) => dimsOf(view).groups === 1, convolutionOf),
    packedKernel('coded', (view) => dimsOf(view).groups === 1, convolutionOf),
  ]),
} satisfies OpDef<Conv2dAttrs>;
