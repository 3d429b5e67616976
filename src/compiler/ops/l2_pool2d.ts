/** l2_pool2d (L2_POOL_2D): the root of the mean of squares of the window's elements inside the image. */
import type { OpDef } from '../ir/op.js';
import { sqrt } from './arithmetic/float32.js';
import { type PoolAttrs, pool } from './shape/pool.js';

/** Both runtimes have a kernel of float32 alone. */
export interface L2Pool2dAttrs extends PoolAttrs {}

const { fround } = Math;

/** reference_ops::L2Pool of reference/pooling.h: squares are added in order, each sum rounded. */
export const l2Pool2d = pool<L2Pool2dAttrs>({
  name: 'l2_pool2d',
  reduceReal(elements) {
    const sum = elements.reduce((total, x) => fround(total + fround(x * x)), 0);
    return sqrt(fround(sum / elements.length));
  },
}) satisfies OpDef<L2Pool2dAttrs>;
