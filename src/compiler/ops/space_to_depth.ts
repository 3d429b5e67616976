/** space_to_depth (SPACE_TO_DEPTH): a block of pixels becomes the channels of one pixel. */
import type { OpDef } from '../ir/op.js';
import { type BlockAttrs, badBlock, blockLoops, fromWide, imageShape } from './shape/blocks.js';
import { movement } from './shape/movement.js';

export const spaceToDepth = movement<BlockAttrs>({
  name: 'space_to_depth',
  infer(view) {
    const { block } = view.attrs;
    const [n, h, w, c] = imageShape(view);
    if (!(block >= 1) || h % block !== 0 || w % block !== 0) {
      throw badBlock(view, `${h} by ${w} pixels are not blocks of ${block} by ${block}`);
    }
    return [[n, h / block, w / block, c * block * block]];
  },
  moves(view) {
    const { block } = view.attrs;
    const [n, h, w, c] = imageShape(view);
    const loops = fromWide(blockLoops([n, h / block, w / block, c], block));
    return [{ input: 0, output: 0, inOffset: 0, outOffset: 0, loops }];
  },
}) satisfies OpDef<BlockAttrs>;
