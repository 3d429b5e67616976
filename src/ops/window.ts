/** Sliding windows of convolutions and pools: extents and padding, once. */
import type { Shape } from '../ir/graph.js';

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

/** Explicit padding along one axis of TFLite's SAME: the odd element goes after. */
export function samePadding(
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
): readonly [before: number, after: number] {
  const output = Math.ceil(input / stride);
  const total = Math.max(0, (output - 1) * stride + dilated(kernel, dilation) - input);
  const before = Math.floor(total / 2);
  return [before, total - before];
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
