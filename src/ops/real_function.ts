/** real_function (SIN, COS, SQUARE, FLOOR, CEIL, ROUND): functions that TFLite has of float32 alone. */
import type { OpDef } from '../ir/op.js';
import { cos, roundHalfToEven, sin } from './arithmetic/float32.js';
import { elementwise } from './arithmetic/lookup.js';

/** Both runtimes call their C library for sin and cos (arithmetic/float32.ts). */
export interface RealFunctionAttrs {
  readonly function: RealFunction;
}

const functions = {
  ceil: Math.ceil,
  cos,
  floor: Math.floor,
  round: roundHalfToEven,
  sin,
  square: (x: number) => x * x,
};

export type RealFunction = keyof typeof functions;

export const realFunction = elementwise<RealFunctionAttrs>(
  'real_function',
  ({ attrs }) => functions[attrs.function],
  ['float32'],
) satisfies OpDef<RealFunctionAttrs>;
