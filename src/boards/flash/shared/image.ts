/** What images of several protocols have in common. */

import { BonsaiError } from '../../../errors.js';
import { readElf } from '../../build/elf.js';
import type { FlashTarget, ImageFile } from '../protocol.js';

/**
 * @param most null: no limit is known
 * @param place whose flash it is: 'rp2040', 'the board'
 * @throws BonsaiError 'flash' for more bytes than there are
 */
export function requireRoom(path: string, bytes: number, most: number | null, place: string): void {
  if (most === null || bytes <= most) return;
  const message = `${bytes} bytes are more than the ${most} of ${place}'s flash`;
  throw new BonsaiError('flash', path, message, 'use a smaller model or --optimize size');
}

export interface Executable {
  /** e_machine, the processor. */
  readonly machine: number;
  readonly storedBytes: number;
}

/** @throws BonsaiError 'flash' for a file that is no ELF file, or is not whole */
export function readExecutable(
  { path, bytes }: ImageFile,
  { name }: Pick<FlashTarget, 'name'>,
): Executable {
  try {
    const { machine, sections } = readElf(bytes);
    const stored = sections.filter((section) => section.allocated && section.stored);
    return { machine, storedBytes: stored.reduce((sum, section) => sum + section.bytes, 0) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const message = `is not an image for ${name}: ${error.message}`;
    throw new BonsaiError('flash', path, message, 'build it again: bonsaic build DIR');
  }
}

/** Where the image of a Cortex-M lies. */
export interface VectorPlace {
  readonly flashAddress: string;
  readonly ramAddress: string;
}

/**
 * The vector table begins with the stack's end and the first instruction (Armv6-M B1.5.3, Armv7-M
 * B1.5.3).
 *
 * @throws BonsaiError 'flash' unless the image is one for this board's flash and RAM
 */
export function checkVectorTable(
  { path, bytes }: ImageFile,
  { name, ramBytes }: Pick<FlashTarget, 'name' | 'ramBytes'>,
  place: VectorPlace,
): void {
  const refuse = (what: string) => {
    const hint = 'give the .bin that bonsaic build DIR has made';
    return new BonsaiError('flash', path, `${what}: nothing was erased`, hint);
  };
  if (bytes.length < 8) throw refuse(`is no image: it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [stack, entry] = [view.getUint32(0, true), view.getUint32(4, true)];
  const [ram, flash] = [Number(place.ramAddress), Number(place.flashAddress)];
  const isInRam = stack > ram && stack <= ram + (ramBytes ?? 0);
  const isInFlash = entry > flash && entry < flash + bytes.length && entry % 2 === 1;
  if (isInRam && isInFlash) return;
  throw refuse(
    `is not an image for ${name}, whose flash begins at ${place.flashAddress}: it starts at ` +
      `0x${entry.toString(16)} with its stack at 0x${stack.toString(16)}`,
  );
}

/** The image with FF behind it, up to whole units. */
export function paddedTo(unitBytes: number, image: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(image.length / unitBytes) * unitBytes).fill(0xff);
  padded.set(image);
  return padded;
}
