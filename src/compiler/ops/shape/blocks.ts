/** Shared by depth_to_space and space_to_depth: pixels of a block and their place among channels. */
import { BonsaiError } from '../../../errors.js';
import { at, type NodeView } from '../../ir/graph.js';
import type { Loop } from './movement.js';
import { inputOf } from './operands.js';

export interface BlockAttrs {
  /** Height and width of a block of pixels, at least 1. */
  readonly block: number;
}

/** The input's shape, which must be [n, h, w, c]. */
export function imageShape(view: NodeView<object>): readonly [number, number, number, number] {
  const { shape } = inputOf(view, 0);
  const [n = 1, h = 1, w = 1, c = 1] = shape;
  if (shape.length === 4) return [n, h, w, c];
  throw badBlock(view, `a tensor of [${shape}] is not [n, h, w, c]`);
}

export function badBlock(view: NodeView<object>, message: string): BonsaiError {
  return new BonsaiError('bad-shape', at(view.node), message, 'convert the model again');
}

/**
 * Loops over [n, h, y, w, x, c]: channel c of pixel (y, x) of block (h, w). `wide` is its stride in
 * the image of c channels, `deep` in the tensor with a pixel of block·block·c channels per block.
 */
export function blockLoops(
  [n, h, w, c]: readonly [number, number, number, number],
  block: number,
): readonly { readonly extent: number; readonly deep: number; readonly wide: number }[] {
  const pixel = block * block * c;
  const row = w * block * c;
  return [
    { extent: n, deep: h * w * pixel, wide: h * w * pixel },
    { extent: h, deep: w * pixel, wide: block * row },
    { extent: block, deep: block * c, wide: row },
    { extent: w, deep: pixel, wide: block * c },
    { extent: block, deep: c, wide: c },
    { extent: c, deep: 1, wide: 1 },
  ];
}

export type BlockLoops = ReturnType<typeof blockLoops>;

export const fromDeep = (loops: BlockLoops): readonly Loop[] =>
  loops.map(({ extent, deep, wide }) => ({ extent, inStride: deep, outStride: wide }));

export const fromWide = (loops: BlockLoops): readonly Loop[] =>
  loops.map(({ extent, deep, wide }) => ({ extent, inStride: wide, outStride: deep }));
