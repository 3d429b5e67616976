/** minimum (MINIMUM): the lesser of a and b with broadcasting. */
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { binary } from './arithmetic/binary.js';

/** Both runtimes compare the integers as they are, whatever their scales. */
export interface MinimumAttrs extends BinaryAttrs {}

export const lesser = () => ({ combine: Math.min, numbers: {} });

export const minimum = binary<MinimumAttrs>('minimum', lesser, {
  hasActivation: false,
}) satisfies OpDef<MinimumAttrs>;
