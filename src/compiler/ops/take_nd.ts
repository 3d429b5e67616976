/** take_nd (GATHER_ND with computed indices): the parts of a tensor that vectors of indices name. */
import { arenaTypes } from '../ir/dtypes.js';
import { allocate, elementCount, type NodeView } from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { hullOf, sameBounds } from './arithmetic/bounds.js';
import { clamp } from './arithmetic/quant.js';
import { type GatherNdAttrs, gatheredNdShape } from './gather_nd.js';
import { requireIndexType } from './shape/indices.js';
import { rowMajorStrides } from './shape/movement.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';

/**
 * Input 1 holds the vectors. An index outside its extent takes the first or the last, whichever is
 * nearer: runtimes end with an error there.
 */
export const takeNd = {
  name: 'take_nd',
  types: arenaTypes,
  infer: (view) => [gatheredNdShape(view)],
  check(view) {
    requireOneType({ ...view, inputs: view.inputs.slice(0, 1) }, arenaTypes);
    requireIndexType(view, 1);
  },
  evaluate(view, [table, indices]) {
    const { shape, dtype } = outputOf(view);
    const { extents, strides, count, size } = takeNdDims(view);
    const results = allocate(dtype, elementCount(shape));
    for (let part = 0; part < count; part++) {
      const from = extents.reduce((sum, extent, d) => {
        const given = Number(indices?.[part * extents.length + d]);
        return sum + clamp(given, 0, extent - 1) * (strides[d] as number);
      }, 0);
      for (let i = 0; i < size; i++) results[part * size + i] = table?.[from + i] as never;
    }
    return [results];
  },
  macs: () => 0,
  range: (view, [table]) => [sameBounds(outputOf(view), hullOf(table as ChannelBounds))],
  inPlace: () => [],
} satisfies OpDef<GatherNdAttrs>;

/** The dimensions that a vector indexes, with their strides; `count` parts of `size` elements. */
export function takeNdDims(view: NodeView<GatherNdAttrs>) {
  const { shape } = inputOf(view, 0);
  const vectors = inputOf(view, 1).shape;
  const depth = vectors.at(-1) as number;
  return {
    extents: shape.slice(0, depth),
    strides: rowMajorStrides(shape).slice(0, depth),
    count: elementCount(vectors.slice(0, -1)),
    size: elementCount(shape.slice(depth)),
  };
}
