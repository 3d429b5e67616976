/** exp (EXP): e to the power of x. */
import type { OpDef } from '../ir/op.js';
import { exp as expOf } from './arithmetic/float32.js';
import { tabulated } from './arithmetic/tabulated.js';

/** TFLM has no quantized form, so the bits are those of desktop TFLite. */
export type ExpAttrs = Readonly<Record<string, never>>;

/** Beyond the output's range it saturates; TFLite's conversion to int32 is undefined above 2^31. */
export const exp = tabulated<ExpAttrs>('exp', () => expOf) satisfies OpDef<ExpAttrs>;
