/** pow (POW): a to the power of b with broadcasting. */
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { plainBinary } from './arithmetic/binary.js';
import { pow as real } from './arithmetic/float32.js';

/**
 * TFLM has no such operator, so the bits are those of desktop TFLite, whose powers of float32 come
 * from the C library (arithmetic/float32.ts). Of int32 it refuses a negative exponent, and a power
 * that does not fit is undefined: here the first gives 0 and the second its lower bits.
 */
export interface PowAttrs extends BinaryAttrs {}

/** a^b modulo 2^32, by squares. */
function whole(a: number, b: number): number {
  let power = b < 0 ? 0 : 1;
  for (let [square, left] = [a, b]; left > 0; left >>= 1) {
    if (left % 2 === 1) power = Math.imul(power, square);
    square = Math.imul(square, square);
  }
  return power;
}

export const pow = plainBinary<PowAttrs>('pow', {
  float32: real,
  int32: whole,
}) satisfies OpDef<PowAttrs>;
