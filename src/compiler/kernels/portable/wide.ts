/**
 * conv2d, depthwise_conv2d and fully_connected of int16 inputs and int8 weights: four output
 * channels at once, pixel after pixel. Sums have 32 bits where the weights prove that no input can
 * make them leave these, otherwise 64.
 */
import { elementCount, type NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  accumulatorStarts,
  type OutputStage,
  outputStage,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { accumulatorReach } from '../../ops/arithmetic/accumulator-reach.js';
import type { Multiplier, ReducedMultiplier } from '../../ops/arithmetic/quant.js';
import { type Conv2dAttrs, conv2d, conv2dDims, conv2dFilters } from '../../ops/conv2d.js';
import { type DepthwiseConv2dAttrs, depthwiseConv2d } from '../../ops/depthwise_conv2d.js';
import { type FullyConnectedAttrs, fullyConnected } from '../../ops/fully_connected.js';
import { outputOf } from '../../ops/shape/operands.js';
import { type TransposeConvAttrs, transposeConv } from '../../ops/transpose_conv.js';
import {
  asRow,
  type Convolution,
  convolutionOf,
  depthwiseOf,
  fullyConnectedOf,
} from '../layout/convolution.js';
import { interleaveWeights, laneBlocks, lanes, storedLanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { phasesOf, spreadCall } from '../layout/phases.js';
import { windowNumbers } from '../layout/window-numbers.js';
import type { Kernel, KernelCall, KernelVariant, Overlap, Table } from '../variant.js';
import { noRounding, roundingFlags } from './dense.js';

/** Bytes of an int16: leads are counted in elements. */
export const elementBytes = 2;

const traits = { needs: [], types: ['int16'] } as const;

export const wideConvolution: KernelVariant<Conv2dAttrs> = {
  ...traits,
  template: 'portable/conv2d_16x8',
  match: (view) => kernelOf(view, convolutionOf(view), conv2dDims(view).groups, conv2d.macs(view)),
};

export const wideFullyConnected: KernelVariant<FullyConnectedAttrs> = {
  ...traits,
  template: 'portable/conv2d_16x8',
  match: (view) => kernelOf(view, fullyConnectedOf(view), 1, fullyConnected.macs(view)),
};

export const wideDepthwise: KernelVariant<DepthwiseConv2dAttrs> = {
  ...traits,
  template: 'portable/depthwise_conv2d_16x8',
  match(view) {
    const convolution = depthwiseOf(view);
    const { shape, stage } = convolution;
    const sums = sumsOf(view, convolution);
    return {
      scratchBytes: 0,
      overlaps: overlapsOf(shape, { channelBlock: 1, depthwise: true }),
      work: () =>
        workOf(outputsOf(shape), depthwiseConv2d.macs(view), { macs: 12, outputs: 60 }, sums),
      calls: () => [
        {
          ...{ inputs: [0], outputs: [0], flags: { wide: sums === 'wide' } },
          numbers: {
            ...windowOf(shape),
            ...{ out_c: shape.outC, depth_multiplier: view.attrs.depthMultiplier },
            ...{ low: stage.min, high: stage.max },
          },
          tables: {
            weights: { data: weightsOf(view), role: 'weights' },
            ...stageTables(
              Array.from({ length: shape.outC }, (_, c) => c),
              stage,
              sums,
            ),
          },
        },
      ],
    };
  },
};

export const wideTransposeConv: KernelVariant<TransposeConvAttrs> = {
  ...traits,
  template: 'portable/transpose_conv_16x8',
  text: 'portable/conv2d_16x8',
  match(view) {
    const phases = phasesOf(view).map(({ convolution, spread }) => ({
      ...{ view: convolution, spread, convolution: convolutionIn(convolution) },
    }));
    const sums = phases.some((phase) => sumsOf(phase.view, phase.convolution) === 'wide')
      ? 'wide'
      : 'reduced';
    return {
      scratchBytes: 0,
      overlaps: [],
      work: () => {
        const outC = outputOf(view).shape[3] ?? 1;
        const computed = (transposeConv.macs(view) * lanes * laneBlocks(outC).length) / outC;
        return workOf(elementCount(outputOf(view).shape), computed, { macs: 6, outputs: 70 }, sums);
      },
      calls: () =>
        phases.map((phase) =>
          spreadCall(callOf(phase.view, phase.convolution, 1, 0, sums), phase.spread),
        ),
    };
  },
};

/** A convolution whose rows and columns stay what they are. */
const convolutionIn = (view: NodeView<Conv2dAttrs>): Convolution => ({
  shape: { ...view.attrs, ...conv2dDims(view) },
  filters: conv2dFilters(view),
  stage: outputStage(view, conv2dDims(view).outC, 'per-channel'),
});

/**
 * How a kernel adds up and requantizes. reduced: 32-bit sums by a multiplier of 15 bits; wide: the
 * same of 64 bits; whole: 32-bit sums by a multiplier of 31 bits, as of int8 inputs; real: sums of 64
 * bits by a double, which portable kernels alone do.
 */
export type Sums = IntegerSums | 'real';
export type IntegerSums = 'reduced' | 'wide' | 'whole';

/**
 * 32 bits hold every partial sum if they hold |bias| + Σ|w|·2^15. The stage in 32 bits needs a right
 * shift of 17 at least (the helper portable/requantize_reduced has the proof).
 */
export function sumsOf(
  view: NodeView<AccumulationAttrs>,
  { stage, filters }: Pick<Convolution, 'stage' | 'filters'>,
): Sums {
  if (stage.wide === undefined) return 'whole';
  const { multipliers, scales } = stage.wide;
  if (scales !== undefined) return 'real';
  const isNarrow = accumulatorReach(view, filters).every((reach, channel) =>
    isReducible(reach, multipliers[channel] as ReducedMultiplier),
  );
  return isNarrow ? 'reduced' : 'wide';
}

/** Whether sums of up to `reach` can be 'reduced'. */
export const isReducible = (reach: number, { multiplier, shift }: ReducedMultiplier): boolean =>
  reach < 2 ** 31 && (multiplier === 0 || shift >= 17);

function kernelOf(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  groups: number,
  macs: number,
): Kernel {
  const sums = sumsOf(view, convolution);
  const shape = asRow(convolution.shape);
  const blocks = laneBlocks(shape.outC / groups).length * groups;
  const computed = (macs * lanes * blocks) / shape.outC;
  return {
    scratchBytes: 0,
    weightPasses: shape.batches * shape.outH * shape.outW,
    overlaps: groups > 1 ? [] : overlapsOf(shape, { channelBlock: lanes }),
    work: () => workOf(outputsOf(shape), computed, { macs: 6, outputs: 70 }, sums),
    calls: () =>
      Array.from({ length: groups }, (_, group) =>
        callOf(view, { ...convolution, shape }, groups, group, sums),
      ),
  };
}

function overlapsOf(shape: WindowShape, how: Parameters<typeof windowLead>[1]): readonly Overlap[] {
  return [{ input: 0, lead: elementBytes * windowLead(shape, how), exact: false }];
}

function workOf(
  outputs: number,
  macs: number,
  cycles: { readonly macs: number; readonly outputs: number },
  sums: Sums,
) {
  const isWide = has64Bits(sums);
  return {
    [isWide ? 'wide_macs' : 'macs']: { count: macs, cycles: cycles.macs * (isWide ? 2 : 1) },
    outputs: { count: outputs, cycles: cycles.outputs * (isWide ? 3 : 1) },
  };
}

const has64Bits = (sums: Sums) => sums === 'wide' || sums === 'real';

const outputsOf = ({ batches, outH, outW, outC }: WindowShape) => batches * outH * outW * outC;

const windowOf = (shape: WindowShape) => ({
  ...{ batches: shape.batches, in_h: shape.inH, in_w: shape.inW, in_c: shape.inC },
  ...windowNumbers(shape),
});

/** The call for one group of a convolution. */
function callOf(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage }: Convolution,
  groups: number,
  group: number,
  sums: Sums,
): KernelCall {
  const channels = shape.outC / groups;
  const filterC = shape.inC / groups;
  const first = group * channels;
  const blocks = laneBlocks(channels, first);
  const inLanes = blocks.flatMap((block) => Array.from({ length: lanes }, (_, i) => block + i));
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      ...{ wide: has64Bits(sums), reduced: sums === 'reduced', real: sums === 'real' },
      ...(sums === 'whole' ? roundingFlags(stage) : noRounding),
      by_tap: shape.dilationW > 1 || groups > 1,
      spread: false,
    },
    words: { scale: scaleHelper(sums) },
    numbers: {
      ...windowOf(shape),
      ...{ filter_c: filterC, in_first: group * filterC },
      ...{ out_c: shape.outC, out_first: first, channels, lanes: storedLanes(channels) },
      ...{ low: stage.min, high: stage.max },
    },
    tables: {
      weights: interleaveWeights(blocks, weightsOf(view), filters, first + channels),
      ...stageTables(
        inLanes.map((channel) => (channel < first + channels ? channel : -1)),
        stage,
        sums,
      ),
    },
  };
}

