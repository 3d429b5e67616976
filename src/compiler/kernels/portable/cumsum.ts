/** cumsum: one pass over each line. */
import { elementCount } from '../../ir/graph.js';
import { type CumsumAttrs, cumsumScalingOf, cumsumTypes, cumsumUnit } from '../../ops/cumsum.js';
import { linesOf } from '../../ops/shape/lines.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { KernelVariant } from '../variant.js';

export const cumsumVariant: KernelVariant<CumsumAttrs> = {
  template: 'portable/cumsum',
  needs: [],
  types: cumsumTypes,
  match: (view) => {
    const { shape, dtype } = outputOf(view);
    const { exclusive, reverse } = view.attrs;
    const { blocks, extent, inner } = linesOf(view);
    const scaling = dtype === 'int8' ? cumsumScalingOf(view) : null;
    return {
      scratchBytes: 0,
      work: () => ({ elements: { count: elementCount(shape), cycles: scaling ? 45 : 60 } }),
      calls: () => [
        {
          ...{ inputs: [0], outputs: [0], types: { element: dtype }, tables: {} },
          flags: { exclusive, reverse, scaled: scaling !== null, real: dtype === 'float32' },
          words: {
            ...{ reach: exclusive ? 'before' : 'up to', result: exclusive ? 'before' : 'sum' },
            ...{ onwards: reverse ? '-' : '+', last: reverse ? '(depth - 1) * inner + ' : '' },
            ...(dtype === 'float32'
              ? { sum: 'float', addend: '', total: '' }
              : { sum: 'uint32_t', addend: '(uint32_t)', total: '(int32_t)' }),
          },
          numbers: {
            ...{ blocks, depth: extent, inner },
            ...(scaling === null
              ? {}
              : {
                  unit: cumsumUnit,
                  in_zero_point: scaling.inputZeroPoint,
                  out_zero_point: scaling.outputZeroPoint,
                  ...scaling.multiplier,
                }),
          },
        },
      ],
    };
  },
};
