/** resize_bilinear (RESIZE_BILINEAR): changes height and width of [n, h, w, c] by interpolation. */
import { BonsaiError } from '../errors.js';
import { at, elementCount, type NodeView, type TensorData } from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { tieOf } from './arithmetic/bounds.js';
import { clamp, roundHalfToEven } from './arithmetic/quant.js';
import { imageShape } from './shape/blocks.js';
import { outputOf, requireInt8 } from './shape/operands.js';

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
   */
  readonly shareBits?: 10 | 11;
}

export const resizeBilinear = {
  name: 'resize_bilinear',
  infer(view) {
    const [n, , , c] = imageShape(view);
    const [, outH = 1, outW = 1] = outputOf(view).shape;
    return [[n, outH, outW, c]];
  },
  check(view) {
    requireInt8(view);
    if (view.attrs.alignCorners && view.attrs.halfPixelCenters) {
      const message = 'has both align_corners and half_pixel_centers';
      throw unsupported(view, message, 'set one of them: no runtime takes both');
    }
    const { rows, columns } = interpolation(view);
    const [, inH, inW] = imageShape(view);
    const beyond = (points: readonly Between[], extent: number) =>
      points.some(({ first, share }) => first + (share > 0 ? 1 : 0) >= extent);
    if (!beyond(rows, inH) && !beyond(columns, inW)) return;
    const message = 'enlarges so much that the runtimes read beyond the image';
    throw unsupported(view, message, 'enlarge in two steps');
  },
  evaluate(view, [data]) {
    const input = data as TensorData;
    const [batches, inH, inW, channels] = imageShape(view);
    const { rows, columns } = interpolation(view);
    const { shareBits = 10 } = view.attrs;
    const rounded = roundings[shareBits];
    const output = new Int8Array(elementCount(outputOf(view).shape));
    let o = 0;
    for (let n = 0; n < batches; n++) {
      for (const row of rows) {
        for (const column of columns) {
          const at = (down: number, right: number) =>
            ((n * inH + row.first + down) * inW + column.first + right) * channels;
          const corners = [at(0, 0), at(0, 1), at(1, 0), at(1, 1)];
          const weights = weightsOf(row.share, column.share, 2 ** shareBits);
          for (let c = 0; c < channels; c++) {
            let sum = 0;
            // A corner without weight may lie outside of the image.
            corners.forEach((corner, i) => {
              if (weights[i] !== 0) sum += Number(input[corner + c]) * (weights[i] as number);
            });
            output[o++] = rounded(sum);
          }
        }
      }
    }
    return [output];
  },
  macs: () => 0,
  // A mean of elements of one channel.
  range: (_, inputs) => inputs as readonly ChannelBounds[],
  channels: () => ({ kind: 'tied', ties: [tieOf(0)] }),
  inPlace: () => [],
} satisfies OpDef<ResizeBilinearAttrs>;

/** A position between two input pixels: 2^shareBits − share parts of the first, share of the next. */
export interface Between {
  readonly first: number;
  /** 0 to 2^shareBits; less for 10 bits. */
  readonly share: number;
}

/** Where each output row and column lies. */
export function interpolation(view: NodeView<ResizeBilinearAttrs>) {
  const [, inH, inW] = imageShape(view);
  const [, outH = 1, outW = 1] = outputOf(view).shape;
  const between = view.attrs.shareBits === 11 ? floatPositions : positions;
  return { rows: between(inH, outH, view.attrs), columns: between(inW, outW, view.attrs) };
}

/** xnn_indirection_init_resize_bilinear2d_hwc_q11 of XNNPACK's src/indirection.c. */
function floatPositions(
  input: number,
  output: number,
  { alignCorners, halfPixelCenters }: ResizeBilinearAttrs,
): readonly Between[] {
  const { fround } = Math;
  const less = alignCorners && output > 1 ? 1 : 0;
  const scale = fround((input - less) / (output - less));
  const offset = halfPixelCenters ? fround(fround(0.5 * scale) - 0.5) : 0;
  return Array.from({ length: output }, (_, i) => {
    const position = clamp(fround(fround(i * scale) + offset), 0, input - 1);
    const first = Math.floor(position);
    return { first, share: roundHalfToEven(2048 * fround(position - first)) };
  });
}

function positions(
  input: number,
  output: number,
  { alignCorners, halfPixelCenters }: ResizeBilinearAttrs,
): readonly Between[] {
  const { trunc } = Math;
  const scale =
    alignCorners && output > 1
      ? trunc((1024 * (input - 1) + trunc((output - 1) / 2)) / (output - 1))
      : trunc((1024 * input + trunc(output / 2)) / output);
  return Array.from({ length: output }, (_, i) => {
    const position = i * scale + (halfPixelCenters ? trunc(scale / 2) - 512 : 0);
    const first = Math.max(0, trunc(position / 1024));
    const next = Math.min(input - 1, trunc((position + 1023) / 1024));
    // Between two equal pixels, or outside of the image, shares do not matter.
    return { first, share: next > first ? position - 1024 * first : 0 };
  });
}

/** Of the corners (0, 0), (0, 1), (1, 0) and (1, 1); their sum is the square of `whole`. */
function weightsOf(down: number, right: number, whole: number): readonly number[] {
  return [
    (whole - down) * (whole - right),
    (whole - down) * right,
    down * (whole - right),
    down * right,
  ];
}

/** A sum of weighted elements, by bits of the shares. */
const roundings = {
  10: (sum: number) => Math.trunc((sum + (sum > 0 ? 2 ** 19 : -(2 ** 19))) / 2 ** 20),
  11: (sum: number) => Math.floor((sum + 2 ** 21) / 2 ** 22),
};

function unsupported(view: NodeView<object>, message: string, hint: string): BonsaiError {
  return new BonsaiError('unsupported-attribute', at(view.node), message, hint);
}
