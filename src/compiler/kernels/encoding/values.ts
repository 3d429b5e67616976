/**
 * Encodings of single weights. bytes: outside the stream. In the stream: range: as many bits as the
 * range of the values needs; palette: an index into the values that occur; coded: fewer bits for
 * frequent values (value-code.ts).
 */
import type { BitReader, BitWriter } from './bits.js';
import { codeWriter, type Histogram, takeValue, type ValueCode, valueCode } from './value-code.js';

export type Values =
  | { readonly kind: 'bytes' }
  | { readonly kind: 'range'; readonly bits: number; readonly least: number }
  | { readonly kind: 'palette'; readonly bits: number; readonly entries: Int8Array }
  | { readonly kind: 'coded'; readonly code: ValueCode };

export interface ValueChoice {
  readonly values: Values;
  /** Bits of all occurrences. */
  readonly streamBits: number;
  /** Bytes outside the stream. */
  readonly tableBytes: number;
}

/**
 * Most bits of a range or an index: beyond that bytes are hardly larger and much faster to read.
 */
const mostBits = 6;

const allValues = Int8Array.from({ length: 256 }, (_, at) => at - 128);

/**
 * The ways to store these values, smallest first.
 *
 * @param coded whether a code is allowed
 */
export function valueChoices(histogram: Histogram, coded: boolean): readonly ValueChoice[] {
  const entries = allValues.filter((value) => (histogram[value + 128] as number) > 0);
  const total = histogram.reduce((sum, count) => sum + count, 0);
  const choices: ValueChoice[] = [{ values: { kind: 'bytes' }, streamBits: 0, tableBytes: total }];
  const [least = 0, greatest = 0] = [entries[0], entries.at(-1)];
  const rangeBits = bitsFor(greatest - least + 1);
  if (rangeBits <= mostBits) {
    choices.push({
      values: { kind: 'range', bits: rangeBits, least },
      streamBits: total * rangeBits,
      tableBytes: 0,
    });
  }
  const indexBits = bitsFor(entries.length);
  if (indexBits < Math.min(rangeBits, mostBits + 1)) {
    choices.push({
      values: { kind: 'palette', bits: indexBits, entries },
      streamBits: total * indexBits,
      tableBytes: entries.length,
    });
  }
  if (coded && entries.length > 1) {
    const code = valueCode(histogram);
    const tableBytes = code.classes.length + code.values.length;
    choices.push({ values: { kind: 'coded', code }, streamBits: code.streamBits, tableBytes });
  }
  const bytes = (choice: ValueChoice) => choice.streamBits / 8 + choice.tableBytes;
  return choices.sort((a, b) => bytes(a) - bytes(b));
}

/** Bits that distinguish `count` things. */
export function bitsFor(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

/** Writes values one by one, to the stream or to `bytes`. */
export function valueWriter(
  stream: BitWriter,
  bytes: number[],
  values: Values,
): (value: number) => void {
  switch (values.kind) {
    case 'bytes':
      return (value) => bytes.push(value);
    case 'range':
      return (value) => stream.put(value - values.least, values.bits);
    case 'palette':
      return (value) => stream.put(values.entries.indexOf(value), values.bits);
    case 'coded':
      return codeWriter(stream, values.code);
  }
}

/** Returns values one by one, in the order in which they were written. */
export function valueReader(stream: BitReader, bytes: Int8Array, values: Values): () => number {
  let next = 0;
  switch (values.kind) {
    case 'bytes':
      return () => bytes[next++] as number;
    case 'range':
      return () => values.least + stream.take(values.bits);
    case 'palette':
      return () => values.entries[stream.take(values.bits)] as number;
    case 'coded':
      return () => takeValue(stream, values.code);
  }
}
