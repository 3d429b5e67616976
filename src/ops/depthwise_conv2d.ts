/** depthwise_conv2d (DEPTHWISE_CONV_2D): NHWC × 1HWO, any depth multiplier, stride, dilation. */
import { BonsaiError } from '../errors.js';
import { at, elementCount, type NodeView, type Shape, type TensorData } from '../ir/graph.js';
import type { ChannelBounds, ChannelFlow, KernelCall, OpDef, Overlap } from '../ir/op.js';
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
import { accumulatorBounds, insidesOf, stageBounds } from './accumulator-bounds.js';
import { asRow, type Convolution } from './convolution.js';
import { multiplyKernel, multiplyWork, stageNumbers } from './dense.js';
import { smladDepthwise, smladDepthwise3x3 } from './dsp/depthwise.js';
import { smladDepthwiseTaps } from './dsp/depthwise-taps.js';
import { rowHalves } from './halves.js';
import { interleaveWeights, laneBlocks, lanes, stageTable } from './interleave.js';
import { vectorConvolution } from './mve/conv2d.js';
import { vectorDepthwise } from './mve/depthwise.js';
import { inputOf, outputOf } from './operands.js';
import { windowLead } from './overlap.js';
import { packedDepthwise } from './thumb1/depthwise.js';
import { windowedDepthwise } from './thumb1/depthwise-windows.js';
import { checkWindow, type Window, windowOutput } from './window.js';

export interface DepthwiseConv2dAttrs extends AccumulationAttrs, Window {
  /** Output channels of each input channel; they follow one another. */
  readonly depthMultiplier: number;
}

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
}

function dimsOf(view: NodeView<DepthwiseConv2dAttrs>): Dims {
  const [batches = 0, inH = 0, inW = 0, inC = 0] = inputOf(view, 0).shape;
  const [, kernelH = 0, kernelW = 0, outC = 0] = inputOf(view, 1).shape;
  const [outH, outW] = windowOutput([batches, inH, inW, inC], kernelH, kernelW, view.attrs);
  return { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW };
}

function filtersOf(view: NodeView<object>): Filters {
  const [, kernelH = 0, kernelW = 0, channels = 0] = inputOf(view, 1).shape;
  const position = (channel: number, i: number) => i * channels + channel;
  return { channels, axis: 3, depth: kernelH * kernelW, position };
}

