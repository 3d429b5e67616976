/** conv3d_transpose (CONV_3D_TRANSPOSE): NDHWC × DHWOI of float32, any stride, dilation and padding. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView, type Shape, type TensorData } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { inputOf } from './shape/operands.js';
import {
  checkVolume,
  isVolume,
  transposedAxis,
  type VolumeAttrs,
  type VolumeAxis,
  type VolumeFilters,
  volumeMacs,
  volumeSums,
} from './shape/volume.js';

export interface Conv3dTransposeAttrs extends VolumeAttrs {
  /** Outputs that are cut off before the first of each axis. */
  readonly pads: readonly number[];
  /** [depth, height, width] of the output. */
  readonly size: readonly number[];
}

export function conv3dTransposeFilters(view: NodeView<object>): VolumeFilters {
  const [, , , channels = 1, depth = 1] = inputOf(view, 1).shape;
  return { channels, depth, position: (channel, tap, i) => (tap * channels + channel) * depth + i };
}

export function conv3dTransposeAxes(view: NodeView<Conv3dTransposeAttrs>): readonly VolumeAxis[] {
  const { strides, dilations, pads, size } = view.attrs;
  return size.map((output, axis) =>
    transposedAxis({
      input: inputOf(view, 0).shape[axis + 1] ?? 1,
      kernel: inputOf(view, 1).shape[axis] ?? 1,
      ...{ output, stride: strides[axis] ?? 1, dilation: dilations[axis] ?? 1 },
      pad: pads[axis] ?? 0,
    }),
  );
}

function outputShape(view: NodeView<Conv3dTransposeAttrs>): Shape {
  const { strides, dilations, pads, size } = view.attrs;
  const [input, weights] = [inputOf(view, 0).shape, inputOf(view, 1).shape];
  const fits =
    isVolume(input, weights, strides, dilations, size) &&
    weights[4] === input[4] &&
    pads.every((pad) => pad >= 0);
  if (fits) return [input[0] ?? 1, ...size, weights[3] ?? 1];
  const message = `weights [${weights}] and size [${size}] do not fit input [${input}]`;
  throw new BonsaiError('bad-shape', at(view.node), message, 'convert the model again');
}

export const conv3dTranspose = {
  name: 'conv3d_transpose',
  types: ['float32'],
  infer: (view) => [outputShape(view)],
  check: (view) => checkVolume(view, conv3dTransposeFilters(view)),
  evaluate: (view, [input]: readonly (TensorData | null)[]) => [
    volumeSums(
      view,
      conv3dTransposeAxes(view),
      conv3dTransposeFilters(view),
      input as Float32Array,
    ),
  ],
  macs: (view) => volumeMacs(view, conv3dTransposeAxes(view), conv3dTransposeFilters(view)),
  absorbs: { activation: true },
  inPlace: () => [],
} satisfies OpDef<Conv3dTransposeAttrs>;
