/** Raw images as UF2, the file format of the boot loader's drive (github.com/microsoft/uf2). */
import { encodeBlock, UF2Flags } from 'uf2';

/** Payload of a block: a flash page, as the RP2040's boot ROM requires (datasheet 2.8.4.2). */
const payloadBytes = 256;

/** @param address address in flash of the image's first byte; a multiple of 256 */
export function makeUf2(image: Uint8Array, address: number, familyId: number): Uint8Array {
  const totalBlocks = Math.ceil(image.length / payloadBytes);
  const blockBytes = 512;
  const file = new Uint8Array(totalBlocks * blockBytes);
  for (let blockNumber = 0; blockNumber < totalBlocks; blockNumber++) {
    const offset = blockNumber * payloadBytes;
    // The last page is padded, since the boot ROM refuses a shorter one.
    const payload = new Uint8Array(payloadBytes);
    payload.set(image.subarray(offset, offset + payloadBytes));
    const flags = UF2Flags.familyIDPresent;
    const flashAddress = address + offset;
    const block = { flags, flashAddress, payload, blockNumber, totalBlocks, boardFamily: familyId };
    encodeBlock(block, file, blockNumber * blockBytes);
  }
  return file;
}
