/** exp (EXP): e to the power of x. */
import type { OpDef } from '../ir/op.js';
import { exp as expOf } from './arithmetic/float32.js';
import { elementwise } from './arithmetic/lookup.js';
import { elementQuant } from './arithmetic/rescale.js';
import { floatTable } from './arithmetic/sigmoid.js';

/** TFLM has no int8 form, so the bits are those of desktop TFLite. */
export type ExpAttrs = Readonly<Record<string, never>>;

/** Beyond the output's range it saturates; TFLite's conversion to int32 is undefined above 2^31. */
export const exp = elementwise<ExpAttrs>(
  'exp',
  (view) => floatTable(elementQuant(view), expOf),
  ['int8'],
  () => expOf,
) satisfies OpDef<ExpAttrs>;
