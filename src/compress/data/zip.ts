/**
 * Zip archives (PKWARE's APPNOTE 6.3.10), also those of zip64, as np.savez writes: sizes come from the
 * directory at the end, and of a file only as much is unpacked as is asked for. fflate, which the tests
 * write archives with, unpacks whole files.
 */
import { statSync } from 'node:fs';
import { constants, inflateRawSync } from 'node:zlib';
import { readInput } from '../../files.js';

/** A file of an archive. Its functions throw RangeError, or an error of zlib, where it is damaged. */
export interface ZipEntry {
  readonly name: string;
  readonly bytes: number;
  /** The first bytes, at least as many where the file has them. */
  start(bytes: number): Uint8Array;
  whole(): Uint8Array;
}

const mostDirectoryBytes = 2 ** 24;
const wide = 0xffff_ffff;
const signatures = { end: 0x0605_4b50, end64: 0x0606_4b50, entry: 0x0201_4b50, file: 0x0403_4b50 };

/** The files of an archive. @throws RangeError where it is none, BonsaiError where it cannot be read */
export function zipEntries(path: string): readonly ZipEntry[] {
  const { at, bytes, count } = directoryOf(path);
  if (bytes > mostDirectoryBytes) throw new RangeError(`its directory has ${bytes} bytes`);
  const view = viewOf(readInput(path, 'data', { from: at, bytes }));
  const entries: ZipEntry[] = [];
  for (let place = 0; entries.length < count; ) {
    if (view.getUint32(place, true) !== signatures.entry)
      throw new RangeError('no directory entry');
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) =>
      view.getUint16(place + field, true),
    ) as [number, number, number];
    const extraAt = place + 46 + nameBytes;
    const [size, packed, offset] = wideFields(view, place, extraAt, extraBytes);
    const name = Buffer.from(view.buffer, view.byteOffset + place + 46, nameBytes).toString();
    const method = view.getUint16(place + 10, true);
    entries.push(entryOf(path, { name, method, size, packed, offset }));
    place = extraAt + extraBytes + commentBytes;
  }
  return entries;
}

interface Stored {
  readonly name: string;
  readonly method: number;
  readonly size: number;
  readonly packed: number;
  readonly offset: number;
}

function entryOf(path: string, { name, method, size, packed, offset }: Stored): ZipEntry {
  const read = (most: number) => {
    const header = viewOf(readInput(path, 'data', { from: offset, bytes: 30 }));
    if (header.getUint32(0, true) !== signatures.file) throw new RangeError(`no file ${name}`);
    const from = offset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
    const found = readInput(path, 'data', { from, bytes: Math.min(packed, most) });
    if (found.length < Math.min(packed, most)) throw new RangeError('the file is cut off');
    if (method === 0 || method === 8) return found;
    throw new RangeError(`${name} is packed by method ${method}`);
  };
  return {
    name,
    bytes: size,
    // Packed bytes are about as many as those that they stand for, or fewer.
    start(bytes) {
      const found = read(2 * bytes);
      if (method === 0) return found;
      return inflateRawSync(found, { finishFlush: constants.Z_SYNC_FLUSH });
    },
    whole() {
      const found = read(packed);
      const bytes = method === 0 ? found : inflateRawSync(found, { maxOutputLength: size + 1 });
      if (bytes.length === size) return bytes;
      throw new RangeError(`${name} has ${bytes.length} bytes, not ${size}`);
    },
  };
}

/** Size, packed size and offset: 64 bits wide in the extra field of zip64 where they need to be. */
function wideFields(view: DataView, place: number, extraAt: number, extraBytes: number) {
  const narrow = [24, 20, 42].map((field) => view.getUint32(place + field, true));
  let from = -1;
  for (let at = extraAt; at + 4 <= extraAt + extraBytes; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) === 1) from = at + 4;
  }
  return narrow.map((value) => {
    if (value !== wide || from < 0) return value;
    from += 8;
    return Number(view.getBigUint64(from - 8, true));
  }) as [number, number, number];
}

/** The directory's place, its bytes and how many files it names. */
function directoryOf(path: string): { at: number; bytes: number; count: number } {
  // The record at the end has 22 bytes and a comment; that of zip64 lies before it.
  const tail = viewOf(readInput(path, 'data', { from: -(22 + 65535 + 76), bytes: 2 ** 17 }));
  const tailAt = statSync(path).size - tail.byteLength;
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== signatures.end) end -= 1;
  if (end < 0) throw new RangeError('it has no directory');
  const at = tail.getUint32(end + 16, true);
  if (at !== wide) {
    return { at, bytes: tail.getUint32(end + 12, true), count: tail.getUint16(end + 10, true) };
  }
  const end64 = Number(tail.getBigUint64(end - 12, true)) - tailAt;
  if (tail.getUint32(end64, true) !== signatures.end64) throw new RangeError('no zip64 directory');
  const field = (offset: number) => Number(tail.getBigUint64(end64 + offset, true));
  return { at: field(48), bytes: field(40), count: field(32) };
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
