/** A convolution as the kernels with their own layouts see it. */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  type Filters,
  type OutputStage,
  outputStage,
} from '../../ops/arithmetic/accumulation.js';
import { type Conv2dAttrs, conv2dDims, conv2dFilters } from '../../ops/conv2d.js';
import {
  type DepthwiseConv2dAttrs,
  depthwiseDims,
  depthwiseFilters,
} from '../../ops/depthwise_conv2d.js';
import {
  type FullyConnectedAttrs,
  rowCount,
  rowFilters,
  rowStage,
} from '../../ops/fully_connected.js';
import { rowWindow } from '../../ops/shape/window.js';
import type { KernelVariant } from '../variant.js';
import type { WindowShape } from './overlap.js';

/** Fully connected layers and 1×1 convolutions are one row of pixels. */
export interface Convolution {
  readonly shape: WindowShape;
  readonly filters: Filters;
  readonly stage: OutputStage;
}

/**
 * A variant of each operator that is a convolution.
 *
 * @param when whether the node is one convolution, not a group of them
 * @param describe called for nodes for which `when` holds
 */
export type ConvolutionVariants = <A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
) => KernelVariant<A>;

/**
 * Whether each output pixel reads the input pixel of the same index: a fully connected layer over
 * pixels.
 */
export function isPointwise(view: NodeView<Conv2dAttrs>): boolean {
  const { strideH, strideW, padTop, padBottom, padLeft, padRight } = view.attrs;
  const { kernelH, kernelW, groups } = conv2dDims(view);
  const pads = padTop + padBottom + padLeft + padRight;
  return groups === 1 && kernelH * kernelW * strideH * strideW === 1 && pads === 0;
}

/** A pointwise convolution has its pixels in a single row. */
export function convolutionOf(view: NodeView<Conv2dAttrs>): Convolution {
  const dims = conv2dDims(view);
  const pixels = pixelsOf(dims);
  const row = { batches: 1, inH: 1, outH: 1, inW: pixels, outW: pixels };
  return {
    shape: { ...view.attrs, ...dims, ...(isPointwise(view) ? row : {}) },
    filters: conv2dFilters(view),
    stage: outputStage(view, dims.outC, 'per-channel'),
  };
}

/** A convolution for kernels that gather windows row by row. */
export function rowConvolutionOf(view: NodeView<Conv2dAttrs>): Convolution {
  const convolution = convolutionOf(view);
  return { ...convolution, shape: asRow(convolution.shape) };
}

/** A depthwise convolution: output channels, whose filters have one input channel each. */
export function depthwiseOf(view: NodeView<DepthwiseConv2dAttrs>): Convolution {
  const dims = depthwiseDims(view);
  return {
    shape: { ...view.attrs, ...dims },
    filters: depthwiseFilters(view),
    stage: outputStage(view, dims.outC, 'per-channel'),
  };
}

/** A fully connected layer: its rows are pixels of a 1×1 convolution. */
export function fullyConnectedOf(view: NodeView<FullyConnectedAttrs>): Convolution {
  const filters = rowFilters(view);
  const shape = rowWindow(rowCount(view), filters.depth, filters.channels);
  return { shape, filters, stage: rowStage(view) };
}

/** Whether the window is a row of independent pixels: output pixel i reads input pixel i alone. */
export function isPixelRow(shape: WindowShape): boolean {
  const { batches, inH, inW, outH, outW, kernelH, kernelW, strideW, padTop, padLeft } = shape;
  // A stride over one row has no effect, but a window may meet nothing except padding above it.
  const isOneRow = batches * inH * outH * kernelH * kernelW * strideW === 1;
  return isOneRow && inW === outW && padTop + padLeft === 0;
}

/**
 * An image of one column as an image of one row, which has the same layout in memory, so that
 * kernels that join the taps of a row get the whole window. Other shapes are unchanged.
 */
export function asRow<S extends WindowShape>(shape: S): S {
  const { inW, outW, kernelH, kernelW, padLeft } = shape;
  const isColumn = inW * outW * kernelW === 1 && padLeft === 0 && kernelH > 1;
  return isColumn ? turned(shape) : shape;
}

/** An image of one row as an image of one column, for kernels that compute two rows at a time. */
export function asColumn<S extends WindowShape>(shape: S): S {
  const { inH, outH, kernelH, kernelW, padTop } = shape;
  const isRow = inH * outH * kernelH === 1 && padTop === 0 && kernelW > 1;
  return isRow ? turned(shape) : shape;
}

/** Rows and columns change places. */
export function turned<S extends WindowShape>(shape: S): S {
  return {
    ...shape,
    ...{ inH: shape.inW, inW: shape.inH, outH: shape.outW, outW: shape.outH },
    ...{ kernelH: shape.kernelW, kernelW: shape.kernelH },
    ...{ strideH: shape.strideW, strideW: shape.strideH },
    ...{ dilationH: shape.dilationW, dilationW: shape.dilationH },
    ...{ padTop: shape.padLeft, padLeft: shape.padTop },
  };
}

/** Number of output pixels. */
export function pixelsOf({
  batches,
  outH,
  outW,
}: Pick<WindowShape, 'batches' | 'outH' | 'outW'>): number {
  return batches * outH * outW;
}

/**
 * Number of lines of taps, over all output pixels, that meet the left or right border of the image.
 */
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

/** The same filters with the taps of a window column by column. */
export function columnByColumn(filters: Filters, { kernelH, kernelW }: WindowShape): Filters {
  const perTap = filters.depth / (kernelH * kernelW);
  const rowMajor = (i: number) => {
    const tap = Math.floor(i / perTap);
    const [kx, ky] = [Math.floor(tap / kernelH), tap % kernelH];
    return (ky * kernelW + kx) * perTap + (i % perTap);
  };
  return { ...filters, position: (channel, i) => filters.position(channel, rowMajor(i)) };
}
