/** reduce_max (REDUCE_MAX): the greatest element over any dimensions. */
import { extreme } from './shape/extreme.js';

export const reduceMax = extreme('reduce_max', (element, found) => element > found);
