/** batch_to_space_nd (BATCH_TO_SPACE_ND): batches become the pixels of blocks, and edges are cut. */
import { elementCount, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { badBlocks, toSpace } from './shape/batches.js';
import { movement } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export interface BatchToSpaceNdAttrs {
  /** Extents of a block along the dimensions behind the first. */
  readonly block: readonly number[];
  /** Elements cut [before, after] along the same dimensions, flat. Non-negative. */
  readonly crops: readonly number[];
}

export const batchToSpaceNd = movement<BatchToSpaceNdAttrs>({
  name: 'batch_to_space_nd',
  infer: (view) => [outputShape(view)],
  moves(view) {
    const { block, crops } = view.attrs;
    const shapes = { batches: inputOf(view, 0).shape, space: outputShape(view), block };
    return toSpace({ ...shapes, pads: crops });
  },
}) satisfies OpDef<BatchToSpaceNdAttrs>;

function outputShape(view: NodeView<BatchToSpaceNdAttrs>): Shape {
  const { block, crops } = view.attrs;
  const { shape } = inputOf(view, 0);
  const [batches = 1, ...rest] = shape;
  const left = block.map((size, d) => {
    const [before = 0, after = 0] = crops.slice(2 * d, 2 * d + 2);
    return size * (rest[d] ?? 0) - before - after;
  });
  const fits =
    block.length <= rest.length &&
    block.every((size) => size >= 1) &&
    batches % elementCount(block) === 0 &&
    crops.length === 2 * block.length &&
    crops.every((amount) => amount >= 0) &&
    left.every((extent) => extent >= 1);
  if (!fits) throw badBlocks(view, `[${shape}] is not blocks of [${block}], less [${crops}]`);
  return [batches / elementCount(block), ...left, ...rest.slice(block.length)];
}
