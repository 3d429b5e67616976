/** resize_nearest_neighbor (RESIZE_NEAREST_NEIGHBOR): changes height and width of [n, h, w, c]. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { roundHalfAwayFromZero } from './arithmetic/quant.js';
import { movement, selection } from './shape/movement.js';
import { inputOf, outputOf } from './shape/operands.js';

/** Both runtimes give the same bits. The size is that of the output tensor. */
export interface ResizeNearestNeighborAttrs {
  /** The corner pixels of input and output coincide. */
  readonly alignCorners: boolean;
  /** A pixel's position is its centre. */
  readonly halfPixelCenters: boolean;
}

export const resizeNearestNeighbor = movement<ResizeNearestNeighborAttrs>({
  name: 'resize_nearest_neighbor',
  infer(view) {
    const { shape } = inputOf(view, 0);
    const [n, , , c] = shape;
    const [, outH, outW] = outputOf(view).shape;
    if (shape.length !== 4 || n === undefined || c === undefined) throw badRank(view, shape);
    if (outH === undefined || outW === undefined) throw badRank(view, outputOf(view).shape);
    return [[n, outH, outW, c]];
  },
  moves(view) {
    const { rows, columns } = nearestPixels(view);
    const { shape } = inputOf(view, 0);
    return [{ input: 0, output: 0, ...selection(shape, [null, rows, columns, null]) }];
  },
}) satisfies OpDef<ResizeNearestNeighborAttrs>;

/** The input row (column) of each output row (column). */
export function nearestPixels(view: NodeView<ResizeNearestNeighborAttrs>) {
  const [, inH = 1, inW = 1] = inputOf(view, 0).shape;
  const [, outH = 1, outW = 1] = outputOf(view).shape;
  return { rows: nearest(inH, outH, view.attrs), columns: nearest(inW, outW, view.attrs) };
}

/** The input index for every output index of one dimension, computed in float32 as TFLite does. */
function nearest(
  input: number,
  output: number,
  { alignCorners, halfPixelCenters }: ResizeNearestNeighborAttrs,
): readonly number[] {
  const { fround } = Math;
  const scale =
    alignCorners && output > 1 ? fround((input - 1) / (output - 1)) : fround(input / output);
  return Array.from({ length: output }, (_, i) => {
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
