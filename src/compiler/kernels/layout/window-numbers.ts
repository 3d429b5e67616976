/** Numbers of a call whose kernel moves a window over an image. */
import type { WindowShape } from './overlap.js';

/** The rows of the window, its steps, and the padding before the image. */
export function stepNumbers(shape: WindowShape) {
  return {
    kernel_h: shape.kernelH,
    stride_h: shape.strideH,
    stride_w: shape.strideW,
    dilation_h: shape.dilationH,
    dilation_w: shape.dilationW,
    pad_top: shape.padTop,
    pad_left: shape.padLeft,
  };
}

/** The window, its steps, and the output that these give. */
export function windowNumbers(shape: WindowShape) {
  const { kernel_h, ...steps } = stepNumbers(shape);
  return { kernel_h, kernel_w: shape.kernelW, ...steps, out_h: shape.outH, out_w: shape.outW };
}
