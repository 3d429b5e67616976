/** reduce_all, reduce_any and reduce_prod: one function of all elements in nested loops. */
import { type DType, elementCount } from '../../ir/graph.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { type ReductionAttrs, reductionLoopsOf } from '../../ops/shape/reduction.js';
import type { KernelVariant } from '../variant.js';
import { loopNumbers } from './mean.js';

/** Each is a flag of the text. */
const functions = ['all', 'any', 'product'] as const;

export function foldingVariant(
  chosen: (typeof functions)[number],
  types: readonly DType[],
): KernelVariant<ReductionAttrs> {
  return {
    template: `portable/reduce_${chosen === 'product' ? 'prod' : chosen}`,
    text: 'portable/folding',
    needs: [],
    types,
    match: (view) => {
      const { dtype } = outputOf(view);
      return {
        scratchBytes: 0,
        work: () => ({
          inputs: {
            count: elementCount(inputOf(view, 0).shape),
            cycles: dtype === 'float32' ? 60 : 8,
          },
          outputs: { count: elementCount(outputOf(view).shape), cycles: 20 },
        }),
        calls: () => [
          {
            ...{ inputs: [0], outputs: [0], types: { element: dtype }, tables: {} },
            flags: {
              ...Object.fromEntries(functions.map((name) => [name, name === chosen])),
              whole: dtype === 'int32',
            },
            words: foldings[chosen],
            numbers: loopNumbers(reductionLoopsOf(view)),
          },
        ],
      };
    },
  };
}

/** What each function is, what it begins with, and the text that takes an element. */
const foldings = {
  all: { about: 'Whether all elements are true', first: '1', step: 'portable/folding_all' },
  any: { about: 'Whether any element is true', first: '0', step: 'portable/folding_any' },
  product: { about: 'The product of the elements', first: '1', step: 'portable/folding_product' },
};
