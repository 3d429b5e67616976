/** average_pool2d (AVERAGE_POOL_2D): the mean of the window's elements inside the image. */
import type { OpDef } from '../ir/op.js';
import { vectorAveragePool } from './mve/pool.js';
import { type PoolAttrs, pool } from './pool.js';
import { roundHalfAwayFromZero } from './quant.js';
import { packedAveragePool, reciprocalOfAll } from './swar/average_pool2d.js';

/** Both runtimes give the same bits. */
export interface AveragePool2dAttrs extends PoolAttrs {}

export const averagePool2d = pool<AveragePool2dAttrs>(
  {
    name: 'average_pool2d',
    // A quotient of small integers: its double is never mistaken for a half.
    reduce: (elements) =>
      roundHalfAwayFromZero(elements.reduce((sum, x) => sum + x, 0) / elements.length),
    cycles: 120,
    quick: {
      cycles: 50,
      numbers(view) {
        const reciprocal = reciprocalOfAll(view);
        return reciprocal === null ? null : { reciprocal };
      },
    },
  },
  [vectorAveragePool(), packedAveragePool()],
) satisfies OpDef<AveragePool2dAttrs>;
