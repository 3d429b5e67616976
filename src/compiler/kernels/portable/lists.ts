/** bucketize, one_hot, reverse_sequence and topk: one text each. */
import { allocate, elementCount, isInteger, type NodeView } from '../../ir/graph.js';
import { type BucketizeAttrs, bucketizedTypes } from '../../ops/bucketize.js';
import { type OneHotAttrs, oneHot, oneHotDims } from '../../ops/one_hot.js';
import {
  type ReverseSequenceAttrs,
  reversedTypes,
  sequenceDims,
} from '../../ops/reverse_sequence.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { type TopkAttrs, topkTypes } from '../../ops/topk.js';
import type { KernelVariant, Table } from '../variant.js';

/** Constant indices, which may be int64, as a table `indices`; computed ones are a parameter. */
function indicesOf(view: NodeView<object>, position: number) {
  const { data } = inputOf(view, position);
  const inputs = view.inputs.map((_, i) => i);
  if (data === null) return { inputs, flags: { constant: false }, tables: {} };
  const all = Int32Array.from(data, (index: number | bigint) => Number(index));
  return {
    inputs: inputs.filter((i) => i !== position),
    flags: { constant: true },
    tables: { indices: { data: all, role: 'table' } as const },
  };
}

export const bucketizeVariant: KernelVariant<BucketizeAttrs> = {
  template: 'portable/bucketize',
  needs: [],
  types: bucketizedTypes,
  match: (view) => {
    const count = elementCount(outputOf(view).shape);
    const { boundaries } = view.attrs;
    const { dtype } = inputOf(view, 0);
    return {
      scratchBytes: 0,
      work: () => ({ comparisons: { count: count * boundaries.length, cycles: 40 } }),
      calls: () => [
        {
          ...{ inputs: [0], outputs: [0], types: { element: dtype } },
          flags: {},
          numbers: { count, bounds: boundaries.length },
          tables: { boundaries: { data: Float32Array.from(boundaries), role: 'table' } },
        },
      ],
    };
  },
};

export const oneHotVariant: KernelVariant<OneHotAttrs> = {
  template: 'portable/one_hot',
  needs: [],
  types: oneHot.types,
  match: (view) => {
    const { shape, dtype } = outputOf(view);
    const { depth, on, off } = view.attrs;
    return {
      scratchBytes: 0,
      work: () => ({ outputs: { count: elementCount(shape), cycles: 9 } }),
      calls() {
        const values = allocate(dtype, 2) as Table['data'];
        values[0] = off as never;
        values[1] = on as never;
        const { inputs, flags, tables } = indicesOf(view, 0);
        return [
          {
            ...{ inputs, outputs: [0], types: { element: dtype }, flags },
            numbers: { ...oneHotDims(view), depth },
            tables: { ...tables, values: { data: values, role: 'table' } },
          },
        ];
      },
    };
  },
};

export const reverseSequenceVariant: KernelVariant<ReverseSequenceAttrs> = {
  template: 'portable/reverse_sequence',
  needs: [],
  types: reversedTypes,
  match: (view) => {
    const { shape, dtype } = outputOf(view);
    const { extent, stride, batches, batchStride } = sequenceDims(view);
    const count = elementCount(shape);
    return {
      scratchBytes: 0,
      work: () => ({ elements: { count, cycles: 60 } }),
      calls: () => [
        {
          ...{ ...indicesOf(view, 1), outputs: [0], types: { element: dtype } },
          numbers: { count, extent, stride, batches, batch_stride: batchStride },
        },
      ],
    };
  },
};

export const topkVariant: KernelVariant<TopkAttrs> = {
  template: 'portable/topk',
  needs: [],
  types: topkTypes,
  match: (view) => {
    const { shape, dtype } = inputOf(view, 0);
    const { k } = view.attrs;
    const count = elementCount(shape);
    const extent = shape.at(-1) as number;
    return {
      scratchBytes: 0,
      // Most elements are compared with the least that was found so far, and few are put in order.
      work: () => ({
        inputs: { count, cycles: isInteger(dtype) ? 10 : 50 },
        outputs: { count: (count / extent) * k * Math.ceil(k / 2), cycles: 20 },
      }),
      calls: () => [
        {
          ...{ inputs: [0], outputs: [0, 1], types: { element: dtype }, tables: {} },
          ...{ flags: {}, numbers: { rows: count / extent, extent, k } },
        },
      ],
    };
  },
};
