/**
 * A prefix code for pairs of small numbers, the same for all layers, so that a decoder needs one
 * table for two weights at a time. Each number is −4 to 3. The code suits bell-shaped distributions
 * with a standard deviation of 0.6 to 1.4 (lengths by package-merge, at most 8 bits, equal for all
 * signs).
 */
import { InternalError } from '../../../errors.js';

/** Numbers are −`reach` to `reach` − 1. */
export const reach = 4;
/** Bits of the longest code, and of a decoder's look-up. */
export const codeBits = 8;
/** Bits below a number within its byte. */
export const fractionBits = 5;

/**
 * Indexed by the distance of each number from the middle: 0 and −1 have distance 0, 3 and −4
 * distance 3.
 */
const lengths = [
  [3, 5, 8, 8],
  [5, 6, 8, 8],
  [8, 8, 8, 8],
  [8, 8, 8, 8],
];

export interface PairCode {
  readonly pair: readonly [number, number];
  readonly bits: number;
  /** Read lowest bit first. */
  readonly code: number;
}

function away(number: number): number {
  return number < 0 ? -1 - number : number;
}

/**
 * Indexed by first and second number, counted from −`reach`. Canonical: shorter codes come first.
 */
function makeCodes(): readonly PairCode[] {
  const numbers = Array.from({ length: 2 * reach }, (_, i) => i - reach);
  const all = numbers.flatMap((first) =>
    numbers.map((second) => {
      const bits = lengths[away(first)]?.[away(second)] ?? Infinity;
      return { pair: [first, second] as const, bits };
    }),
  );
  const codes = new Map<(typeof all)[number], number>();
  let next = 0;
  for (const one of all.toSorted((a, b) => a.bits - b.bits)) {
    codes.set(one, reversed(next >> (codeBits - one.bits), one.bits));
    next += 1 << (codeBits - one.bits);
  }
  if (next !== 1 << codeBits) throw new InternalError('pair code', 'codes do not fill the table');
  return all.map((one) => ({ ...one, code: codes.get(one) as number }));
}

function reversed(value: number, bits: number): number {
  let result = 0;
  for (let i = 0; i < bits; i += 1) result |= ((value >> i) & 1) << (bits - 1 - i);
  return result;
}

/** The code of a pair of numbers is at index `pairAt`. */
export const pairCodes = makeCodes();

/** @param first counted from −`reach`, like `second` */
export function pairAt(first: number, second: number): number {
  return first * 2 * reach + second;
}

/**
 * Indexed by the next `codeBits` bits of a stream. Byte 0: length of the code in bits; byte 1: the
 * first number in its upper bits; byte 3: the second number.
 */
export function pairTable(): Uint32Array {
  const table = new Uint32Array(1 << codeBits);
  const high = (number: number) => (number << fractionBits) & 255;
  for (const { bits, code, pair } of pairCodes) {
    const entry = bits | (high(pair[0]) << 8) | (high(pair[1]) << 24);
    for (let at = code; at < table.length; at += 1 << bits) table[at] = entry;
  }
  return table;
}
