/** floor_mod (FLOOR_MOD): a − b · floor(a / b), which has the sign of b, with broadcasting. */
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { plainBinary } from './arithmetic/binary.js';

/** TFLM has float32 alone. Desktop TFLite ends with an error where b is 0; 0 modulo int32 here. */
export interface FloorModAttrs extends BinaryAttrs {}

/** The exact remainder of a division towards zero first, as fmod. */
function floored(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

export const floorMod = plainBinary<FloorModAttrs>('floor_mod', {
  float32: floored,
  int32: (a, b) => (b === 0 ? 0 : floored(a, b)),
}) satisfies OpDef<FloorModAttrs>;
