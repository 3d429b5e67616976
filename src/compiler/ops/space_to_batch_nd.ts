/** space_to_batch_nd (SPACE_TO_BATCH_ND): each pixel of a block goes to a batch of its own. */
import { elementCount, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { badBlocks, toBatches } from './shape/batches.js';
import { movement } from './shape/movement.js';
import { inputOf, outputOf } from './shape/operands.js';

/** Padding means 0 (desktop TFLite; TFLM leaves the integer of the padding undefined). */
export interface SpaceToBatchNdAttrs {
  /** Extents of a block along the dimensions behind the first. */
  readonly block: readonly number[];
  /** [before, after] of the same dimensions, flat. Non-negative. */
  readonly pads: readonly number[];
}

export const spaceToBatchNd = movement<SpaceToBatchNdAttrs>({
  name: 'space_to_batch_nd',
  infer: (view) => [outputShape(view)],
  moves(view) {
    const { block, pads } = view.attrs;
    const zeroPoint = outputOf(view).quant?.zeroPoints[0] ?? 0;
    const shapes = { batches: outputShape(view), space: inputOf(view, 0).shape, block, pads };
    return toBatches(shapes, zeroPoint);
  },
}) satisfies OpDef<SpaceToBatchNdAttrs>;

function outputShape(view: NodeView<SpaceToBatchNdAttrs>): Shape {
  const { block, pads } = view.attrs;
  const { shape } = inputOf(view, 0);
  const [batches = 1, ...rest] = shape;
  const padded = block.map((_, d) => {
    const [before = 0, after = 0] = pads.slice(2 * d, 2 * d + 2);
    return before + (rest[d] ?? 0) + after;
  });
  const fits =
    block.length <= rest.length &&
    pads.length === 2 * block.length &&
    pads.every((amount) => amount >= 0) &&
    block.every((size, d) => size >= 1 && (padded[d] as number) % size === 0);
  if (!fits) throw badBlocks(view, `[${shape}] padded by [${pads}] is not blocks of [${block}]`);
  return [
    batches * elementCount(block),
    ...padded.map((extent, d) => extent / (block[d] as number)),
    ...rest.slice(block.length),
  ];
}
