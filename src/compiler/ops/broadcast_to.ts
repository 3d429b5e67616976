/** broadcast_to (BROADCAST_TO, FILL): repeats a tensor along the dimensions where its extent is 1. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { movement, rowMajorStrides } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export interface BroadcastToAttrs {
  /** The output's shape. The input's dimensions are its last ones. */
  readonly shape: Shape;
}

export const broadcastTo = movement<BroadcastToAttrs>({
  name: 'broadcast_to',
  infer: (view) => [outputShape(view)],
  moves(view) {
    const { shape } = inputOf(view, 0);
    const output = outputShape(view);
    const before = output.length - shape.length;
    const inStrides = rowMajorStrides(shape);
    const outStrides = rowMajorStrides(output);
    const loops = output.map((extent, d) => ({
      extent,
      inStride: (shape[d - before] ?? 1) === 1 ? 0 : (inStrides[d - before] as number),
      outStride: outStrides[d] as number,
    }));
    return [{ input: 0, output: 0, inOffset: 0, outOffset: 0, loops }];
  },
}) satisfies OpDef<BroadcastToAttrs>;

function outputShape(view: NodeView<BroadcastToAttrs>): Shape {
  const { shape } = view.attrs;
  const input = inputOf(view, 0).shape;
  const before = shape.length - input.length;
  const fits =
    before >= 0 && input.every((extent, d) => extent === 1 || extent === shape[before + d]);
  if (fits) return shape;
  throw new BonsaiError(
    'bad-shape',
    at(view.node),
    `[${input}] does not repeat to [${shape}]`,
    'extents must be equal to the last ones of the output, or 1',
  );
}
