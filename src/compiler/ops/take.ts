/** take (GATHER and EMBEDDING_LOOKUP with computed indices): parts of a tensor along one dimension. */
import { arenaTypes } from '../ir/dtypes.js';
import { allocate, elementCount, type NodeView } from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { takenBounds } from './arithmetic/bounds.js';
import { clamp } from './arithmetic/quant.js';
import { type GatherAttrs, gatheredShape } from './gather.js';
import { pointwiseAxes } from './shape/axes.js';
import { requireIndexType } from './shape/indices.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';

/**
 * Input 1 holds the indices. One outside the extent takes the first or the last part, whichever is
 * nearer: runtimes end with an error there.
 */
export const take = {
  name: 'take',
  types: arenaTypes,
  infer: (view) => [gatheredShape(view)],
  check(view) {
    requireOneType({ ...view, inputs: view.inputs.slice(0, 1) }, arenaTypes);
    requireIndexType(view, 1);
  },
  evaluate(view, [table, indices]) {
    const { shape, dtype } = outputOf(view);
    const { batches, blocks, extent, count, size } = takeDims(view);
    const results = allocate(dtype, elementCount(shape));
    for (let part = 0; part < batches * blocks * count; part++) {
      const block = Math.floor(part / count);
      const given = Number(indices?.[Math.floor(block / blocks) * count + (part % count)]);
      const index = clamp(given, 0, extent - 1);
      for (let i = 0; i < size; i++) {
        results[part * size + i] = table?.[(block * extent + index) * size + i] as never;
      }
    }
    return [results];
  },
  macs: () => 0,
  range: (view, [table]) => [
    takenBounds(outputOf(view), table as ChannelBounds, keepsChannels(view)),
  ],
  axes(view) {
    const [{ shape }, output] = [inputOf(view, 0), outputOf(view).shape];
    return pointwiseAxes({ inputs: view.inputs.slice(0, 1), outputs: view.outputs }).slice(
      output.length - shape.length + view.attrs.axis + 1,
    );
  },
  inPlace: () => [],
} satisfies OpDef<GatherAttrs>;

function keepsChannels(view: NodeView<GatherAttrs>): boolean {
  return view.attrs.axis < inputOf(view, 0).shape.length - 1;
}

/**
 * Each of `batches` has `count` indices for each of `blocks`; a block has `extent` parts of `size`
 * elements.
 */
export function takeDims(view: NodeView<GatherAttrs>) {
  const { axis, batchDims } = view.attrs;
  const { shape } = inputOf(view, 0);
  return {
    batches: elementCount(shape.slice(0, batchDims)),
    blocks: elementCount(shape.slice(batchDims, axis)),
    extent: shape[axis] as number,
    count: elementCount(inputOf(view, 1).shape.slice(batchDims)),
    size: elementCount(shape.slice(axis + 1)),
  };
}
