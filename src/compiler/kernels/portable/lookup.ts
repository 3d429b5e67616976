/** A function of one byte: a table of 256 values per segment of the tensor. */
import { elementCount } from '../../ir/graph.js';
import { type Elementwise, tableOf } from '../../ops/arithmetic/lookup.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { KernelVariant } from '../variant.js';

export function lookupVariants<A extends object>({
  segments,
}: Elementwise<A>): readonly KernelVariant<A>[] {
  return [
    {
      template: 'portable/lookup',
      needs: [],
      match: (view) => ({
        scratchBytes: 0,
        // Cortex-M0+: two loads, a store, an add, a compare and a taken branch.
        work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 9 } }),
        calls: () =>
          segments(view).map(({ first, end, scalar }) => ({
            inputs: [0],
            outputs: [0],
            flags: {},
            numbers: { first, end },
            tables: { table: { data: tableOf(scalar), role: 'table' } },
          })),
      }),
    },
  ];
}
