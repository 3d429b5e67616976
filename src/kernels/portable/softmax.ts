/** softmax: a table of exponentials, and one division a row. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { outputOf } from '../../ops/shape/operands.js';
import {
  fixedExponentials,
  type SoftmaxAttrs,
  softmaxRows,
  tableExponentials,
} from '../../ops/softmax.js';
import type { KernelCall, DescribedVariant as KernelVariant } from '../variant.js';

export const softmaxVariants: readonly KernelVariant<SoftmaxAttrs>[] = [
  {
    template: 'portable/softmax',
    needs: [],
    support: ['portable/support/multiply_high', 'portable/support/requantise'],
    when: (view) => view.attrs.algorithm === 'fixed',
    scratch: () => 0,
    work: (view) => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 70 } }),
    lower: (view) => [lower(view, Int32Array.from(fixedExponentials(view)))],
  },
  {
    template: 'portable/softmax_table',
    needs: [],
    support: [],
    when: (view) => view.attrs.algorithm === 'table',
    scratch: () => 0,
    // Two additions or multiplications by the run-time library of a core without an FPU.
    work: (view) => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 300 } }),
    lower: (view) => [lower(view, tableExponentials(view))],
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
