/** l2_normalization: a sum of squares, then one inverse root, for each row. */
import { at, elementCount } from '../../ir/graph.js';
import { perTensor } from '../../ops/arithmetic/quant.js';
import { type L2NormalizationAttrs, normalizedTypes } from '../../ops/l2_normalization.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { rowsOf } from '../../ops/shape/rows.js';
import type { KernelVariant } from '../variant.js';

export const l2NormalizationVariant: KernelVariant<L2NormalizationAttrs> = {
  template: 'portable/l2_normalization',
  needs: [],
  types: normalizedTypes,
  match(view) {
    const { dtype, shape } = outputOf(view);
    const real = dtype === 'float32';
    const count = elementCount(shape);
    const rows = rowsOf(view);
    return {
      scratchBytes: 0,
      overlaps: [{ input: 0, lead: 0, exact: true }],
      work: () => ({
        outputs: { count, cycles: real ? 400 : 45 },
        rows: { count: rows.rows, cycles: real ? 900 : 500 },
      }),
      calls: () => [
        {
          ...{ inputs: [0], outputs: [0], tables: {} },
          types: { element: dtype },
          flags: { real },
          numbers: real
            ? { ...rows }
            : { ...rows, zero_point: perTensor(inputOf(view, 0), at(view.node)).zeroPoint },
        },
      ],
    };
  },
};
