/** Whether the file of an image, in any of its formats, is byte for byte as bonsaic built it. */
import { basename, dirname } from 'node:path';
import type { Target } from '../target/index.js';
import { isElf } from './elf.js';
import { judgeImage, type Verdict } from './image-record.js';
import { isSealed } from './image-seal.js';
import { isAsWritten } from './sums.js';
import { makeUf2 } from './uf2.js';

export interface ReadImage {
  readonly path: string;
  readonly file: Uint8Array;
  /** What the flash gets of it. */
  readonly content: Uint8Array;
  readonly isUf2: boolean;
}

/**
 * Judges the file by the checksums that `bonsaic build` keeps beside it, without these by its own
 * record, which vouches for every byte: of a UF2 file all but the content follows from the content,
 * and an ELF file has a seal.
 */
export function judgeFile(
  image: ReadImage,
  { flashAddress, uf2FamilyId }: Pick<Target, 'flashAddress' | 'uf2FamilyId'>,
): Verdict {
  const { path, file, content, isUf2 } = image;
  const own = judgeImage(content, isUf2 || isElf(file));
  const damaged = (what: string): Verdict => ({ ...own, state: 'damaged', what });
  const listed = isAsWritten(dirname(path), basename(path), file);
  if (listed === true) return { ...own, state: 'whole' };
  if (own.state !== 'whole') return own;
  if (listed === false) {
    return damaged('was changed after bonsaic build, which has noted its checksum');
  }
  if (isElf(file) && !isSealed(file)) {
    return damaged('is damaged: its end does not have the CRC-32 of the whole file');
  }
  if (!isUf2) return own;
  const raw = content.subarray(0, own.bytes);
  const made = makeUf2(raw, Number(flashAddress), Number(uf2FamilyId));
  const at = differenceOf(file, made);
  if (at === null) return own;
  return damaged(`is damaged: byte ${at} is not as bonsaic writes UF2 files`);
}

/** The first byte in which two files differ; null: none. */
function differenceOf(a: Uint8Array, b: Uint8Array): number | null {
  if (Buffer.compare(a, b) === 0) return null;
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? a.length : at;
}
