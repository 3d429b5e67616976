/**
 * The seal at the end of an ELF file, whose record vouches for the bytes of the flash alone: the
 * length and the CRC-32 of the whole file. What reads ELF files does not look behind their sections.
 */
import { crc32 } from 'node:zlib';
import { recordedNumber, sumDigits } from './image-record.js';

const mark = 'bonsaic-file:';
/** With the end of its line. */
const sealBytes = mark.length + sumDigits + 1;

function sealOf(content: Uint8Array): Uint8Array {
  const digits = [content.length + sealBytes, crc32(content)].map(recordedNumber);
  return Buffer.from(`${mark}${digits.join('')}\n`);
}

/** The file with its seal; a sealed file is unchanged. */
export function seal(file: Uint8Array): Uint8Array {
  return isSealed(file) ? file : Buffer.concat([file, sealOf(file)]);
}

/** Whether the file ends with its seal and is as it was sealed. */
export function isSealed(file: Uint8Array): boolean {
  if (file.length < sealBytes) return false;
  const content = file.subarray(0, file.length - sealBytes);
  return Buffer.compare(file.subarray(content.length), sealOf(content)) === 0;
}
