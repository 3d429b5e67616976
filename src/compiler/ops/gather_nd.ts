/** gather_nd (GATHER_ND): the parts of a tensor that constant vectors of indices name. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { constantIndices } from './shape/indices.js';
import { movement, rowMajorStrides, runsAt } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

/** Input 1 holds the vectors: its last dimension indexes the leading dimensions of input 0. */
export type GatherNdAttrs = Readonly<Record<string, never>>;

export const gatherNd = movement<GatherNdAttrs>({
  name: 'gather_nd',
  operands: [0],
  infer: (view) => [gatheredNdShape(view)],
  check: (view) => void placesOf(view),
  moves(view) {
    const { places, inner } = placesOf(view);
    return [{ input: 0, output: 0, ...runsAt(places, inner) }];
  },
}) satisfies OpDef<GatherNdAttrs>;

/** Where each part begins, and the elements of a part. */
function placesOf(view: NodeView<GatherNdAttrs>) {
  const { shape } = inputOf(view, 0);
  const depth = inputOf(view, 1).shape.at(-1) ?? 1;
  const indices = constantIndices(view, 1, shape.slice(0, depth));
  const strides = rowMajorStrides(shape);
  const places = Array.from({ length: indices.length / depth }, (_, i) =>
    strides
      .slice(0, depth)
      .reduce((sum, stride, d) => sum + stride * (indices[i * depth + d] as number), 0),
  );
  return { places, inner: elementCount(shape.slice(depth)) };
}

/** @throws BonsaiError 'bad-shape' where the inputs do not fit */
export function gatheredNdShape(view: NodeView<GatherNdAttrs>): Shape {
  const { shape } = inputOf(view, 0);
  const indices = inputOf(view, 1).shape;
  const depth = indices.at(-1) ?? 0;
  if (depth >= 1 && depth <= shape.length) return [...indices.slice(0, -1), ...shape.slice(depth)];
  throw new BonsaiError(
    'bad-shape',
    at(view.node),
    `vectors of ${depth} indices do not fit [${shape}]`,
    'convert the model again',
  );
}