function infer(view: NodeView<DepthwiseConv2dAttrs>): readonly Shape[] {
  const input = inputOf(view, 0).shape;
  const weights = inputOf(view, 1).shape;
  checkWindow(view, input, weights[1] ?? 0, weights[2] ?? 0);
  const { batches, inC, outH, outW, outC } = dimsOf(view);
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

/** One position at a time: all channels of a tap, then the next tap. */
function evaluate(
  view: NodeView<DepthwiseConv2dAttrs>,
  [input]: readonly (TensorData | null)[],
): readonly TensorData[] {
  const { attrs } = view;
  const { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW } = dimsOf(view);
  const multiplier = attrs.depthMultiplier;
  const stage = outputStage(view, outC, 'per-channel');
  const weights = weightsOf(view);
  const x = input as Int8Array;
  const offset = inputOffset(view);
  const padding = inputZeroPoint(view) - offset;
  const sums = new Int32Array(outC);
  const output = new Int8Array(elementCount(outputOf(view).shape));
  let out = 0;
  for (let n = 0; n < batches; n += 1) {
    for (let oy = 0; oy < outH; oy += 1) {
      for (let ox = 0; ox < outW; ox += 1) {
        sums.set(stage.biases);
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
  const dims = dimsOf(view);
  const inputChannel = (channel: number) => Math.floor(channel / view.attrs.depthMultiplier);
  const reading = { ...dims, perTap: 1, inputChannel, insides: insidesOf(view.attrs, dims) };
  return accumulatorBounds(view, filtersOf(view), reading, input as ChannelBounds);
}

function range(
  view: NodeView<DepthwiseConv2dAttrs>,
  inputs: readonly (ChannelBounds | null)[],
): readonly ChannelBounds[] {
  const stage = outputStage(view, dimsOf(view).outC, 'per-channel');
  return [stageBounds(stage, accumulator(view, inputs))];
}

function channels(view: NodeView<DepthwiseConv2dAttrs>): ChannelFlow {
  const tie = (input: number, repeat: number) => ({ input, output: 0, first: 0, repeat });
  return { kind: 'tied', ties: [tie(0, view.attrs.depthMultiplier), tie(1, 1), tie(2, 1)] };
}

/** Four neighbouring channels of the output do not read four neighbouring channels of the input. */
const isSpread = ({ attrs }: NodeView<DepthwiseConv2dAttrs>) => attrs.depthMultiplier > 1;

function lower(view: NodeView<DepthwiseConv2dAttrs>, by4: boolean): readonly KernelCall[] {
  const dims = asRow({ ...view.attrs, ...dimsOf(view) });
  const filters = filtersOf(view);
  const stage = outputStage(view, dims.outC, 'per-channel');
  const biases = biasesFor(view, filters, false);
  const groups = by4 ? laneBlocks(dims.outC) : Array.from({ length: dims.outC }, (_, c) => c);
  return [
    {
      inputs: [0],
      outputs: [0],
      flags: {
        single_rounding: stage.rounding === 'single',
        ...(by4 ? { spread: isSpread(view) } : {}),
      },
      numbers: {
        batches: dims.batches,
        in_h: dims.inH,
        in_w: dims.inW,
        in_c: dims.inC,
        in_zp: inputZeroPoint(view),
        kernel_h: dims.kernelH,
        kernel_w: dims.kernelW,
        stride_h: dims.strideH,
        stride_w: dims.strideW,
        dilation_h: dims.dilationH,
        dilation_w: dims.dilationW,
        pad_top: dims.padTop,
        pad_left: dims.padLeft,
        out_h: dims.outH,
        out_w: dims.outW,
        ...(by4 && !isSpread(view)
          ? {}
          : { out_c: dims.outC, depth_multiplier: view.attrs.depthMultiplier }),
        ...stageNumbers(stage),
      },
      tables: {
        weights: by4
          ? interleaveWeights(groups, weightsOf(view), filters, dims.outC)
          : { data: weightsOf(view), role: 'weights' },
        stage: stageTable(groups, stage, biases, dims.outC, by4 ? lanes : 1),
      },
    },
  ];
}

function macs(view: NodeView<DepthwiseConv2dAttrs>): number {
  const { batches, outH, outW, outC, kernelH, kernelW } = dimsOf(view);
  return batches * outH * outW * outC * kernelH * kernelW;
}

/** For kernels that walk over windows. */
function convolutionOf(view: NodeView<DepthwiseConv2dAttrs>): Convolution {
  const dims = dimsOf(view);
  return {
    shape: { ...view.attrs, ...dims },
    filters: filtersOf(view),
    stage: outputStage(view, dims.outC, 'per-channel'),
  };
}

/** Of a kernel that goes pixel after pixel, in each over so many channels at once. */
function overlaps(view: NodeView<DepthwiseConv2dAttrs>, channelBlock: number): readonly Overlap[] {
  const lead = windowLead(convolutionOf(view).shape, { channelBlock, depthwise: true });
  return [{ input: 0, lead, exact: false }];
}

export const depthwiseConv2d = {
  name: 'depthwise_conv2d',
  infer,
  check: (view) => checkAccumulation(view, filtersOf(view)),
  evaluate,
  macs,
  range,
  absorbs: { activation: true, pad: true, zeroPoint: 'last' },
  // Kernels of three rows and columns are faster than those of any others, fewer ones too.
  leastWindow: 3,
  accumulator,
  channels,
  inPlace: () => [],
  halves: (view) => rowHalves(view, dimsOf(view).kernelH),
  variants: [
    smladDepthwise(convolutionOf),
    smladDepthwise3x3((view) => view.attrs.depthMultiplier === 1, convolutionOf),
    smladDepthwiseTaps(convolutionOf),
    packedDepthwise(() => true, convolutionOf),
    windowedDepthwise((view) => view.attrs.depthMultiplier === 1, convolutionOf),
    vectorDepthwise(convolutionOf),
    // All channels of the output read the same: a plain convolution.
    vectorConvolution((view) => dimsOf(view).inC === 1, convolutionOf),
    {
      ...multiplyKernel('depthwise_conv2d_by4', ['mac4', 'mac4_spread', 'clip_taps']),
      when: (view) => dimsOf(view).outC >= lanes,
      work(view) {
        const { macs: each, ...rest } = multiplyWork(view, macs(view), isSpread(view) ? 14 : 11);
        return { [isSpread(view) ? 'spread_macs' : 'macs']: each, ...rest };
      },
      overlap: (view) => overlaps(view, lanes),
      lower: (view) => lower(view, true),
    },
    {
      ...multiplyKernel('depthwise_conv2d', ['clip_taps']),
      when: () => true,
      work: (view) => multiplyWork(view, macs(view), 20),
      overlap: (view) => overlaps(view, 1),
      lower: (view) => lower(view, false),
    },
  ],
} satisfies OpDef<DepthwiseConv2dAttrs>;
