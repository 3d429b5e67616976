/** The outside of files that are no models of bonsaic: zip members, fields of protobuf, gzip. */
import { Gunzip } from 'fflate';
import { includesWord, joined, latin1 } from '../../bytes.js';

/** A file's contents, as far as formats are told apart by them. */
export interface Sniffed {
  readonly bytes: Uint8Array;
  /** The first bytes as Latin-1, a character for each byte. */
  readonly start: string;
  /** Paths in a zip archive; null: it is none, or its directory is missing. */
  readonly members: readonly string[] | null;
  /** Numbers of the fields of a protobuf message, as far as it is one. */
  readonly fields: readonly number[];
  /** Whether a word stands anywhere in the file. */
  has(word: string): boolean;
}

const startBytes = 4096;
/** A word that tells formats apart stands in the first part of a file, even of a large one. */
const searchedBytes = 2 ** 26;
const mostMembers = 10_000;
const mostFields = 64;

export function sniff(bytes: Uint8Array): Sniffed {
  const start = latin1(bytes.subarray(0, startBytes));
  return {
    ...{ bytes, start },
    members: start.startsWith('PK') ? zipMembers(bytes) : null,
    fields: protobufFields(bytes),
    has: (word) => includesWord(bytes.subarray(0, searchedBytes), word),
  };
}

/**
 * Paths of a zip archive, from the directory at its end.
 * Source: PKWARE's APPNOTE.TXT, 4.3.12 (central directory) and 4.3.16 (its end).
 */
function zipMembers(bytes: Uint8Array): readonly string[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tail = Math.max(0, bytes.length - 65_557);
  const found = latin1(bytes.subarray(tail)).lastIndexOf('PK\x05\x06');
  if (found < 0 || tail + found + 22 > bytes.length) return null;
  const names: string[] = [];
  let at = view.getUint32(tail + found + 16, true);
  while (at + 46 <= bytes.length && view.getUint32(at, true) === 0x0201_4b50) {
    const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    names.push(latin1(bytes.subarray(at + 46, at + 46 + (name ?? 0))));
    if (names.length === mostMembers) break;
    at += 46 + (name ?? 0) + (extra ?? 0) + (comment ?? 0);
  }
  return names.length === 0 ? null : names;
}

/** The first fields of a message, up to one that cannot be read; a field may end behind the file. */
function protobufFields(bytes: Uint8Array): readonly number[] {
  const fields: number[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; shift < 2 ** 63; shift *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) return null;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
    return null;
  };
  while (fields.length < mostFields) {
    const key = varint();
    if (key === null || key < 8 || key >= 2 ** 32) break;
    const wire = key % 8;
    const fixed: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
    const value = wire === 0 || wire === 2 ? varint() : (fixed[wire] ?? null);
    if (value === null) break;
    fields.push(Math.floor(key / 8));
    if (wire !== 0) at += value;
  }
  return fields;
}

/** The begin of what a gzip file holds; null: it is none, or damaged. */
export function gunzippedStart(bytes: Uint8Array): Uint8Array | null {
  const pieces: Uint8Array[] = [];
  try {
    // Deflate makes at most 1032 bytes of one.
    new Gunzip((piece) => pieces.push(piece)).push(bytes.subarray(0, startBytes));
  } catch {
    return null;
  }
  return pieces.length === 0 ? null : joined(pieces);
}
