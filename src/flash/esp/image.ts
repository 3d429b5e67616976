/** Images for an ESP32 chip that starts them in place: the bytes of its flash from offset 0. */
import { isElf } from '../../build/elf.js';
import { checkDirectBoot } from '../../device/esp32c3sim.js';
import { BonsaiError } from '../../errors.js';
import type { FlashJob } from '../protocol.js';
import { requireRoom } from '../shared/image.js';

/** The first byte of an image of ESP-IDF (esptool, 'Firmware Image Format'). */
const idfMagic = 0xe9;

/** @throws BonsaiError 'flash' or 'device' unless the image is one for this board */
export function checkImage({ image, target }: Pick<FlashJob<unknown>, 'image' | 'target'>): void {
  const { path, bytes } = image;
  const hint = 'give the .bin that bonsaic build DIR has made';
  const refuse = (what: string) => new BonsaiError('flash', path, what, hint);
  if (isElf(bytes)) {
    throw refuse('is an ELF file: the loader takes the bytes of the flash alone');
  }
  if (bytes[0] === idfMagic) {
    throw refuse('is an image of ESP-IDF, which needs its boot loader and partition table too');
  }
  requireRoom(path, bytes.length, target.flashBytes, target.name);
  checkDirectBoot(bytes, path);
}
