/** arg_extreme: comparisons along one dimension. */
import { elementCount } from '../../ir/graph.js';
import { type ArgExtremeAttrs, comparedElements } from '../../ops/arg_extreme.js';
import { linesOf } from '../../ops/shape/lines.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import type { KernelVariant } from '../variant.js';
import { extremeWords } from './mean.js';

export const argExtremeVariant: KernelVariant<ArgExtremeAttrs> = {
  template: 'portable/arg_extreme',
  needs: [],
  types: comparedElements,
  match: (view) => {
    const { blocks, extent, inner } = linesOf(view);
    return {
      scratchBytes: 0,
      work: () => ({
        inputs: { count: elementCount(inputOf(view, 0).shape), cycles: 10 },
        outputs: { count: elementCount(outputOf(view).shape), cycles: 20 },
      }),
      calls: () => [
        {
          ...{ inputs: [0], outputs: [0], tables: {} },
          types: { element: inputOf(view, 0).dtype },
          flags: { maximum: view.attrs.function === 'max' },
          words: extremeWords(view.attrs.function === 'max'),
          numbers: { outer: blocks, extent, inner },
        },
      ],
    };
  },
};
