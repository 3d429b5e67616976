/** Depthwise convolution from a copy of one channel of the input, with its padding. */
import { dilated } from '../../ops/shape/window.js';
import type { Overlap } from '../variant.js';
import { leadOf, type WindowShape } from './overlap.js';

/** The copy of a channel, padding included: all pixels under windows. */
export function planeOf(shape: WindowShape): { rows: number; pitch: number; bytes: number } {
  const { outH, outW, strideH, strideW, kernelH, kernelW, dilationH, dilationW } = shape;
  const rows = (outH - 1) * strideH + dilated(kernelH, dilationH);
  const pitch = (outW - 1) * strideW + dilated(kernelW, dilationW);
  return { rows, pitch, bytes: rows * pitch };
}

/**
 * A channel of an image is read before its outputs are written: with one output channel for each
 * input channel they may take each other's place, image for image.
 */
export function planeOverlap({
  batches,
  inH,
  inW,
  inC,
  outH,
  outW,
  outC,
}: WindowShape): readonly Overlap[] {
  const [inImage, outImage] = [inH * inW, outH * outW];
  const isInPlace = inC === outC && (batches === 1 || inImage === outImage);
  if (isInPlace) return [{ input: 0, lead: 0, exact: true }];
  const multiplier = outC / inC;
  const accesses = Array.from({ length: batches * inC }, (_, i) => {
    const [batch, c] = [Math.floor(i / inC), i % inC];
    const pixels = (batch + 1) * outImage - 1;
    return { reads: batch * inImage * inC + c, end: pixels * outC + (c + 1) * multiplier };
  });
  return [{ input: 0, lead: leadOf(accesses, batches * inImage * inC), exact: false }];
}

/**
 * Whether windows are 3×3 neighbours, one or two rows apart: a window that walks down the plane
 * loads a pixel once for all that share it.
 */
export function isSliding(shape: WindowShape): boolean {
  const { kernelH, kernelW, strideH, dilationH, dilationW } = shape;
  return kernelH === 3 && kernelW === 3 && strideH <= 2 && dilationH * dilationW === 1;
}
