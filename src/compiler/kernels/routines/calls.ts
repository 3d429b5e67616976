/**
 * How C calls a routine (coded.ts): for a tile of neighbours in a row of pixels, or of pixels below
 * each other. The columns of the image under their windows are packed into words before that, as
 * many as scratch holds; then the columns that are needed again move to the front.
 */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, inputZeroPoint } from '../../ops/arithmetic/accumulation.js';
import { dilated } from '../../ops/shape/window.js';
import { isPixelRow } from '../layout/convolution.js';
import type { WindowShape } from '../layout/overlap.js';
import type { KernelCall } from '../variant.js';
import type { CodedRoutine } from './coded.js';

/** Pixels between two moves of the packed columns. */
const pixelsPerMove = 4;

/** Calls of a routine that computes `tile` pixels. */
export function tilesOf(shape: WindowShape, tile: number): number {
  const { batches, outH, outW } = shape;
  return isPixelRow(shape) ? Math.ceil(outW / tile) : batches * Math.ceil(outH / tile) * outW;
}

/** Columns of the image under a window. */
function windowColumns({ kernelW, dilationW }: WindowShape): number {
  return dilated(kernelW, dilationW);
}

/** Columns of the image that scratch holds. */
export function columnsOf(shape: WindowShape): number {
  return windowColumns(shape) + (Math.min(pixelsPerMove, shape.outW) - 1) * shape.strideW;
}

/**
 * Columns of one packed row each, of an image that is not a row of pixels.
 *
 * @param rows packed at a time, for tiles of `tile` pixels
 */
export function packingOf(
  shape: WindowShape,
  tile: number,
  rows: number,
): { readonly packed: number; readonly moved: number } {
  const { batches, outH, outW, strideW } = shape;
  const windowWidth = windowColumns(shape);
  const lines = batches * Math.ceil(outH / tile) * rows;
  const moves = Math.ceil(outW / pixelsPerMove) - 1;
  return {
    packed: lines * ((outW - 1) * strideW + windowWidth),
    // Windows that are further apart than they are wide share no columns.
    moved: lines * moves * Math.max(0, windowWidth - strideW),
  };
}

/** @param down numbers of the way down the image, where that is not a row of pixels */
export function routineCall(
  view: NodeView<AccumulationAttrs>,
  shape: WindowShape,
  down: Readonly<Record<string, number>>,
  routine: CodedRoutine,
): KernelCall {
  const pointwise = isPixelRow(shape);
  const window = {
    batches: shape.batches,
    in_h: shape.inH,
    in_w: shape.inW,
    in_zp: inputZeroPoint(view),
    out_h: shape.outH,
    out_w: shape.outW,
    ...down,
    stride_w: shape.strideW,
    pad_top: shape.padTop,
    pad_left: shape.padLeft,
    span: windowColumns(shape),
    columns: columnsOf(shape),
  };
  return {
    inputs: [0],
    outputs: [0],
    flags: { pointwise },
    numbers: {
      in_c: shape.inC,
      out_c: shape.outC,
      ...(pointwise ? { pixels: shape.outW } : window),
    },
    tables: {},
    routines: { routine },
  };
}
