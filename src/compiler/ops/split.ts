/** split (SPLIT, SPLIT_V): cuts a tensor into several along one dimension. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { movement } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export interface SplitAttrs {
  /** 0 to rank − 1. */
  readonly axis: number;
  /** Number of outputs. */
  readonly count: number;
  /** Extent of each output along the axis (SPLIT_V); without it the parts are equal. */
  readonly sizes?: readonly number[];
}

export const split = movement<SplitAttrs>({
  name: 'split',
  infer(view) {
    const { axis } = view.attrs;
    const { shape } = inputOf(view, 0);
    return sizesOf(view).map((size) => shape.map((extent, d) => (d === axis ? size : extent)));
  },
  moves(view) {
    const { axis } = view.attrs;
    const { shape } = inputOf(view, 0);
    const inner = elementCount(shape.slice(axis + 1));
    const inStride = (shape[axis] as number) * inner;
    let inOffset = 0;
    return sizesOf(view).map((size, output) => {
      const count = size * inner;
      const loops = [
        { extent: elementCount(shape.slice(0, axis)), inStride, outStride: count },
        { extent: count, inStride: 1, outStride: 1 },
      ];
      const move = { input: 0, output, inOffset, outOffset: 0, loops };
      inOffset += count;
      return move;
    });
  },
}) satisfies OpDef<SplitAttrs>;

function sizesOf(view: NodeView<SplitAttrs>): readonly number[] {
  const { axis, count } = view.attrs;
  const extent = inputOf(view, 0).shape[axis] ?? 0;
  // One size for each output that exists: the count of a hostile file may be in the billions.
  const sizes = view.attrs.sizes ?? view.outputs.map(() => extent / count);
  const fits =
    extent > 0 &&
    sizes.length === count &&
    sizes.length === view.outputs.length &&
    sizes.every((size) => Number.isInteger(size) && size > 0) &&
    sizes.reduce((a, b) => a + b, 0) === extent;
  if (fits) return sizes;
  throw new BonsaiError(
    'bad-shape',
    at(view.node),
    `dimension ${axis} of extent ${extent} does not split into ${view.attrs.sizes ?? count}`,
    'convert the model again',
  );
}
