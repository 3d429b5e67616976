/** take and take_nd: a copy for each index, which is kept inside the tensor. */
import { arenaTypes } from '../../ir/dtypes.js';
import { byteCount, dtypes, elementCount, isConstant, type NodeView } from '../../ir/graph.js';
import type { GatherAttrs } from '../../ops/gather.js';
import type { GatherNdAttrs } from '../../ops/gather_nd.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { takeDims } from '../../ops/take.js';
import { takeNdDims } from '../../ops/take_nd.js';
import type { KernelCall, KernelVariant, Table } from '../variant.js';

export const takeVariant: KernelVariant<GatherAttrs> = {
  template: 'portable/take',
  needs: [],
  types: arenaTypes,
  match: (view) => {
    const output = outputOf(view);
    const { batches, blocks, extent, count, size } = takeDims(view);
    const bytes = size * dtypes[output.dtype].bytes;
    return {
      scratchBytes: 0,
      // Cortex-M0+: the call of memcpy and the loop around it.
      work: () => ({
        bytes: { count: byteCount(output), cycles: 2 },
        parts: { count: elementCount(output.shape) / size, cycles: 40 },
      }),
      calls() {
        const call = callOf(view);
        return [
          {
            ...call,
            flags: { ...call.flags, single: bytes === 1 },
            numbers: {
              ...{ batches, blocks, count, last: extent - 1, block_bytes: extent * bytes },
              ...(bytes === 1 ? {} : { bytes }),
            },
          },
        ];
      },
    };
  },
};

export const takeNdVariant: KernelVariant<GatherNdAttrs> = {
  template: 'portable/take_nd',
  needs: [],
  types: arenaTypes,
  match: (view) => {
    const output = outputOf(view);
    const { extents, strides, count, size } = takeNdDims(view);
    const { bytes: width } = dtypes[output.dtype];
    const words = (values: readonly number[]): Table => ({
      data: Int32Array.from(values),
      role: 'table',
    });
    return {
      scratchBytes: 0,
      work: () => ({
        bytes: { count: byteCount(output), cycles: 2 },
        parts: { count, cycles: 40 + 12 * extents.length },
      }),
      calls() {
        const call = callOf(view);
        return [
          {
            ...call,
            numbers: { count, depth: extents.length, bytes: size * width },
            tables: {
              ...call.tables,
              lasts: words(extents.map((extent) => extent - 1)),
              strides: words(strides.map((stride) => stride * width)),
            },
          },
        ];
      },
    };
  },
};

/** The tensor of parts is a table where it is a constant. */
function callOf(view: NodeView<object>): Omit<KernelCall, 'numbers'> {
  const parts = inputOf(view, 0);
  const constant = isConstant(parts);
  const table: Table = { data: parts.data as Table['data'], role: 'weights' };
  return {
    ...{ inputs: constant ? [1] : [0, 1], outputs: [0], bytes: true, flags: { constant } },
    tables: constant ? { table } : {},
  };
}
