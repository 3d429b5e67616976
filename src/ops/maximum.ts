/** maximum (MAXIMUM): the greater of a and b with broadcasting. */
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { binary } from './arithmetic/binary.js';

/** Both runtimes compare the integers as they are, whatever their scales. */
export interface MaximumAttrs extends BinaryAttrs {}

export const greater = () => ({ combine: Math.max, numbers: {} });

export const maximum = binary<MaximumAttrs>('maximum', greater, {
  hasActivation: false,
}) satisfies OpDef<MaximumAttrs>;
