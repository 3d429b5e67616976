/** Layers and pools of float32: the order of TFLM's reference kernels on every core. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { realRange } from '../../ops/arithmetic/plain.js';
import type { Clamp } from '../../ops/arithmetic/quant.js';
import { type Conv2dAttrs, conv2d, conv2dDims } from '../../ops/conv2d.js';
import {
  type DepthwiseConv2dAttrs,
  depthwiseConv2d,
  depthwiseDims,
} from '../../ops/depthwise_conv2d.js';
import {
  type FullyConnectedAttrs,
  fullyConnected,
  rowCount,
  rowFilters,
} from '../../ops/fully_connected.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import type { PoolAttrs } from '../../ops/shape/pool.js';
import { rowWindow } from '../../ops/shape/window.js';
import { type TransposeConvAttrs, transposeConv } from '../../ops/transpose_conv.js';
import type { WindowShape } from '../layout/overlap.js';
import { phasesOf, spreadCall } from '../layout/phases.js';
import { windowNumbers } from '../layout/window-numbers.js';
import type { Kernel, KernelCall, KernelVariant, Table } from '../variant.js';
import { windowOfPool } from './pool.js';

export const realTraits = { needs: [], types: ['float32'] } as const;

export const realConvolution: KernelVariant<Conv2dAttrs> = {
  ...realTraits,
  template: 'portable/conv2d_f32',
  match: (view) => realKernel(view, conv2d.macs(view), () => convolutionCalls(view)),
};

export const realFullyConnected: KernelVariant<FullyConnectedAttrs> = {
  ...realTraits,
  template: 'portable/conv2d_f32',
  match: (view) =>
    realKernel(view, fullyConnected.macs(view), () => {
      const { channels, depth } = rowFilters(view);
      return groupCalls(view, rowWindow(rowCount(view), depth, channels), 1);
    }),
};

export const realTransposeConv: KernelVariant<TransposeConvAttrs> = {
  ...realTraits,
  template: 'portable/transpose_conv_f32',
  text: 'portable/conv2d_f32',
  match: (view) =>
    realKernel(view, transposeConv.macs(view), () =>
      phasesOf(view).flatMap(({ convolution, spread }) =>
        convolutionCalls(convolution).map((call) => spreadCall(call, spread)),
      ),
    ),
};

export const realDepthwise: KernelVariant<DepthwiseConv2dAttrs> = {
  ...realTraits,
  template: 'portable/depthwise_conv2d_f32',
  match: (view) =>
    realKernel(view, depthwiseConv2d.macs(view), () => {
      const shape = { ...view.attrs, ...depthwiseDims(view) };
      const { depthMultiplier } = view.attrs;
      return [
        {
          ...{ inputs: [0], outputs: [0] },
          flags: { bias: view.inputs[2] != null },
          numbers: {
            ...numbersOf(shape),
            ...{ out_c: shape.outC, depth_multiplier: depthMultiplier },
          },
          tables: tablesOf(view, 0, elementCount(inputOf(view, 1).shape), 0, shape.outC),
        },
      ];
    }),
};

export function realPool<A extends PoolAttrs>(
  name: string,
  result: 'maximum' | 'mean' | 'root',
): KernelVariant<A> {
  return {
    ...realTraits,
    template: `portable/${name}_f32`,
    text: 'portable/pool_f32',
    match(view) {
      const outputs = elementCount(outputOf(view).shape);
      const { kernelH, kernelW, activation } = view.attrs;
      return {
        ...{ scratchBytes: 0, overlaps: [] },
        work: () => ({
          outputs: { count: outputs, cycles: 120 },
          taps: { count: outputs * kernelH * kernelW, cycles: 40 },
        }),
        calls: () => [
          {
            ...{ inputs: [0], outputs: [0] },
            flags: { maximum: result === 'maximum', root: result === 'root' },
            numbers: windowOfPool(view),
            tables: { clamp: clampTable(activation) },
          },
        ],
      };
    },
  };
}

/** null where weights are integers, as in models that are to be compressed. */
export function realKernel(
  view: NodeView<object>,
  macs: number,
  calls: () => readonly KernelCall[],
): Kernel | null {
  if (inputOf(view, 1).dtype !== 'float32') return null;
  const outputs = elementCount(outputOf(view).shape);
  return {
    ...{ scratchBytes: 0, overlaps: [], calls },
    // Of cores without a floating-point unit: two calls of the library a product.
    work: () => ({
      macs: { count: macs, cycles: 120 },
      outputs: { count: outputs, cycles: 150 },
    }),
  };
}

function convolutionCalls(view: NodeView<Conv2dAttrs>): readonly KernelCall[] {
  const dims = conv2dDims(view);
  return groupCalls(view, { ...view.attrs, ...dims }, dims.groups);
}

/** One call for each group of a convolution. */
function groupCalls(
  view: NodeView<{ readonly activation: Clamp }>,
  shape: WindowShape,
  groups: number,
): readonly KernelCall[] {
  const channels = shape.outC / groups;
  const filterC = shape.inC / groups;
  const perFilter = shape.kernelH * shape.kernelW * filterC;
  return Array.from({ length: groups }, (_, group): KernelCall => {
    const first = group * channels;
    return {
      ...{ inputs: [0], outputs: [0] },
      flags: { bias: view.inputs[2] != null, spread: false },
      numbers: {
        ...numbersOf(shape),
        ...{ filter_c: filterC, in_first: group * filterC },
        ...{ out_c: shape.outC, out_first: first, channels },
      },
      tables: tablesOf(view, first * perFilter, channels * perFilter, first, channels),
    };
  });
}

const numbersOf = (shape: WindowShape) => ({
  ...{ batches: shape.batches, in_h: shape.inH, in_w: shape.inW, in_c: shape.inC },
  ...windowNumbers(shape),
});

/** `count` weights from `first`, and the biases of `channels` channels from `channel`. */
function tablesOf(
  view: NodeView<object>,
  first: number,
  count: number,
  channel: number,
  channels: number,
): Readonly<Record<string, Table>> {
  const weights = inputOf(view, 1).data as Float32Array;
  const biases = view.inputs[2]?.data as Float32Array | undefined;
  const { activation } = view.attrs as { readonly activation: Clamp };
  return {
    weights: { data: weights.subarray(first, first + count), role: 'weights' },
    ...(biases === undefined
      ? {}
      : { biases: { data: biases.subarray(channel, channel + channels), role: 'table' } }),
    clamp: clampTable(activation),
  };
}

export const clampTable = (activation: Clamp): Table => ({
  data: Float32Array.from(realRange(activation)),
  role: 'table',
});
