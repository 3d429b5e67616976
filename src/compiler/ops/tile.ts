/** tile (TILE): repeats a tensor along its dimensions. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { type Loop, movement, rowMajorStrides } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export interface TileAttrs {
  /** Copies along each dimension, at least 1. */
  readonly multiples: readonly number[];
}

export const tile = movement<TileAttrs>({
  name: 'tile',
  infer: (view) => [outputShape(view)],
  moves(view) {
    const { shape } = inputOf(view, 0);
    const inStrides = rowMajorStrides(shape);
    const outStrides = rowMajorStrides(outputShape(view));
    const loops = shape.flatMap((extent, d): readonly Loop[] => {
      const [inStride, outStride] = [inStrides[d] as number, outStrides[d] as number];
      const copies = view.attrs.multiples[d] as number;
      return [
        { extent: copies, inStride: 0, outStride: extent * outStride },
        { extent, inStride, outStride },
      ];
    });
    return [{ input: 0, output: 0, inOffset: 0, outOffset: 0, loops }];
  },
}) satisfies OpDef<TileAttrs>;

function outputShape(view: NodeView<TileAttrs>): Shape {
  const { multiples } = view.attrs;
  const { shape } = inputOf(view, 0);
  if (multiples.length !== shape.length || multiples.some((copies) => !(copies >= 1))) {
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `[${multiples}] are not copies along each of ${shape.length} dimensions`,
      'repeat each dimension once or more',
    );
  }
  return shape.map((extent, d) => extent * (multiples[d] as number));
}
