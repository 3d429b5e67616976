/** minimum (MINIMUM): the lesser of a and b with broadcasting. */
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { binary } from './arithmetic/binary.js';

/** Both runtimes compare the integers as they are, whatever their scales. */
export interface MinimumAttrs extends BinaryAttrs {}

/** As the runtimes compare: of NaN and a number the second operand. */
function lesserOf(a: number, b: number): number {
  // biome-ignore lint/complexity/useMathMinMax: Math's takes NaN, and 0 from -0 and 0.
  return a < b ? a : b;
}

export const lesser = () => ({ combine: Math.min, numbers: {} });

export const minimum = binary<MinimumAttrs>('minimum', lesser, {
  hasActivation: false,
  plain: { float32: lesserOf, int32: lesserOf, int16: lesserOf },
}) satisfies OpDef<MinimumAttrs>;
