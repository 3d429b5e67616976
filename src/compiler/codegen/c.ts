/**
 * C text: the only place where numbers and text become C (names: ir/c-names.ts).
 *
 * A table of 20 MB is about 100 MB of text. Arrays of bytes are formatted into a buffer of known
 * size, so time and memory grow linearly.
 */
import { InternalError } from '../../errors.js';
import { type CType, type DType, dtypes } from '../ir/dtypes.js';
import type { Table } from '../kernels/variant.js';

export type { CType };

export function ctypeOf(data: Table['data']): CType {
  if (data instanceof Int8Array) return 'int8_t';
  if (data instanceof Uint8Array) return 'uint8_t';
  if (data instanceof Int16Array) return 'int16_t';
  if (data instanceof Uint16Array) return 'uint16_t';
  if (data instanceof Int32Array) return 'int32_t';
  if (data instanceof Uint32Array) return 'uint32_t';
  if (data instanceof BigInt64Array) return 'int64_t';
  return 'float';
}

/** The type of an element in C. @throws InternalError for types that the arena does not hold */
export function inC(dtype: DType): CType {
  const { ctype } = dtypes[dtype];
  if (ctype === null) throw new InternalError('codegen', `no tensor in the arena is ${dtype}`);
  return ctype;
}

/** The narrowest integer type that holds all of `values`, which are int32. */
export function narrowest(values: readonly number[]): CType {
  // Not Math.min(...values): a table may have more values than a call may have arguments.
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  if (low >= 0 && high <= 255) return 'uint8_t';
  if (low >= -128 && high <= 127) return 'int8_t';
  if (low >= 0 && high <= 65535) return 'uint16_t';
  if (low >= -32768 && high <= 32767) return 'int16_t';
  return 'int32_t';
}

export const ctypeBytes: Readonly<Record<CType, number>> = {
  int8_t: 1,
  uint8_t: 1,
  int16_t: 2,
  uint16_t: 2,
  int32_t: 4,
  uint32_t: 4,
  int64_t: 8,
  float: 4,
};

/**
 * An int32 as a C expression. C has no literal for −2^31, so INT32_MIN stands for it.
 * @throws RangeError if the value is not an int32
 */
export function integer(value: number): string {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value > 2 ** 31 - 1) {
    throw new RangeError(`${value} is not an int32`);
  }
  return value === -(2 ** 31) ? 'INT32_MIN' : String(value);
}

/**
 * A float literal that reads back as exactly `Math.fround(value)`: nine significant digits always
 * suffice, and unlike hexadecimal floats they are valid in every C++ standard.
 */
export function float(value: number): string {
  const single = Math.fround(value);
  // Constants that were folded may be 0 / 0 or beyond the largest float.
  if (Number.isNaN(single)) return '__builtin_nanf("")';
  if (!Number.isFinite(single)) return `${single < 0 ? '-' : ''}__builtin_inff()`;
  const [digits = '', exponent] = single.toPrecision(9).split('e');
  const short = digits.includes('.') ? digits.replace(/0+$/, '').replace(/\.$/, '.0') : digits;
  if (exponent !== undefined) return `${short}e${exponent}f`;
  return `${short.includes('.') ? short : `${short}.0`}f`;
}

/** An offset in the arena: hexadecimal, at least four digits. */
export function offset(bytes: number): string {
  return `0x${bytes.toString(16).padStart(4, '0')}`;
}

/**
 * A C string literal. Characters other than printable ASCII become octal escapes of their UTF-8
 * bytes.
 */
export function string(text: string): string {
  let literal = '"';
  for (const byte of new TextEncoder().encode(text)) {
    const character = String.fromCharCode(byte);
    // '?' is escaped, since sequences such as "??=" are trigraphs in C99.
    if (character === '"' || character === '\\' || character === '?') literal += `\\${character}`;
    else if (byte >= 0x20 && byte < 0x7f) literal += character;
    else literal += `\\${byte.toString(8).padStart(3, '0')}`;
  }
  return `${literal}"`;
}

/** Text for a block comment: one line that does not end the comment. */
export function comment(text: string): string {
  const line = [...text].map((c) => (c < ' ' || c === '\x7f' ? ' ' : c)).join('');
  return line.replaceAll('*/', '* /').replaceAll('/*', '/ *');
}

