/** dynamic_update_slice (DYNAMIC_UPDATE_SLICE): a tensor with a part of it replaced. */
import { BonsaiError } from '../../errors.js';
import { arenaTypes } from '../ir/dtypes.js';
import { at, isConstant, type NodeView, type TensorData } from '../ir/graph.js';
import type { ChannelBounds, OpDef } from '../ir/op.js';
import { hullOf, sameBounds } from './arithmetic/bounds.js';
import { clamp } from './arithmetic/quant.js';
import { requireIndexType } from './shape/indices.js';
import { rowMajorStrides } from './shape/movement.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';

/**
 * Inputs: the tensor, the part, and where the part begins in each dimension, moved so that all of it
 * lies inside. Both runtimes copy integers as they are, whatever their scales.
 */
export type DynamicUpdateSliceAttrs = Readonly<Record<string, never>>;

/** Dimensions that desktop TFLite takes (kMaxRank of kernels/dynamic_update_slice.cc). */
export const updateRank = 8;

export const dynamicUpdateSlice = {
  name: 'dynamic_update_slice',
  types: arenaTypes,
  infer(view) {
    const [{ shape }, part, start] = [inputOf(view, 0), inputOf(view, 1), inputOf(view, 2)];
    const rank = shape.length;
    const fits = part.shape.length === rank && part.shape.every((e, d) => e <= (shape[d] ?? 0));
    if (fits && start.shape.join() === `${rank}` && rank <= updateRank) return [shape];
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `a part of [${part.shape}] at [${start.shape}] indices does not fit [${shape}]`,
      `convert the model again: at most ${updateRank} dimensions, an index for each`,
    );
  },
  check(view) {
    requireOneType({ ...view, inputs: view.inputs.slice(0, 2) }, arenaTypes);
    requireIndexType(view, 2);
  },
  evaluate(view, [whole, part, start]) {
    const results = (whole as TensorData).slice();
    const { strides, extents } = updateDims(view);
    const first = firstPlace(view, start as TensorData);
    const steps = rowMajorStrides(extents);
    part?.forEach((value: number | bigint, i: number) => {
      const place = steps.reduce(
        (sum, step, d) =>
          sum + (Math.floor(i / step) % (extents[d] as number)) * (strides[d] as number),
        first,
      );
      results[place] = value as never;
    });
    return [results];
  },
  macs: () => 0,
  range(view, [whole, part]) {
    const ends = [whole, part].flatMap((bounds) => hullOf(bounds as ChannelBounds));
    return [sameBounds(outputOf(view), [Math.min(...ends), Math.max(...ends)])];
  },
  inPlace: (view) => (isConstant(inputOf(view, 0)) ? [] : [0]),
} satisfies OpDef<DynamicUpdateSliceAttrs>;

/** The place in the tensor of the part's first element. @param start of the part, as input 2 has it */
export function firstPlace(view: NodeView<DynamicUpdateSliceAttrs>, start: TensorData): number {
  const { limits, strides } = updateDims(view);
  return limits.reduce(
    (sum, limit, d) => sum + clamp(Number(start[d]), 0, limit) * (strides[d] as number),
    0,
  );
}

/** For each dimension: extents of the part, strides of the tensor, and where the part may begin. */
export function updateDims(view: NodeView<DynamicUpdateSliceAttrs>) {
  const [{ shape }, { shape: extents }] = [inputOf(view, 0), inputOf(view, 1)];
  const limits = shape.map((extent, d) => extent - (extents[d] as number));
  return { extents, limits, strides: rowMajorStrides(shape) };
}
