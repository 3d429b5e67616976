/** maximum (MAXIMUM): the greater of a and b with broadcasting. */
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { binary } from './arithmetic/binary.js';

/** Both runtimes compare the integers as they are, whatever their scales. */
export interface MaximumAttrs extends BinaryAttrs {}

/** As the runtimes compare: of NaN and a number the second operand. */
function greaterOf(a: number, b: number): number {
  // biome-ignore lint/complexity/useMathMinMax: Math's takes NaN, and 0 from -0 and 0.
  return a > b ? a : b;
}

export const greater = () => ({ combine: Math.max, numbers: {} });

export const maximum = binary<MaximumAttrs>('maximum', greater, {
  hasActivation: false,
  plain: { float32: greaterOf, int32: greaterOf, int16: greaterOf },
}) satisfies OpDef<MaximumAttrs>;
