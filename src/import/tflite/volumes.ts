/** CONV_3D and CONV_3D_TRANSPOSE: axes of the weights are depth, height, width, and two of channels. */
import type { Attrs } from '../../ir/graph.js';
import { requireShort, samePadding } from '../../ops/shape/window.js';
import { activationOf, type ForeignOperator, shapeOf, unsupported } from './rows.js';

interface VolumeOptions {
  readonly padding: number;
  readonly strideD: number;
  readonly strideH: number;
  readonly strideW: number;
  readonly activation: number;
  readonly dilationD: number;
  readonly dilationH: number;
  readonly dilationW: number;
}

export function volumeAttrs(foreign: ForeignOperator<VolumeOptions>): Attrs {
  const [, ...extents] = shapeOf(foreign, 0, 5);
  const { pads, ...window } = volumeWindow(foreign, extents);
  return { ...window, pads: pads.flat() };
}

/** The padding is that of the convolution which takes the output to the input. */
export function transposedVolumeAttrs(foreign: ForeignOperator<VolumeOptions>): Attrs {
  // Input 0, which holds the output's shape, may be computed.
  const size = (foreign.outputs[0]?.shape ?? []).slice(1, 4);
  const { pads, ...window } = volumeWindow(foreign, size);
  return { ...window, size, pads: pads.map(([before]) => before) };
}

/** @param extents of the volume over which the window moves */
function volumeWindow(foreign: ForeignOperator<VolumeOptions>, extents: readonly number[]) {
  const { where, options } = foreign;
  const { strideD, strideH, strideW, dilationD, dilationH, dilationW, padding } = options;
  const [strides, dilations] = [
    [strideD, strideH, strideW],
    [dilationD, dilationH, dilationW],
  ];
  if (![...strides, ...dilations].every((step) => step >= 1)) {
    const message = `has strides [${strides}] and dilations [${dilations}]`;
    throw unsupported(where, message, 'each must be at least 1');
  }
  if (padding !== 0 && padding !== 1) {
    throw unsupported(where, `has the unknown padding ${padding}`, 'use SAME or VALID');
  }
  const kernel = shapeOf(foreign, 1, 5);
  const pads = strides.map((stride, axis) =>
    padding === 1
      ? ([0, 0] as const)
      : samePadding(extents[axis] ?? 0, kernel[axis] ?? 0, stride, dilations[axis] as number),
  );
  const [padD, padH, padW] = pads.map((sides) => Math.max(...sides)) as [number, number, number];
  requireShort(where, { padD, padH, padW });
  return { strides, dilations, pads, activation: activationOf(foreign) };
}