/** The helper that brings integer sums to the output's scale. */
export function scaleHelper(sums: Sums): string {
  return sums === 'whole' ? 'portable/requantize' : `portable/requantize_${sums}`;
}

/** Multiplier and shift of a channel, as the kernels of these sums read them. */
export function scaleRow({ multipliers, wide }: OutputStage, sums: Sums, channel: number) {
  return scaleWords((wide?.multipliers ?? multipliers)[channel] ?? noScale, sums);
}

const noScale = { multiplier: 0, shift: 0 };

export function scaleWords(
  { multiplier, shift }: Multiplier | ReducedMultiplier,
  sums: Sums,
): readonly [multiplier: number, shift: number] {
  if (sums !== 'reduced') return [multiplier, shift];
  return [multiplier, multiplier === 0 ? 1 : shift - 16];
}

/** Bias, multiplier and shift of each channel; of 64 bits the biases apart. −1: an unused lane. */
function stageTables(
  channels: readonly number[],
  stage: OutputStage,
  sums: Sums,
): Readonly<Record<string, Table>> {
  const biases = accumulatorStarts(stage);
  const wideBiases = (): Table => {
    const data = BigInt64Array.from(channels, (channel) => BigInt(biases[channel] ?? 0));
    return { data, role: 'table' };
  };
  if (sums === 'real') {
    const scales = Float64Array.from(channels, (channel) => stage.wide?.scales?.[channel] ?? 0);
    const bits = new BigInt64Array(scales.buffer);
    return { scales: { data: bits, role: 'table' }, biases: wideBiases() };
  }
  const row = (channel: number): readonly number[] => {
    if (channel < 0) return [0, 0, 1];
    const bias = sums === 'wide' ? 0 : (biases[channel] as number);
    return [bias, ...scaleRow(stage, sums, channel)];
  };
  const table: Table = { data: Int32Array.from(channels.flatMap(row)), role: 'table' };
  if (sums !== 'wide') return { stage: table };
  return { stage: table, biases: wideBiases() };
}
