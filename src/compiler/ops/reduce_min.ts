/** reduce_min (REDUCE_MIN): the least element over any dimensions. */
import { extreme } from './shape/extreme.js';

export const reduceMin = extreme('reduce_min', (element, found) => element < found);
