/** reduce_prod (REDUCE_PROD): the product of the elements over some dimensions. */
import type { DType } from '../ir/graph.js';
import { folding } from './shape/folding.js';

export const productTypes: readonly DType[] = ['float32', 'int32'];

/** Products of float32 are rounded one by one, those of int32 wrap. */
export const reduceProd = folding('reduce_prod', {
  types: productTypes,
  first: 1,
  combine: (product, x, dtype) =>
    dtype === 'float32' ? Math.fround(product * x) : Math.imul(product, x),
});
