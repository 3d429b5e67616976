/** Raw images as UF2, which a board's boot loader takes as a file (github.com/microsoft/uf2). */
import { encodeBlock, UF2Flags } from 'uf2';

/** Of each block: a page of flash; the RP2040's boot ROM takes no other (datasheet 2.8.4.2). */
const payloadBytes = 256;

/** @param address of the image's first byte in flash; a multiple of 256 */
export function makeUf2(image: Uint8Array, address: number, familyId: number): Uint8Array {
  const totalBlocks = Math.ceil(image.length / payloadBytes);
  const blockBytes = 512;
  const file = new Uint8Array(totalBlocks * blockBytes);
  for (let blockNumber = 0; blockNumber < totalBlocks; blockNumber++) {
    const offset = blockNumber * payloadBytes;
    // The last page is filled up: the boot ROM refuses shorter ones.
    const payload = new Uint8Array(payloadBytes);
    payload.set(image.subarray(offset, offset + payloadBytes));
    const flags = UF2Flags.familyIDPresent;
    const flashAddress = address + offset;
    const block = { flags, flashAddress, payload, blockNumber, totalBlocks, boardFamily: familyId };
    encodeBlock(block, file, blockNumber * blockBytes);
  }
  return file;
}
