/** reduce_all (REDUCE_ALL): whether all elements over some dimensions are true. */
import { folding } from './shape/folding.js';

export const reduceAll = folding('reduce_all', {
  types: ['bool'],
  first: 1,
  combine: (held, x) => held & x,
});
