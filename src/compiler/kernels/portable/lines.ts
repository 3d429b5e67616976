/** Functions of int16: lines between the entries of a table, and the inverse root in fixed point. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { fractionBits, type RsqrtAttrs, rsqrtScale } from '../../ops/rsqrt.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { KernelVariant } from '../variant.js';

const traits = { needs: [], types: ['int16'] } as const;

/** @param tableOf null for a node that has no table */
export function linesVariant<A extends object>(
  tableOf: (view: NodeView<A>) => Int16Array | null,
): KernelVariant<A> {
  return {
    ...traits,
    template: 'portable/lines',
    match(view) {
      const table = tableOf(view);
      if (table === null) return null;
      const count = elementCount(outputOf(view).shape);
      return {
        scratchBytes: 0,
        work: () => ({ outputs: { count, cycles: 24 } }),
        calls: () => [
          {
            ...{ inputs: [0], outputs: [0], flags: {}, numbers: { count } },
            tables: { table: { data: table, role: 'table' } },
          },
        ],
      };
    },
  };
}

export const inverseRootVariant: KernelVariant<RsqrtAttrs> = {
  ...traits,
  template: 'portable/inverse_root',
  match(view) {
    if (view.attrs.algorithm === 'table') return null;
    const count = elementCount(outputOf(view).shape);
    return {
      scratchBytes: 0,
      work: () => ({ outputs: { count, cycles: 900 } }),
      calls: () => [
        {
          ...{ inputs: [0], outputs: [0], flags: {}, tables: {} },
          numbers: {
            ...{ count, fraction_bits: fractionBits },
            ...rsqrtScale(view),
          },
        },
      ],
    };
  },
};
