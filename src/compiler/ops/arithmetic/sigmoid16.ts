/**
 * Sigmoid and tanh of int16, bit for bit as TFLM computes them: by one table and lines between its
 * entries, with tanh(x) = 2 sigmoid(2x) - 1.
 *
 * Source: Logistic and Tanh of kernels/internal/reference/integer_ops/{logistic,tanh}.h, and the
 * table sigmoid_table_uint16 of kernels/internal/common.h.
 */

/** Entries in which the runtime's table is one above the nearest integer. */
const oneAbove: ReadonlySet<number> = new Set([
  4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43,
  44, 45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255,
]);

/** sigmoid(i / 24) · 2^16 for i = 0 to 255, at most 65535. */
export const sigmoidTable: Uint16Array = Uint16Array.from({ length: 256 }, (_, i) => {
  const nearest = Math.floor(65536 / (1 + Math.exp(-i / 24)) + 0.5);
  return Math.min(65535, nearest + (oneAbove.has(i) ? 1 : 0));
});

/** The table's value at |x| / 2^bits, with `bits` bits more, for |x| / 2^bits below 255. */
function between(x: number, bits: number): number {
  const at = x >> bits;
  const [low = 0, high = 0] = [sigmoidTable[at], sigmoidTable[at + 1]];
  return low * 2 ** bits + (x & (2 ** bits - 1)) * (high - low);
}

/** sigmoid in Q0.15 of an int16 in Q3.12. */
export function sigmoid16(x: number): number {
  const scaled = 3 * x;
  const magnitude = Math.abs(scaled);
  const value = magnitude >> 9 >= 255 ? 0x7fff << 10 : between(magnitude, 9);
  return (scaled >= 0 ? value + 512 : 2 ** 25 - value + 511) >> 10;
}

/** What brings a tanh's input to the steps of the table: (x · multiplier + half) >> shift. */
export interface TanhScale {
  readonly multiplier: number;
  readonly shift: number;
}

/** @param power the scale of the input is 2^power */
export function tanhScale(power: number): TanhScale {
  const left = 15 + power - 3;
  return left < 0 ? { multiplier: 3, shift: -left } : { multiplier: 3 * 2 ** left, shift: 0 };
}

/** tanh in Q0.15 of an int16. */
export function tanh16(x: number, { multiplier, shift }: TanhScale): number {
  const half = shift > 0 ? 2 ** (shift - 1) : 0;
  const scaled = Math.floor((x * multiplier + half) / 2 ** shift);
  const magnitude = Math.abs(scaled);
  const value = magnitude >= 255 * 256 ? 0xffff << 8 : between(magnitude, 8);
  return (scaled >= 0 ? value - 2 ** 23 + 128 : 2 ** 23 + 127 - value) >> 8;
}
