/** A convolution as kernels with layouts of their own see it. */
import type { Filters, OutputStage } from './accumulation.js';
import type { WindowShape } from './overlap.js';

/** Fully connected layers and 1×1 convolutions are a row of pixels. */
export interface Convolution {
  readonly shape: WindowShape;
  readonly filters: Filters;
  readonly stage: OutputStage;
}

/** Whether it is one row of pixels, each for itself: output pixel i is made of input pixel i. */
export function isPixelRow(shape: WindowShape): boolean {
  const { batches, inH, inW, outH, outW, kernelH, kernelW, strideW, padTop, padLeft } = shape;
  // A stride over one row needs no look, but padding above may be all that the window meets.
  const isOneRow = batches * inH * outH * kernelH * kernelW * strideW === 1;
  return isOneRow && inW === outW && padTop + padLeft === 0;
}

/**
 * An image of one column as one of a row, which lies the same way in memory: kernels that take the taps
 * of a row together have the whole window. Other shapes as they are.
 */
export function asRow<S extends WindowShape>(shape: S): S {
  const { inW, outW, kernelH, kernelW, padLeft } = shape;
  const isColumn = inW * outW * kernelW === 1 && padLeft === 0 && kernelH > 1;
  return isColumn ? turned(shape) : shape;
}

/** An image of one row as one of a column: for kernels that compute two rows at a time. */
export function asColumn<S extends WindowShape>(shape: S): S {
  const { inH, outH, kernelH, kernelW, padTop } = shape;
  const isRow = inH * outH * kernelH === 1 && padTop === 0 && kernelW > 1;
  return isRow ? turned(shape) : shape;
}

function turned<S extends WindowShape>(shape: S): S {
  return {
    ...shape,
    ...{ inH: shape.inW, inW: shape.inH, outH: shape.outW, outW: shape.outH },
    ...{ kernelH: shape.kernelW, kernelW: shape.kernelH },
    ...{ strideH: shape.strideW, strideW: shape.strideH },
    ...{ dilationH: shape.dilationW, dilationW: shape.dilationH },
    ...{ padTop: shape.padLeft, padLeft: shape.padTop },
  };
}

/** Of the output. */
export function pixelsOf({ batches, outH, outW }: WindowShape): number {
  return batches * outH * outW;
}

/** Lines of taps, over all output pixels, that meet the left or right border of the image. */
export function borderLines(shape: WindowShape): number {
  const { batches, inH, inW, outH, outW, kernelH, kernelW } = shape;
  const isInside = (at: number, extent: number) => at >= 0 && at < extent;
  const count = (length: number, holds: (i: number) => boolean) =>
    Array.from({ length }, (_, i) => i).filter(holds).length;
  let lines = 0;
  for (let oy = 0; oy < outH; oy += 1) {
    const top = oy * shape.strideH - shape.padTop;
    lines += count(kernelH, (ky) => isInside(top + ky * shape.dilationH, inH));
  }
  const columns = count(outW, (ox) => {
    const left = ox * shape.strideW - shape.padLeft;
    const inside = count(kernelW, (kx) => isInside(left + kx * shape.dilationW, inW));
    return inside > 0 && inside < kernelW;
  });
  return batches * lines * columns;
}
