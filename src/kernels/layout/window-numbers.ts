/** Numbers of a call whose kernel moves a window over an image. */
import type { WindowShape } from './overlap.js';

/** The window, its steps, and the output that these give. */
export function windowNumbers(shape: WindowShape) {
  return {
    kernel_h: shape.kernelH,
    kernel_w: shape.kernelW,
    stride_h: shape.strideH,
    stride_w: shape.strideW,
    dilation_h: shape.dilationH,
    dilation_w: shape.dilationW,
    pad_top: shape.padTop,
    pad_left: shape.padLeft,
    out_h: shape.outH,
    out_w: shape.outW,
  };
}
