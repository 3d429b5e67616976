/**
 * The weights of a layer, two output channels at a time, one pair of weights per tap. A weight is
 * an upper part, coded in pairs (pair-code.ts), and its `k` lowest bits. Two channels share the k
 * that takes the fewest bytes, so the code fits all layers, also those whose channels differ in
 * scale. Values out of reach are clamped, and an exception holds the difference.
 *
 * The lowest bits have words of their own: those of the first channel below bit 13, those of the
 * second channel 16 bits higher. Each next pair lies k bits higher, around the word.
 */
import { BitReader, BitWriter, bitStreamBytes } from './bits.js';
import {
  codeBits,
  fractionBits,
  type PairCode,
  pairAt,
  pairCodes,
  pairTable,
  reach,
} from './pair-code.js';
import type { WeightRows } from './positions.js';

/** With more lowest bits, all int8 values are within reach. */
const mostBits = fractionBits;
/** The most exceptions of two channels that their header can count. */
const mostExceptions = 31;
/** Bytes of an exception: 16 bits for its position, and the difference. */
const exceptionBytes = 3;
/** The most taps for which the position of an exception fits. */
export const mostPairTaps = 2 ** 15;

export interface PairChoice {
  /** k of each two channels. */
  readonly lowBits: Uint8Array;
  /** All bytes; the code's table belongs to the kernel. */
  readonly bytes: number;
  readonly exceptions: number;
  /** Words of lowest bits. */
  readonly words: number;
}

export interface EncodedPairs {
  /**
   * For each two channels: k + 8 · exceptions; then per exception 2 · tap + channel (16 bits),
   * difference.
   */
  readonly heads: Uint8Array;
  readonly codes: Uint16Array;
  readonly lows: Int32Array;
}

/** Pairs whose lowest bits share a word; all pairs if there are none. */
export function pairsInWord(k: number, depth: number): number {
  return k === 0 ? depth : Math.floor(16 / k);
}

/** The rows of two channels. An odd last channel is paired with a row of zeros. */
function rowsOf(
  { data, channels, depth }: WeightRows,
  pair: number,
): readonly [Int8Array, Int8Array] {
  const row = (channel: number) =>
    channel < channels
      ? data.subarray(channel * depth, (channel + 1) * depth)
      : new Int8Array(depth);
  return [row(2 * pair), row(2 * pair + 1)];
}

/** Each weight + 128, split into an upper part and k lowest bits. */
interface Split {
  readonly k: number;
  /** The coded number, counted from −`reach`. */
  readonly upper: Uint8Array;
  readonly lower: Uint8Array;
  /** The difference that an exception adds. */
  readonly missing: Int8Array;
}

const splits = Array.from({ length: mostBits + 1 }, (_, k): Split => {
  const most = reach << k;
  const weights = Array.from({ length: 256 }, (_, at) => at - 128);
  const clamped = weights.map((weight) => Math.max(-most, Math.min(most - 1, weight)));
  return {
    k,
    upper: Uint8Array.from(clamped, (value) => (value >> k) + reach),
    lower: Uint8Array.from(clamped, (value) => value & ((1 << k) - 1)),
    missing: Int8Array.from(weights, (weight, at) => weight - (clamped[at] as number)),
  };
});
const pairBits = Uint8Array.from(pairCodes, ({ bits }) => bits);

/** Size of two channels. */
function sizeOf(first: Int8Array, second: Int8Array, { k, upper, missing }: Split) {
  let codedBits = 0;
  let exceptions = 0;
  for (let tap = 0; tap < first.length; tap += 1) {
    const a = (first[tap] as number) + 128;
    const b = (second[tap] as number) + 128;
    if (missing[a] !== 0) exceptions += 1;
    if (missing[b] !== 0) exceptions += 1;
    codedBits += pairBits[pairAt(upper[a] as number, upper[b] as number)] as number;
  }
  const words = Math.ceil(first.length / pairsInWord(k, first.length));
  const bytes = codedBits / 8 + 4 * words + exceptionBytes * exceptions;
  return { k, codedBits, exceptions, words, bytes };
}

