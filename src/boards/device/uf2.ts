/** Reads UF2 images: blocks of 512 bytes, each with its address (github.com/microsoft/uf2). */
import { blockSize, decodeBlock, UF2Flags } from 'uf2';
import { BonsaiError } from '../../errors.js';

export interface Uf2Image {
  /** In file order. */
  readonly blocks: readonly { readonly address: number; readonly payload: Uint8Array }[];
  /** Sum of the payloads. */
  readonly bytes: number;
}

/** Whether the file begins as every UF2 file does. */
export function isUf2(file: Uint8Array): boolean {
  return Buffer.from(file.subarray(0, 4)).toString('latin1') === 'UF2\n';
}

/**
 * @param familyId the board's family; a block for another family is refused; null: any family
 * @throws BonsaiError 'flash' when the file is not a complete UF2 image for the board
 */
export function readUf2(file: Uint8Array, familyId: number | null, where: string): Uf2Image {
  const refuse = (what: string) =>
    new BonsaiError('flash', where, what, 'build it again: bonsaic build DIR');
  const count = file.length / blockSize;
  if (count === 0 || !Number.isInteger(count)) {
    throw refuse(`is not a UF2 image: ${file.length} bytes are not whole blocks of ${blockSize}`);
  }
  const blocks: { address: number; payload: Uint8Array }[] = [];
  for (let index = 0; index < count; index++) {
    const block = decode(file.subarray(index * blockSize, (index + 1) * blockSize));
    if (block === null) throw refuse(`is not a UF2 image: block ${index} does not decode`);
    if (block.blockNumber !== index || block.totalBlocks !== count) {
      throw refuse(
        `is not complete: block ${index} says ${block.blockNumber + 1} of ${block.totalBlocks}`,
      );
    }
    if (block.flags & UF2Flags.notMainFlash) continue;
    const hasFamily = (block.flags & UF2Flags.familyIDPresent) !== 0;
    if (familyId !== null && hasFamily && block.boardFamily !== familyId) {
      throw refuse(
        `is for another board: family 0x${block.boardFamily.toString(16)}, not 0x${familyId.toString(16)}`,
      );
    }
    blocks.push({ address: block.flashAddress, payload: block.payload });
  }
  return { blocks, bytes: blocks.reduce((sum, { payload }) => sum + payload.length, 0) };
}

function decode(bytes: Uint8Array): ReturnType<typeof decodeBlock> | null {
  try {
    return decodeBlock(bytes);
  } catch {
    return null;
  }
}
