/** floor_div (FLOOR_DIV): a / b towards minus infinity, with broadcasting. */
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { plainBinary } from './arithmetic/binary.js';

/** TFLM has float32 alone. Runtimes end with an error where b is 0; an int32 by 0 gives 0 here. */
export interface FloorDivAttrs extends BinaryAttrs {}

export const floorDiv = plainBinary<FloorDivAttrs>('floor_div', {
  // The runtimes, too, divide in float64.
  float32: (a, b) => Math.floor(a / b),
  int32: (a, b) => (b === 0 ? 0 : Math.floor(a / b) | 0),
}) satisfies OpDef<FloorDivAttrs>;
