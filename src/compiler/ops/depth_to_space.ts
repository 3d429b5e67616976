/** depth_to_space (DEPTH_TO_SPACE): the channels of a pixel become a block of pixels. */
import type { OpDef } from '../ir/op.js';
import { type BlockAttrs, badBlock, blockLoops, fromDeep, imageShape } from './shape/blocks.js';
import { movement } from './shape/movement.js';

export const depthToSpace = movement<BlockAttrs>({
  name: 'depth_to_space',
  infer(view) {
    const { block } = view.attrs;
    const [n, h, w, c] = imageShape(view);
    if (!(block >= 1) || c % (block * block) !== 0) {
      throw badBlock(view, `${c} channels do not fill blocks of ${block} by ${block} pixels`);
    }
    return [[n, h * block, w * block, c / (block * block)]];
  },
  moves(view) {
    const { block } = view.attrs;
    const [n, h, w, c] = imageShape(view);
    const loops = fromDeep(blockLoops([n, h, w, c / (block * block)], block));
    return [{ input: 0, output: 0, inOffset: 0, outOffset: 0, loops }];
  },
}) satisfies OpDef<BlockAttrs>;
