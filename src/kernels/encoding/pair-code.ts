/**
 * A prefix code of pairs of small numbers, the same for all layers, so that a decoder has one table for
 * two weights at a time. Each is −4 to 3; the code is that of bell-shaped ones with a standard
 * deviation of 0.6 to 1.4 (lengths by package-merge, at most 8 bits, alike for all signs).
 */
import { InternalError } from '../../errors.js';

/** Numbers are −`reach` to `reach` − 1. */
export const reach = 4;
/** Bits of the longest code: what a decoder looks up at a time. */
export const codeBits = 8;
/** A number has so many bits behind it in a byte. */
export const fractionBits = 5;

/** By how far each number is from the middle: 0 and −1 are 0 away, 3 and −4 are 3. */
const lengths = [
  [3, 5, 8, 8],
  [5, 6, 8, 8],
  [8, 8, 8, 8],
  [8, 8, 8, 8],
];

export interface PairCode {
  readonly pair: readonly [number, number];
  readonly bits: number;
  /** To be read lowest bit first. */
  readonly code: number;
}

function away(number: number): number {
  return number < 0 ? -1 - number : number;
}

/** By first and second number, counted from −`reach`; canonical: shorter codes come first. */
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

/** Of the pair of two numbers at `pairAt` of them. */
export const pairCodes = makeCodes();

/** @param first counted from −`reach`, as the second one is */
export function pairAt(first: number, second: number): number {
  return first * 2 * reach + second;
}

/**
 * By the next `codeBits` bits of a stream: how many of them the code has in byte 0, the first number in
 * the upper bits of byte 1, the second one in those of byte 3.
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
