/**
 * The record in every image of bonsaic (firmware/include/model.h): for which target it is, and what
 * tells whether it is whole.
 */
import { crc32 } from 'node:zlib';

const mark = Buffer.from('bonsaic:');
const targetName = /^[a-z0-9-]+(?=\0)/;
/** Target, version, model, the image's length and its CRC-32; both are 0 before they are known. */
const wholeRecord = /^([a-z0-9-]+\0[^\0]*\0[^\0]*\0)([0-9a-f]{8})([0-9a-f]{8})\0/;
/** Longer than any record. */
const windowBytes = 1024;
const digits = 8;
/** Of a length and a CRC-32, one after the other. */
export const sumDigits = 2 * digits;
/** A length or a CRC-32 as records have it. */
export const recordedNumber = (value: number) => value.toString(16).padStart(digits, '0');

/** The texts behind the marks in a file, one character a byte. */
function* recordsIn(bytes: Uint8Array): Generator<{ readonly at: number; readonly text: string }> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = file.indexOf(mark); at >= 0; at = file.indexOf(mark, at + 1)) {
    const begin = at + mark.length;
    yield { at: begin, text: file.toString('latin1', begin, begin + windowBytes) };
  }
}

/** The targets that the records of a file name. */
export function recordedTargets(file: Uint8Array): readonly string[] {
  return [...recordsIn(file)].flatMap(({ text }) => targetName.exec(text)?.[0] ?? []);
}

/** What a record says of the image that it is in. */
interface Sum {
  /** Where the digits of the length and of the CRC begin. */
  readonly at: number;
  readonly bytes: number;
  readonly crc32: number;
}

function sumsIn(file: Uint8Array): readonly Sum[] {
  return [...recordsIn(file)].flatMap(({ at, text }) => {
    const [, names, bytes, sum] = wholeRecord.exec(text) ?? [];
    if (names === undefined) return [];
    return [{ at: at + names.length, bytes: Number(`0x${bytes}`), crc32: Number(`0x${sum}`) }];
  });
}

/** The CRC-32 of an image whose record has zeros in place of its length and CRC. */
function sumOf(image: Uint8Array, at: number): number {
  const before = crc32(image.subarray(0, at));
  const zeros = crc32('0'.repeat(sumDigits), before);
  return crc32(image.subarray(at + sumDigits), zeros);
}

/** What an image's own record tells of it. */
export interface Verdict {
  /**
   * 'unrecorded': without a record: not an image of bonsaic's, or its record is damaged. 'unfilled':
   * linked by make alone, which knows neither length nor CRC.
   */
  readonly state: 'whole' | 'damaged' | 'unfilled' | 'unrecorded';
  /** What follows the image's name in a sentence. */
  readonly what: string;
  /** The length that the record states; 0 without one. */
  readonly bytes: number;
}

/**
 * Judges an image by its own record.
 *
 * @param image the bytes of the flash from the image's first on
 * @param mayFollow whether other bytes may follow the image, as in a flash
 */
export function judgeImage(image: Uint8Array, mayFollow: boolean): Verdict {
  const [sum] = sumsIn(image);
  if (sum === undefined) {
    const what = 'has no record of bonsaic: it is not an image that bonsaic built, or is damaged';
    return { state: 'unrecorded', what, bytes: 0 };
  }
  const { at, bytes } = sum;
  if (bytes === 0) {
    const what = 'was linked by make alone, so nothing tells whether it is whole';
    return { state: 'unfilled', what, bytes };
  }
  const damaged = (what: string): Verdict => ({ state: 'damaged', what, bytes });
  if (image.length < bytes) {
    return damaged(`is cut off: ${image.length} of its ${bytes} bytes are left`);
  }
  if (image.length > bytes && !mayFollow) {
    return damaged(`is damaged: ${image.length - bytes} bytes follow the ${bytes} of its record`);
  }
  const whole = image.subarray(0, bytes);
  const isInside = at + sumDigits <= bytes;
  if (isInside && sumOf(whole, at) === sum.crc32) {
    return { state: 'whole', what: 'is whole', bytes };
  }
  return damaged(`is damaged: the CRC-32 of its ${bytes} bytes is not the one in its record`);
}

/**
 * Fills in the record of a linked image.
 *
 * @param image the bytes that the flash gets
 * @param files which contain the record: the raw image, an ELF file
 * @returns copies of the files with the record filled in; without one they are unchanged
 */
export function stamp(image: Uint8Array, files: readonly Uint8Array[]): readonly Uint8Array[] {
  const [own] = sumsIn(image);
  if (own === undefined) return files;
  const text = Buffer.from(recordedNumber(image.length) + recordedNumber(sumOf(image, own.at)));
  return files.map((file) => {
    const stamped = Uint8Array.from(file);
    const [first] = sumsIn(file);
    if (first !== undefined) stamped.set(text, first.at);
    return stamped;
  });
}
