/** Sliding windows of convolutions and pools: extents and padding. */
import { BonsaiError } from '../../../errors.js';
import { at, type NodeView, type Shape } from '../../ir/graph.js';

export interface Pads {
  readonly padTop: number;
  readonly padBottom: number;
  readonly padLeft: number;
  readonly padRight: number;
}

export interface Window extends Pads {
  readonly strideH: number;
  readonly strideW: number;
  readonly dilationH: number;
  readonly dilationW: number;
}

/** Extents of an NHWC input, of the output, and of the window. */
export interface WindowDims {
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

/** Input elements that a kernel of `kernel` taps covers. */
export function dilated(kernel: number, dilation: number): number {
  return (kernel - 1) * dilation + 1;
}

/** Output extent along one axis; ≤ 0 when the kernel does not fit. */
export function outputExtent(
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
  padBefore: number,
  padAfter: number,
): number {
  return Math.floor((input + padBefore + padAfter - dilated(kernel, dilation)) / stride) + 1;
}

/** By how much the windows of TFLite's SAME exceed an axis; below 0 where they leave inputs out. */
export function sameExcess(
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
): number {
  return (Math.ceil(input / stride) - 1) * stride + dilated(kernel, dilation) - input;
}

/** Explicit padding along one axis of TFLite's SAME: the odd element goes after. */
export function samePadding(
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
): readonly [before: number, after: number] {
  const total = Math.max(0, sameExcess(input, kernel, stride, dilation));
  const before = Math.floor(total / 2);
  return [before, total - before];
}

const mostShort = 2 ** 15 - 1;

/**
 * TFLite's kernels keep what a window is made of in 16 bits (ConvParams and PaddingValues of its
 * kernels/internal/types.h): more would give other results there.
 * @throws BonsaiError 'unsupported-attribute'
 */
export function requireShort(where: string, window: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(window)) {
    if (value <= mostShort) continue;
    const message = `${name} is ${value}: the runtimes take at most ${mostShort}`;
    throw new BonsaiError('unsupported-attribute', where, message, 'use a smaller one');
  }
}

/** [n, outH, outW] of a window of kernelH × kernelW over an NHWC input. */
export function windowOutput(
  input: Shape,
  kernelH: number,
  kernelW: number,
  w: Window,
): readonly [outH: number, outW: number] {
  const [, inH = 0, inW = 0] = input;
  return [
    outputExtent(inH, kernelH, w.strideH, w.dilationH, w.padTop, w.padBottom),
    outputExtent(inW, kernelW, w.strideW, w.dilationW, w.padLeft, w.padRight),
  ];
}

/**
 * Refuses windows that no runtime defines (an input of a rank other than 4, strides or dilations
 * below 1, negative padding, a window larger than the padded input), and windows whose coordinates
 * leave int32.
 * @throws BonsaiError 'bad-shape' or 'unsupported-attribute'
 */
export function checkWindow(
  view: NodeView<Window>,
  input: Shape,
  kernelH: number,
  kernelW: number,
): void {
  const where = at(view.node);
  const { strideH, strideW, dilationH, dilationW, ...rest } = view.attrs;
  const { padTop, padBottom, padLeft, padRight } = rest;
  const isAtLeast = (least: number) => (n: number) => Number.isInteger(n) && n >= least;
  if (input.length !== 4 || !input.every(isAtLeast(1))) {
    const message = `input has shape [${input}]; it must be [batch, height, width, channels]`;
    throw new BonsaiError('bad-shape', where, message, 'reshape it before this operator');
  }
  if (![strideH, strideW, dilationH, dilationW, kernelH, kernelW].every(isAtLeast(1))) {
    const message =
      `kernel ${kernelH}×${kernelW}, stride ${strideH}×${strideW}, ` +
      `dilation ${dilationH}×${dilationW}: each must be 1 or more`;
    throw new BonsaiError('unsupported-attribute', where, message, 'convert the model again');
  }
  if (![padTop, padBottom, padLeft, padRight].every(isAtLeast(0))) {
    const message = `padding ${[padTop, padBottom, padLeft, padRight]} has a negative side`;
    throw new BonsaiError('unsupported-attribute', where, message, 'convert the model again');
  }
  const [, inH = 0, inW = 0] = input;
  if (Math.max(inH + padTop + padBottom, inW + padLeft + padRight) >= 2 ** 31) {
    const message = `dilation ${dilationH}×${dilationW} needs padding beyond 32 bits`;
    throw new BonsaiError('unsupported-attribute', where, message, 'use a smaller dilation');
  }
  if (!windowOutput(input, kernelH, kernelW, view.attrs).every(isAtLeast(1))) {
    const message = `a window of ${kernelH}×${kernelW} does not fit input [${input}]`;
    throw new BonsaiError('bad-shape', where, message, 'use SAME padding or a larger input');
  }
}

/** A fully connected layer over `rows` rows: a window of 1×1 over a row of `rows` pixels. */
export function rowWindow(
  rows: number,
  depth: number,
  channels: number,
): WindowDims & Omit<Window, 'padBottom' | 'padRight'> {
  const window = { kernelH: 1, kernelW: 1, strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
  const image = { batches: 1, inH: 1, inW: rows, inC: depth, outH: 1, outW: rows, outC: channels };
  return { ...window, ...image, padTop: 0, padLeft: 0 };
}
