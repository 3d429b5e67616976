/** resize_bilinear (RESIZE_BILINEAR): changes height and width of [n, h, w, c] by interpolation. */
import { BonsaiError } from '../../errors.js';
import {
  allocate,
  at,
  type DType,
  elementCount,
  type NodeView,
  type TensorData,
} from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { clamp, roundHalfToEven } from './arithmetic/quant.js';
import { imageShape } from './shape/blocks.js';
import { outputOf, requireOneType } from './shape/operands.js';

/** The size is that of the output tensor, which has the input's quantization. */
export interface ResizeBilinearAttrs {
  /** The corner pixels of input and output coincide. */
  readonly alignCorners: boolean;
  /** A pixel's position is its centre. */
  readonly halfPixelCenters: boolean;
  /**
   * Bits of the shares by which a pixel lies between two others.
   * 10, the default: TFLM and TFLite's builtin kernels (ResizeBilinearInteger of
   * kernels/internal/reference/resize_bilinear.h); halves are rounded away from zero.
   * 11: XNNPACK (rounding 'xnnpack'): positions in float32, halves up.
   * Of float32 the shares have 24 bits: ResizeBilinear of the same file.
   */
  readonly shareBits?: 10 | 11;
}

/** One type for input and output. Desktop TFLite alone has a kernel of int16. */
const resizeBilinearTypes: readonly DType[] = ['int8', 'int16', 'float32'];

export const resizeBilinear = {
  name: 'resize_bilinear',
  types: resizeBilinearTypes,
  infer(view) {
    const [n, , , c] = imageShape(view);
    const [, outH = 1, outW = 1] = outputOf(view).shape;
    return [[n, outH, outW, c]];
  },
  check(view) {
    requireOneType(view, resizeBilinearTypes);
    if (view.attrs.alignCorners && view.attrs.halfPixelCenters) {
      const message = 'has both align_corners and half_pixel_centers';
      throw unsupported(view, message, 'set one of them: no runtime takes both');
    }
    const [, inH, inW] = imageShape(view);
    const [, outH = 1, outW = 1] = outputOf(view).shape;
    const { row, column } = positionsOf(view);
    // Positions rise: the last one lies furthest.
    const beyond = ({ first, next }: Between, extent: number) => Math.max(first, next) >= extent;
    if (!beyond(row(outH - 1), inH) && !beyond(column(outW - 1), inW)) return;
    const message = 'enlarges so much that the runtimes read beyond the image';
    throw unsupported(view, message, 'enlarge in two steps');
  },
  evaluate(view, [data]) {
    const input = data as TensorData;
    const [batches, inH, inW, channels] = imageShape(view);
    const { rows, columns } = interpolation(view);
    const blend = blendOf(view);
    const output = allocate(outputOf(view).dtype, elementCount(outputOf(view).shape));
    let o = 0;
    for (let n = 0; n < batches; n++) {
      for (const row of rows) {
        for (const column of columns) {
          for (let c = 0; c < channels; c++) {
            const at = (y: number, x: number) =>
              Number(input[((n * inH + y) * inW + x) * channels + c]);
            const left = [at(row.first, column.first), at(row.next, column.first)] as const;
            const right = [at(row.first, column.next), at(row.next, column.next)] as const;
            output[o++] = blend(left, right, row.share, column.share);
          }
        }
      }
    }
    return [output];
  },
  macs: () => 0,
  // A mean of elements of one channel.
  range: (_, inputs) => inputs as readonly ChannelBounds[],
  axes: () => [0, 3].map((d) => ({ inputs: [d], output: d })),
  inPlace: () => [],
} satisfies OpDef<ResizeBilinearAttrs>;

/** A position between two input pixels: `unit` − share parts of the first, share of the next. */
export interface Between {
  readonly first: number;
  /** The pixel behind the first, or the first itself where shares do not matter. */
  readonly next: number;
  /** 0 to the unit; less than it for 10 bits. Of float32 below 0 before the first pixel. */
  readonly share: number;
}

/** The share of a pixel in which a position lies: 1 of float32. */
export function unitOf(view: NodeView<ResizeBilinearAttrs>): number {
  return outputOf(view).dtype === 'float32' ? 1 : 2 ** (view.attrs.shareBits ?? 10);
}

/** Where each output row and column lies. */
export function interpolation(view: NodeView<ResizeBilinearAttrs>) {
  const [, outH = 1, outW = 1] = outputOf(view).shape;
  const { row, column } = positionsOf(view);
  return {
    rows: Array.from({ length: outH }, (_, y) => row(y)),
    columns: Array.from({ length: outW }, (_, x) => column(x)),
  };
}

/** Where the output at an index lies, along an axis. */
type Position = (index: number) => Between;

