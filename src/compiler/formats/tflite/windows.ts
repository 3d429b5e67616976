/**
 * Windows that move over an input. A file says SAME or VALID, the IR how far the input is padded:
 * each function that reads is followed by the one that writes.
 */
import type { Attrs, NodeView, Shape } from '../../ir/graph.js';
import { outputExtent, type Pads, requireShort, samePadding } from '../../ops/shape/window.js';
import { int32, scalar } from '../flatbuffer.js';
import { activationOf, type ForeignOperator, shapeOf, unsupported } from './foreign.js';
import {
  activationCode,
  inexpressible,
  inputShape,
  listOf,
  numberIn,
  outputShape,
  part,
  vector,
  written,
} from './rows.js';

/** Numbers in the schema. */
export const codes = { SAME: 0, VALID: 1 } as const;

interface WindowOptions {
  readonly padding: number;
  readonly strideH: number;
  readonly strideW: number;
  readonly dilationH: number;
  readonly dilationW: number;
}

/**
 * Explicit padding of a window over an input, from SAME or VALID.
 * @throws BonsaiError 'unsupported-attribute' when a stride or dilation is below 1
 */
function padsOf(
  where: string,
  [, inH = 0, inW = 0]: Shape,
  kernelH: number,
  kernelW: number,
  { padding, strideH, strideW, dilationH, dilationW }: WindowOptions,
): Pads {
  const all = { strideH, strideW, dilationH, dilationW, kernelH, kernelW };
  for (const [what, value] of Object.entries(all)) {
    if (value < 1) throw unsupported(where, `${what} is ${value}`, 'it must be at least 1');
  }
  requireKnown(where, padding);
  requireShort(where, { dilationH, dilationW });
  if (padding === codes.VALID) return { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
  const [padTop, padBottom] = samePadding(inH, kernelH, strideH, dilationH);
  const [padLeft, padRight] = samePadding(inW, kernelW, strideW, dilationW);
  const pads = { padTop, padBottom, padLeft, padRight };
  requireShort(where, pads);
  return pads;
}

function requireKnown(where: string, padding: number): void {
  if (padding === codes.SAME || padding === codes.VALID) return;
  throw unsupported(where, `has the unknown padding ${padding}`, 'use SAME or VALID');
}

export const padNames = ['padTop', 'padBottom', 'padLeft', 'padRight'] as const;

export const padsIn = (view: NodeView) => padNames.map((name) => numberIn(view, name));

/** The format's name for a window's padding; null if it has none. */
export function paddingOf(view: NodeView, [kernelH, kernelW]: Kernel): 'VALID' | 'SAME' | null {
  const pads = padsIn(view);
  if (pads.every((pad) => pad === 0)) return 'VALID';
  const [, inH = 0, inW = 0] = inputShape(view);
  const step = (name: string) => Math.max(1, numberIn(view, name));
  const same = [
    ...samePadding(inH, kernelH, step('strideH'), step('dilationH')),
    ...samePadding(inW, kernelW, step('strideW'), step('dilationW')),
  ];
  return pads.join() === same.join() ? 'SAME' : null;
}

type Kernel = readonly [h: number, w: number];

/** Axes 1 and 2 of the weights. */
const weightsKernel = (view: NodeView): Kernel => {
  const [, h = 0, w = 0] = inputShape(view, 1);
  return [h, w];
};

function codeOf(view: NodeView, padding: keyof typeof codes | null): number {
  if (padding === null) throw inexpressible(view, 'padding that is not SAME or VALID');
  return codes[padding];
}

const strided = { padding: scalar(0, 'int8'), strideW: int32(1), strideH: int32(2) };

/** The window of a convolution. @param slot of the first of two dilations */
export const window = (slot: number) =>
  part({
    fields: { ...strided, dilationW: int32(slot, 1), dilationH: int32(slot + 1, 1) },
    read(foreign) {
      const { strideH, strideW, dilationH, dilationW } = foreign.options;
      const [, kernelH = 0, kernelW = 0] = shapeOf(foreign, 1, 4);
      const input = shapeOf(foreign, 0, 4);
      requireShort(foreign.where, { strideH, strideW });
      const pads = padsOf(foreign.where, input, kernelH, kernelW, foreign.options);
      return { strideH, strideW, dilationH, dilationW, ...pads };
    },
    write(view) {
      const { strideH, strideW, dilationH, dilationW } = view.attrs;
      const padding = codeOf(view, paddingOf(view, weightsKernel(view)));
      return { padding, strideH, strideW, dilationH, dilationW };
    },
  });

/** The window of a pool. */
export const pool = part({
  fields: { ...strided, kernelW: int32(3), kernelH: int32(4) },
  read(foreign) {
    const { kernelH, kernelW, strideH, strideW } = foreign.options;
    const options = { ...foreign.options, dilationH: 1, dilationW: 1 };
    const pads = padsOf(foreign.where, shapeOf(foreign, 0, 4), kernelH, kernelW, options);
    return { kernelH, kernelW, strideH, strideW, ...pads };
  },
  write(view) {
    const { kernelH, kernelW, strideH, strideW } = view.attrs;
    const padding = codeOf(view, paddingOf(view, [Number(kernelH), Number(kernelW)]));
    return { padding, kernelH, kernelW, strideH, strideW };
  },
});

/** Runtimes other than TFLM read the output's shape, input 0. */
const size = written(0, (view) => vector(outputShape(view)));

/** TRANSPOSE_CONV: the padding is that of the convolution which takes the output to the input. */
export const transposedWindow = part({
  ...size,
  shape: ({ integers }) => integers(0) ?? [],
  fields: strided,
  read(foreign) {
    const { strideH, strideW } = foreign.options;
    const [, kernelH = 0, kernelW = 0] = shapeOf(foreign, 1, 4);
    const output = foreign.outputs[0]?.shape ?? [];
    const options = { ...foreign.options, dilationH: 1, dilationW: 1 };
    const { padTop, padLeft } = padsOf(foreign.where, output, kernelH, kernelW, options);
    requireShort(foreign.where, { strideH, strideW });
    if (foreign.rounding !== 'tflm') requireItsSize(foreign, output, [kernelH, kernelW]);
    return { strideH, strideW, padTop, padLeft, size: output.slice(1, 3) };
  },
  write(view) {
    const { padTop, padLeft, strideH, strideW } = view.attrs;
    const [, outH = 1, outW = 1] = outputShape(view);
    const kernel = weightsKernel(view);
    const [down, across] = [Number(strideH), Number(strideW)];
    const [top] = samePadding(outH, kernel[0], down, 1);
    const [left] = samePadding(outW, kernel[1], across, 1);
    const isSame = padTop === top && padLeft === left;
    const isValid = padTop === 0 && padLeft === 0;
    // Both may have no padding before an axis; then the extents tell.
    const [, ...input] = inputShape(view);
    const moved = positionsOf([outH, outW], kernel, [down, across]);
    const fits = moved.every((extent, axis) => extent === input[axis]);
    const padding = isValid && (fits || !isSame) ? 'VALID' : isSame ? 'SAME' : null;
    return { padding: codeOf(view, padding), strideH, strideW };
  },
});

/** How many places a window without padding has along each axis. */
const positionsOf = (extents: Kernel, kernel: Kernel, strides: Kernel) =>
  extents.map((extent, i) => outputExtent(extent, kernel[i] ?? 1, strides[i] ?? 1, 1, 0, 0));

/**
 * The desktop's kernels take the extents of the input from those of the output: of a file whose
 * window gives others they read elements that its input does not have.
 * @throws BonsaiError 'unsupported-attribute'
 */
function requireItsSize(
  foreign: ForeignOperator<Pick<WindowOptions, 'padding' | 'strideH' | 'strideW'>>,
  [, outH = 0, outW = 0]: Shape,
  kernel: Kernel,
): void {
  const [, inH, inW] = shapeOf(foreign, 2, 4);
  const { padding, strideH, strideW } = foreign.options;
  const covered: Kernel = padding === codes.SAME ? [1, 1] : kernel;
  const [rows, columns] = positionsOf([outH, outW], covered, [strideH, strideW]);
  if (rows === inH && columns === inW) return;
  const message = `makes ${outH} × ${outW} of ${inH} × ${inW}; its window makes that of ${rows} × ${columns}, which desktop TFLite then reads`;
  throw unsupported(foreign.where, message, 'compile it with --rounding tflm');
}

/** CONV_3D and CONV_3D_TRANSPOSE: axes of the weights are depth, height, width, and two of channels. */
const volumeFields = {
  padding: scalar(0, 'int8'),
  strideD: int32(1),
  strideW: int32(2),
  strideH: int32(3),
  activation: scalar(4, 'int8'),
  dilationD: int32(5, 1),
  dilationW: int32(6, 1),
  dilationH: int32(7, 1),
};

type VolumeOptions = Readonly<Record<keyof typeof volumeFields, number>>;

/** @param extents of the volume over which the window moves */
function readVolume(foreign: ForeignOperator<VolumeOptions>, extents: readonly number[]) {
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
  requireKnown(where, padding);
  const kernel = shapeOf(foreign, 1, 5);
  const pads = strides.map((stride, axis) =>
    padding === codes.VALID
      ? ([0, 0] as const)
      : samePadding(extents[axis] ?? 0, kernel[axis] ?? 0, stride, dilations[axis] as number),
  );
  const [padD, padH, padW] = pads.map((sides) => Math.max(...sides)) as [number, number, number];
  requireShort(where, { padD, padH, padW });
  return { attrs: { strides, dilations, activation: activationOf(foreign) }, pads };
}

/** @param large shape over which the window moves, `small` of its positions, `sides` of the pads */
function writeVolume(view: NodeView, large: Shape, small: Shape, sides: 1 | 2): VolumeOptions {
  const [pads, strides, dilations] = ['pads', 'strides', 'dilations'].map((name) =>
    listOf(view, name),
  ) as [number[], number[], number[]];
  const kernel = inputShape(view, 1);
  const same = strides.flatMap((stride, axis) =>
    samePadding(large[axis + 1] ?? 1, kernel[axis] ?? 1, stride, dilations[axis] ?? 1).slice(
      0,
      sides,
    ),
  );
  // Padding before an axis may be 0 both times; then the extents tell.
  const isSame =
    pads.join() === same.join() &&
    strides.every((stride, axis) => Math.ceil((large[axis + 1] ?? 1) / stride) === small[axis + 1]);
  const isValid = pads.every((pad) => pad === 0);
  const padding = codeOf(view, isSame ? 'SAME' : isValid ? 'VALID' : null);
  const [strideD = 1, strideH = 1, strideW = 1] = strides;
  const [dilationD = 1, dilationH = 1, dilationW = 1] = dilations;
  return {
    ...{ padding, strideD, strideH, strideW },
    ...{ dilationD, dilationH, dilationW, activation: activationCode(view) },
  };
}

export const volume = part({
  fields: volumeFields,
  read(foreign): Attrs {
    const [, ...extents] = shapeOf(foreign, 0, 5);
    const { pads, attrs } = readVolume(foreign, extents);
    return { ...attrs, pads: pads.flat() };
  },
  write: (view) => writeVolume(view, inputShape(view), outputShape(view), 2),
});

/** The padding is that of the convolution which takes the output to the input. */
export const transposedVolume = part({
  ...size,
  fields: volumeFields,
  read(foreign): Attrs {
    // Input 0, which holds the output's shape, may be computed.
    const extents = (foreign.outputs[0]?.shape ?? []).slice(1, 4);
    const { pads, attrs } = readVolume(foreign, extents);
    return { ...attrs, size: extents, pads: pads.map(([before]) => before) };
  },
  write: (view) => writeVolume(view, outputShape(view), inputShape(view), 1),
});
