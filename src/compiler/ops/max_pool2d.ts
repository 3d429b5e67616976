/** max_pool2d (MAX_POOL_2D): the largest of the window's elements inside the image. */
import type { OpDef } from '../ir/op.js';
import { realRange } from './arithmetic/plain.js';
import { greaterReal } from './arithmetic/real.js';
import { type PoolAttrs, pool } from './shape/pool.js';

/** Both runtimes give the same bits. */
export interface MaxPool2dAttrs extends PoolAttrs {}

export const maxPool2d = pool<MaxPool2dAttrs>({
  name: 'max_pool2d',
  reduce: (elements) => elements.reduce((largest, x) => Math.max(largest, x), -Infinity),
  reduceReal: (elements) => elements.reduce(greaterReal, realRange('none')[0]),
}) satisfies OpDef<MaxPool2dAttrs>;
