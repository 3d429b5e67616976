/** average_pool2d (AVERAGE_POOL_2D): the mean of the window's elements inside the image. */
import type { OpDef } from '../ir/op.js';
import { roundHalfAwayFromZero } from './arithmetic/quant.js';
import { type PoolAttrs, pool } from './shape/pool.js';

/** Both runtimes give the same bits. */
export interface AveragePool2dAttrs extends PoolAttrs {}

export const averagePool2d = pool<AveragePool2dAttrs>({
  name: 'average_pool2d',
  // A quotient of small integers: rounding it to a double never makes it a tie.
  reduce: (elements) =>
    roundHalfAwayFromZero(elements.reduce((sum, x) => sum + x, 0) / elements.length),
  reduceReal: (elements) =>
    Math.fround(elements.reduce((sum, x) => Math.fround(sum + x), 0) / elements.length),
}) satisfies OpDef<AveragePool2dAttrs>;
