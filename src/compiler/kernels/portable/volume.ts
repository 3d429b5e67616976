/** Convolutions over volumes of float32: the order of desktop TFLite's reference kernels. */
import type { NodeView } from '../../ir/graph.js';
import { type Conv3dAttrs, conv3d, conv3dAxes, conv3dFilters } from '../../ops/conv3d.js';
import {
  type Conv3dTransposeAttrs,
  conv3dTranspose,
  conv3dTransposeAxes,
  conv3dTransposeFilters,
} from '../../ops/conv3d_transpose.js';
import { inputOf } from '../../ops/shape/operands.js';
import type { VolumeAttrs, VolumeAxis, VolumeFilters } from '../../ops/shape/volume.js';
import type { KernelCall, KernelVariant, Table } from '../variant.js';
import { clampTable, realKernel, realTraits } from './real.js';

export const conv3dVariant: KernelVariant<Conv3dAttrs> = {
  ...realTraits,
  template: 'portable/conv3d_f32',
  match: (view) =>
    realKernel(view, conv3d.macs(view), () => [
      callOf(view, conv3dAxes(view), conv3dFilters(view)),
    ]),
};

export const conv3dTransposeVariant: KernelVariant<Conv3dTransposeAttrs> = {
  ...realTraits,
  template: 'portable/conv3d_transpose_f32',
  text: 'portable/conv3d_f32',
  match: (view) =>
    realKernel(view, conv3dTranspose.macs(view), () => [
      callOf(view, conv3dTransposeAxes(view), conv3dTransposeFilters(view)),
    ]),
};

function callOf(
  view: NodeView<VolumeAttrs>,
  axes: readonly VolumeAxis[],
  filters: VolumeFilters,
): KernelCall {
  const [planes, rows, columns] = axes as [VolumeAxis, VolumeAxis, VolumeAxis];
  const [batches = 1] = inputOf(view, 0).shape;
  const biases = view.inputs[2]?.data as Float32Array | undefined;
  return {
    ...{ inputs: [0], outputs: [0] },
    flags: { bias: biases !== undefined },
    numbers: {
      batches,
      ...{ in_d: planes.input, in_h: rows.input, in_w: columns.input, in_c: filters.depth },
      ...{ out_d: planes.outputs.length, out_h: rows.outputs.length },
      ...{ out_w: columns.outputs.length, channels: filters.channels },
      ...{ kernel_d: planes.kernel, kernel_h: rows.kernel, kernel_w: columns.kernel },
      ...{ plane_step: planes.indexStep, row_step: rows.indexStep, column_step: columns.indexStep },
      ...{ tap_d: planes.tapStep, tap_h: rows.tapStep, tap_w: columns.tapStep },
    },
    tables: {
      weights: { data: channelRows(view, axes, filters), role: 'weights' },
      ...(biases === undefined ? {} : { biases: { data: biases, role: 'table' } }),
      readings: readingsTable(axes),
      clamp: clampTable(view.attrs.activation),
    },
  };
}

/** [channels][taps][inputs] */
function channelRows(
  view: NodeView<object>,
  axes: readonly VolumeAxis[],
  { channels, depth, position }: VolumeFilters,
): Float32Array {
  const from = inputOf(view, 1).data as Float32Array;
  const taps = axes.reduce((product, { kernel }) => product * kernel, 1);
  return Float32Array.from({ length: channels * taps * depth }, (_, at) => {
    const row = Math.floor(at / depth);
    return from[position(Math.floor(row / taps), row % taps, at % depth)] as number;
  });
}

/** First input, first tap and number of taps of each output: of planes, then rows, then columns. */
function readingsTable(axes: readonly VolumeAxis[]): Table {
  const rows = axes.flatMap(({ outputs }) => outputs);
  const data = Int32Array.from(rows.flatMap(({ index, tap, count }) => [index, tap, count]));
  return { data, role: 'table' };
}