function positionsOf(view: NodeView<ResizeBilinearAttrs>): { row: Position; column: Position } {
  const [, inH, inW] = imageShape(view);
  const [, outH = 1, outW = 1] = outputOf(view).shape;
  const position = { 1: realPosition, 1024: sharedPosition, 2048: floatPosition }[unitOf(view)];
  if (position === undefined) throw new Error(`no shares of ${unitOf(view)} parts`);
  return { row: position(inH, outH, view.attrs), column: position(inW, outW, view.attrs) };
}

const { fround } = Math;

/** Input pixels between neighbours of the output, in float32. */
function stepOf(input: number, output: number, alignCorners: boolean): number {
  const less = alignCorners && output > 1 ? 1 : 0;
  return fround((input - less) / (output - less));
}

/** ComputeInterpolationValues of reference/resize_bilinear.h. */
function realPosition(
  input: number,
  output: number,
  { alignCorners, halfPixelCenters }: ResizeBilinearAttrs,
): Position {
  const scale = stepOf(input, output, alignCorners);
  return (i) => {
    const position = halfPixelCenters ? fround(fround((i + 0.5) * scale) - 0.5) : fround(i * scale);
    const first = Math.max(0, Math.floor(position));
    const next = Math.min(input - 1, Math.ceil(position));
    return { first, next, share: fround(position - first) };
  };
}

/** xnn_indirection_init_resize_bilinear2d_hwc_q11 of XNNPACK's src/indirection.c. */
function floatPosition(
  input: number,
  output: number,
  { alignCorners, halfPixelCenters }: ResizeBilinearAttrs,
): Position {
  const scale = stepOf(input, output, alignCorners);
  const offset = halfPixelCenters ? fround(fround(0.5 * scale) - 0.5) : 0;
  return (i) => {
    const position = clamp(fround(fround(i * scale) + offset), 0, input - 1);
    const first = Math.floor(position);
    return between(first, roundHalfToEven(2048 * fround(position - first)));
  };
}

function sharedPosition(
  input: number,
  output: number,
  { alignCorners, halfPixelCenters }: ResizeBilinearAttrs,
): Position {
  const { trunc } = Math;
  const scale =
    alignCorners && output > 1
      ? trunc((1024 * (input - 1) + trunc((output - 1) / 2)) / (output - 1))
      : trunc((1024 * input + trunc(output / 2)) / output);
  return (i) => {
    const position = i * scale + (halfPixelCenters ? trunc(scale / 2) - 512 : 0);
    const first = Math.max(0, trunc(position / 1024));
    const next = Math.min(input - 1, trunc((position + 1023) / 1024));
    // Between two equal pixels, or outside of the image, shares do not matter.
    return between(first, next > first ? position - 1024 * first : 0);
  };
}

/** A pixel without a share may lie outside of the image. */
const between = (first: number, share: number): Between => ({
  ...{ first, share },
  next: share > 0 ? first + 1 : first,
});

/** Two pixels of a column, the upper one first. */
type Pair = readonly [above: number, below: number];

/** The mean of four pixels that lie around a position, by its shares of the lower and right ones. */
type Blend = (left: Pair, right: Pair, down: number, beside: number) => number;

function blendOf(view: NodeView<ResizeBilinearAttrs>): Blend {
  const unit = unitOf(view);
  if (unit === 1) return realBlend;
  const rounded = view.attrs.shareBits === 11 ? halvesUp : halvesAway;
  return (left, right, down, beside) => {
    const [ofLeft, ofRight] = [left, right].map((pair) => pair[0] * (unit - down) + pair[1] * down);
    return rounded((ofLeft as number) * (unit - beside) + (ofRight as number) * beside);
  };
}

/** Each product and sum is rounded; the last sum makes −0 a 0. */
function realBlend(left: Pair, right: Pair, down: number, beside: number): number {
  const [up, here] = [fround(1 - down), fround(1 - beside)];
  const term = (pixel: number, share: number, other: number) =>
    fround(fround(pixel * share) * other);
  const ofLeft = fround(term(left[0], up, here) + term(left[1], down, here));
  const three = fround(ofLeft + term(right[0], up, beside));
  return fround(three + term(right[1], down, beside)) + 0;
}

/** Sums of weighted elements, by the square of the unit. */
const halvesAway = (sum: number) => Math.trunc((sum + (sum > 0 ? 2 ** 19 : -(2 ** 19))) / 2 ** 20);
const halvesUp = (sum: number) => Math.floor((sum + 2 ** 21) / 2 ** 22);

function unsupported(view: NodeView<object>, message: string, hint: string): BonsaiError {
  return new BonsaiError('unsupported-attribute', at(view.node), message, hint);
}