const indent = '    ';

/** Characters of the longest number, and numbers per row. */
const layouts: Readonly<Record<CType, { readonly width: number; readonly perRow: number }>> = {
  int8_t: { width: 4, perRow: 16 },
  uint8_t: { width: 3, perRow: 20 },
  int16_t: { width: 6, perRow: 12 },
  uint16_t: { width: 5, perRow: 12 },
  int32_t: { width: 11, perRow: 8 },
  uint32_t: { width: 11, perRow: 7 },
  int64_t: { width: 20, perRow: 4 },
  float: { width: 16, perRow: 5 },
};

const [space, comma, newline, minus, zero] = [0x20, 0x2c, 0x0a, 0x2d, 0x30];

/** The rows between the braces of a table's initializer; each ends with a newline. */
export function rows(data: Table['data']): string {
  if (data instanceof Float32Array) return rowsOf(data, 'float', float);
  if (data instanceof BigInt64Array) return rowsOf(data, 'int64_t', longInteger);
  // Words without a sign hold several weights.
  if (data instanceof Uint32Array) return hexRows(data);
  return integerRows(data);
}

/** An int64 as a C expression. */
function longInteger(value: bigint): string {
  return value === -(2n ** 63n) ? 'INT64_MIN' : `${value}`;
}

/** The rows of 16- or 32-bit words, in hexadecimal; only the larger ones are unsigned without a u. */
export function hexRows(words: ArrayLike<number> & { readonly BYTES_PER_ELEMENT: number }): string {
  const digits = 2 * words.BYTES_PER_ELEMENT;
  const [perRow, suffix] = words.BYTES_PER_ELEMENT === 2 ? [12, ''] : [7, 'u'];
  const lines: string[] = [];
  for (let start = 0; start < words.length; start += perRow) {
    let line = indent.slice(1);
    for (let i = start; i < words.length && i < start + perRow; i++) {
      const text = ((words[i] as number) >>> 0).toString(16).padStart(digits, '0');
      line += ` 0x${text}${suffix},`;
    }
    lines.push(`${line}\n`);
  }
  return lines.join('');
}

function rowsOf<T>(
  data: Iterable<T> & {
    readonly length: number;
    subarray(begin: number, end: number): Iterable<T>;
  },
  type: CType,
  text: (value: T) => string,
): string {
  const { width, perRow } = layouts[type];
  const lines: string[] = [];
  for (let start = 0; start < data.length; start += perRow) {
    const row = Array.from(data.subarray(start, start + perRow), (x) => text(x).padStart(width));
    lines.push(`${indent}${row.join(', ')},\n`);
  }
  return lines.join('');
}

/** Right-aligned columns of numbers, written digit by digit into a buffer of the final size. */
function integerRows(
  data: Exclude<Table['data'], Float32Array | BigInt64Array | Uint32Array>,
): string {
  const { width, perRow } = layouts[ctypeOf(data)];
  const rowCount = Math.ceil(data.length / perRow);
  const length = data.length * (width + 1) + rowCount * (indent.length + 1);
  const text = new Uint8Array(length).fill(space);
  let end = 0;
  for (let i = 0; i < data.length; i++) {
    if (i % perRow === 0) end += indent.length;
    end += width;
    writeInteger(text, end, data[i] as number);
    text[end++] = comma;
    if (i % perRow === perRow - 1 || i === data.length - 1) text[end++] = newline;
  }
  return new TextDecoder().decode(text);
}

/** Writes an int32 whose last character comes before `end`. */
function writeInteger(text: Uint8Array, end: number, value: number): void {
  if (value === -(2 ** 31)) {
    text.set(new TextEncoder().encode(integer(value)), end - integer(value).length);
    return;
  }
  let at = end;
  let rest = Math.abs(value);
  do {
    text[--at] = zero + (rest % 10);
    rest = (rest / 10) | 0;
  } while (rest > 0);
  if (value < 0) text[--at] = minus;
}

/**
 * Wraps words (`text` split at spaces) into lines of at most `width`, each starting with `lead`.
 */
export function wrap(text: string | readonly string[], width: number, lead: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of typeof text === 'string' ? text.split(' ') : text) {
    if (line !== '' && lead.length + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((each) => `${lead}${each}`.trimEnd()).join('\n');
}
