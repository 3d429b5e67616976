/** Images for an ESP32 chip that starts them in place: the bytes of its flash from offset 0. */

import { BonsaiError } from '../../../errors.js';
import { isElf } from '../../build/elf.js';
import type { SettingsOf } from '../../target/flash.js';
import type { FlashJob } from '../protocol.js';
import { requireRoom } from '../shared/image.js';

type Settings = Pick<SettingsOf<'esp-rom'>, 'directBoot'>;

/** The first byte of an image of ESP-IDF (esptool, 'Firmware Image Format'). */
const idfMagic = 0xe9;

/** @throws BonsaiError 'flash' unless the image is one for this board */
export function checkImage({
  image,
  target,
  settings,
}: Pick<FlashJob<Settings>, 'image' | 'target' | 'settings'>): void {
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
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = Number(settings.directBoot.magic);
  const starts = bytes.length > 8 && [0, 4].every((at) => view.getUint32(at, true) === magic);
  if (!starts) throw refuse('does not begin with the words of direct boot: nothing was erased');
}
