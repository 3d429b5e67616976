/** A UF2 image that is checked against the board. */

import { BonsaiError } from '../../../errors.js';
import { readUf2, type Uf2Image } from '../../device/uf2.js';
import type { FlashTarget, ImageFile } from '../protocol.js';

/** @throws BonsaiError 'flash' when the file is no UF2 for the board, or is not all in its flash */
export function uf2ImageFor({ path, bytes }: ImageFile, target: FlashTarget): Uf2Image {
  const image = readUf2(bytes, Number(target.uf2FamilyId), path);
  const begin = Number(target.flashAddress);
  const end = begin + (target.flashBytes ?? Number.POSITIVE_INFINITY);
  for (const { address, payload } of image.blocks) {
    if (address >= begin && address + payload.length <= end) continue;
    throw new BonsaiError(
      'flash',
      path,
      `writes to 0x${address.toString(16)}, which is not in the flash of ${target.name}: ` +
        'nothing was written',
      'build it for this board: bonsaic build DIR; a larger image needs --optimize size',
    );
  }
  return image;
}

/** All payloads, in the order of their addresses. */
export function contentOf({ blocks }: Uf2Image): Uint8Array {
  const sorted = [...blocks].sort((a, b) => a.address - b.address);
  return Buffer.concat(sorted.map(({ payload }) => payload));
}
