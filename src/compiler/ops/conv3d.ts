/** conv3d (CONV_3D): NDHWC × DHWIO of float32, any stride, dilation and padding. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView, type Shape, type TensorData } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { inputOf, outputOf } from './shape/operands.js';
import {
  checkVolume,
  forwardAxis,
  isVolume,
  type VolumeAttrs,
  type VolumeAxis,
  type VolumeFilters,
  volumeMacs,
  volumeSums,
} from './shape/volume.js';
import { outputExtent } from './shape/window.js';

export interface Conv3dAttrs extends VolumeAttrs {
  /** Before and after each axis, flat. */
  readonly pads: readonly number[];
}

export function conv3dFilters(view: NodeView<object>): VolumeFilters {
  const [, , , depth = 1, channels = 1] = inputOf(view, 1).shape;
  return { channels, depth, position: (channel, tap, i) => (tap * depth + i) * channels + channel };
}

export function conv3dAxes(view: NodeView<Conv3dAttrs>): readonly VolumeAxis[] {
  const { strides, dilations, pads } = view.attrs;
  return strides.map((stride, axis) =>
    forwardAxis({
      input: inputOf(view, 0).shape[axis + 1] ?? 1,
      kernel: inputOf(view, 1).shape[axis] ?? 1,
      output: outputOf(view).shape[axis + 1] ?? 1,
      ...{ stride, dilation: dilations[axis] ?? 1, pad: pads[2 * axis] ?? 0 },
    }),
  );
}

function outputShape(view: NodeView<Conv3dAttrs>): Shape {
  const { strides, dilations, pads } = view.attrs;
  const [input, weights] = [inputOf(view, 0).shape, inputOf(view, 1).shape];
  const extents = strides.map((stride, axis) => {
    const [before = 0, after = 0] = pads.slice(2 * axis);
    const [extent = 0, kernel = 0] = [input[axis + 1], weights[axis]];
    return outputExtent(extent, kernel, stride, dilations[axis] ?? 1, before, after);
  });
  const fits =
    isVolume(input, weights, strides, dilations, extents) &&
    weights[3] === input[4] &&
    pads.every((pad) => pad >= 0);
  if (fits) return [input[0] ?? 1, ...extents, weights[4] ?? 1];
  const message = `weights [${weights}] do not fit input [${input}]`;
  const hint = 'use SAME padding, a larger input, or one group: filters have all channels';
  throw new BonsaiError('bad-shape', at(view.node), message, hint);
}

export const conv3d = {
  name: 'conv3d',
  types: ['float32'],
  infer: (view) => [outputShape(view)],
  check: (view) => checkVolume(view, conv3dFilters(view)),
  evaluate: (view, [input]: readonly (TensorData | null)[]) => [
    volumeSums(view, conv3dAxes(view), conv3dFilters(view), input as Float32Array),
  ],
  macs: (view) => volumeMacs(view, conv3dAxes(view), conv3dFilters(view)),
  absorbs: { activation: true },
  inPlace: () => [],
} satisfies OpDef<Conv3dAttrs>;
