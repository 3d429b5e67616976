/** resize_nearest_neighbor (RESIZE_NEAREST_NEIGHBOR): changes height and width of [n, h, w, c]. */
import { BonsaiError } from '../errors.js';
import { at, type NodeView, type Shape } from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { tieOf } from './arithmetic/bounds.js';
import { roundHalfAwayFromZero } from './arithmetic/quant.js';
import { inputOf, outputOf, requireInt8 } from './shape/operands.js';

/** Both runtimes give the same bits. The size is that of the output tensor. */
export interface ResizeNearestNeighborAttrs {
  /** The corner pixels of input and output coincide. */
  readonly alignCorners: boolean;
  /** A pixel's position is its centre. */
  readonly halfPixelCenters: boolean;
}

export const resizeNearestNeighbor = {
  name: 'resize_nearest_neighbor',

  infer(view) {
    const { shape } = inputOf(view, 0);
    const [n, , , c] = shape;
    const [, outH, outW] = outputOf(view).shape;
    if (shape.length !== 4 || n === undefined || c === undefined) throw badRank(view, shape);
    if (outH === undefined || outW === undefined) throw badRank(view, outputOf(view).shape);
    return [[n, outH, outW, c]];
  },

  check(view) {
    requireInt8(view);
    const [, inH = 0, inW = 0] = inputOf(view, 0).shape;
    // The tables of rows and columns have 16-bit entries.
    if (Math.max(inH, inW) <= 65536) return;
    throw new BonsaiError(
      'unsupported-attribute',
      at(view.node),
      `an image of ${inH} by ${inW} is too large`,
      'use at most 65536 by 65536',
    );
  },

  evaluate(view, [data]) {
    const input = data as Int8Array;
    const { batches, outH, outW, channels, inH, inW, rows, columns } = geometry(view);
    const output = new Int8Array(batches * outH * outW * channels);
    let to = 0;
    for (let n = 0; n < batches; n++) {
      for (const row of rows) {
        for (const column of columns) {
          const from = ((n * inH + row) * inW + column) * channels;
          output.set(input.subarray(from, from + channels), to);
          to += channels;
        }
      }
    }
    return [output];
  },

  macs: () => 0,
  range: (_, inputs) => inputs as readonly ChannelBounds[],
  channels: () => ({ kind: 'tied', ties: [tieOf(0)] }),
  inPlace: () => [],
} satisfies OpDef<ResizeNearestNeighborAttrs>;

/** Extents, and the input row (column) of each output row (column). */
export function geometry(view: NodeView<ResizeNearestNeighborAttrs>) {
  const [batches = 1, inH = 1, inW = 1, channels = 1] = inputOf(view, 0).shape;
  const [, outH = 1, outW = 1] = outputOf(view).shape;
  const rows = nearest(inH, outH, view.attrs);
  const columns = nearest(inW, outW, view.attrs);
  return { batches, inH, inW, channels, outH, outW, rows, columns };
}

/** The input index for every output index of one dimension, computed in float32 as TFLite does. */
function nearest(
  input: number,
  output: number,
  { alignCorners, halfPixelCenters }: ResizeNearestNeighborAttrs,
): Uint16Array {
  const { fround } = Math;
  const scale =
    alignCorners && output > 1 ? fround((input - 1) / (output - 1)) : fround(input / output);
  return Uint16Array.from({ length: output }, (_, i) => {
    const position = fround(fround(i + (halfPixelCenters ? 0.5 : 0)) * scale);
    const index = alignCorners ? roundHalfAwayFromZero(position) : Math.floor(position);
    return Math.min(index, input - 1);
  });
}

function badRank(view: NodeView<object>, shape: Shape): BonsaiError {
  return new BonsaiError(
    'bad-shape',
    at(view.node),
    `a tensor of [${shape}] is not [n, h, w, c]`,
    'convert the model again',
  );
}