export function pairChoice(layer: WeightRows): PairChoice {
  const pairs = Array.from({ length: Math.ceil(layer.channels / 2) }, (_, pair) => {
    const [first, second] = rowsOf(layer, pair);
    const sizes = splits.map((split) => sizeOf(first, second, split));
    const possible = sizes.filter(({ exceptions }) => exceptions <= mostExceptions);
    return possible.reduce((best, size) => (size.bytes < best.bytes ? size : best));
  });
  const sum = (of: (size: ReturnType<typeof sizeOf>) => number) =>
    pairs.reduce((total, size) => total + of(size), 0);
  const exceptions = sum((size) => size.exceptions);
  const words = sum((size) => size.words);
  return {
    lowBits: Uint8Array.from(pairs, ({ k }) => k),
    bytes:
      pairs.length +
      exceptionBytes * exceptions +
      4 * words +
      bitStreamBytes(sum(({ codedBits }) => codedBits)),
    exceptions,
    words,
  };
}

export function encodePairs(layer: WeightRows, { lowBits }: PairChoice): EncodedPairs {
  const codes = new BitWriter();
  const heads: number[] = [];
  const lows: number[] = [];
  lowBits.forEach((k, pair) => {
    const split = splits[k] as Split;
    const [first, second] = rowsOf(layer, pair);
    const exceptions: number[] = [];
    let [word, step] = [0, 0];
    for (let tap = 0; tap < layer.depth; tap += 1) {
      const a = (first[tap] as number) + 128;
      const b = (second[tap] as number) + 128;
      putException(exceptions, 2 * tap, split.missing[a] as number);
      putException(exceptions, 2 * tap + 1, split.missing[b] as number);
      const at = pairAt(split.upper[a] as number, split.upper[b] as number);
      const { code, bits } = pairCodes[at] as PairCode;
      codes.put(code, bits);
      const both = ((split.lower[a] as number) << 8) | ((split.lower[b] as number) << 24);
      word |= rotated(both << (fractionBits - k), k * step);
      step += 1;
      if (step < pairsInWord(k, layer.depth) && tap < layer.depth - 1) continue;
      lows.push(word);
      [word, step] = [0, 0];
    }
    heads.push(k + 8 * (exceptions.length / exceptionBytes), ...exceptions);
  });
  return {
    heads: Uint8Array.from(heads),
    codes: codes.finish(),
    lows: Int32Array.from(lows),
  };
}

/** @param place 2 · tap + channel */
function putException(exceptions: number[], place: number, missing: number): void {
  if (missing !== 0) exceptions.push(place & 255, place >> 8, missing & 255);
}

/** The word rotated to the left. */
function rotated(word: number, by: number): number {
  return by % 32 === 0 ? word : (word << by) | (word >>> (32 - by));
}

/** int8[channels][depth], the input of `encodePairs`. */
export function decodePairs(
  { heads, codes, lows }: EncodedPairs,
  { channels, depth }: Omit<WeightRows, 'data'>,
): Int8Array {
  const table = pairTable();
  const bits = new BitReader(codes);
  const data = new Int8Array(2 * Math.ceil(channels / 2) * depth);
  let [head, low] = [0, 0];
  for (let channel = 0; channel < channels; channel += 2) {
    const [k, exceptions] = [(heads[head] as number) & 7, (heads[head] as number) >> 3];
    head += 1;
    const mask = (((1 << k) - 1) << (fractionBits - k)) * 0x1000100;
    let word = 0;
    for (let tap = 0; tap < depth; tap += 1) {
      if (tap % pairsInWord(k, depth) === 0) word = lows[low++] as number;
      const entry = table[bits.peek(codeBits)] as number;
      bits.take(entry & 255);
      const both = entry | (word & mask);
      word = rotated(word, 32 - k);
      data[channel * depth + tap] = ((both << 16) >> 24) >> (fractionBits - k);
      data[(channel + 1) * depth + tap] = (both >> 24) >> (fractionBits - k);
    }
    for (let i = 0; i < exceptions; i += 1, head += exceptionBytes) {
      const place = (heads[head] as number) + 256 * (heads[head + 1] as number);
      const at = (channel + (place & 1)) * depth + (place >> 1);
      data[at] = (data[at] as number) + (((heads[head + 2] as number) << 24) >> 24);
    }
  }
  return data.slice(0, channels * depth);
}
