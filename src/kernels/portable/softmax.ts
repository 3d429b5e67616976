/** softmax: a table of exponentials, and one division per row. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { differenceMultiplier, exponentials, reciprocals } from '../../ops/arithmetic/softmax16.js';
import { outputOf } from '../../ops/shape/operands.js';
import {
  fixedExponentials,
  type SoftmaxAttrs,
  softmaxRows,
  tableExponentials,
} from '../../ops/softmax.js';
import type { KernelCall, KernelVariant } from '../variant.js';

export const softmaxVariants: readonly KernelVariant<SoftmaxAttrs>[] = [
  {
    template: 'portable/softmax',
    needs: [],
    match(view) {
      if (view.attrs.algorithm !== 'fixed') return null;
      return {
        scratchBytes: 0,
        work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 70 } }),
        calls: () => [lower(view, Int32Array.from(fixedExponentials(view)))],
      };
    },
  },
  {
    template: 'portable/softmax_table',
    needs: [],
    match(view) {
      if (view.attrs.algorithm !== 'table') return null;
      return {
        scratchBytes: 0,
        // Two floating-point additions or multiplications by the run-time library, on a core
        // without an FPU.
        work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 300 } }),
        calls: () => [lower(view, tableExponentials(view))],
      };
    },
  },
  {
    template: 'portable/softmax_lines',
    needs: [],
    types: ['int16'],
    match(view) {
      const { multiplier, shift } = differenceMultiplier(view, view.attrs.beta);
      return {
        scratchBytes: 0,
        overlaps: [{ input: 0, lead: 0, exact: true }],
        work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 75 } }),
        calls: () => [
          {
            ...{ inputs: [0], outputs: [0], flags: {} },
            numbers: { ...softmaxRows(view), multiplier, shift },
            tables: {
              exponentials: { data: exponentials, role: 'table' },
              reciprocals: { data: reciprocals, role: 'table' },
            },
          },
        ],
      };
    },
  },
];

function lower(view: NodeView<SoftmaxAttrs>, data: Int32Array | Float32Array): KernelCall {
  return {
    inputs: [0],
    outputs: [0],
    flags: {},
    numbers: softmaxRows(view),
    tables: { exponentials: { data, role: 'table' } },
  };
}
