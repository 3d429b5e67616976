/** reduce_any (REDUCE_ANY): whether any of the elements over some dimensions is true. */
import { folding } from './shape/folding.js';

export const reduceAny = folding('reduce_any', {
  types: ['bool'],
  first: 0,
  combine: (found, x) => found | x,
});
