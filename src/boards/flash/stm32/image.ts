/** Images for the boot loader of an STM32: the bytes of its flash, vector table first. */

import { BonsaiError } from '../../../errors.js';
import { isElf } from '../../build/elf.js';
import type { SettingsOf } from '../../target/flash.js';
import { type Sector, sectorsOf } from '../../target/sectors.js';
import type { FlashJob, FlashTarget } from '../protocol.js';
import { checkVectorTable, requireRoom, type VectorPlace } from '../shared/image.js';

type Settings = SettingsOf<'stm32-uart'>;
type Job = FlashJob<Settings>;

/** The boot loader's settings for the target; undefined: its board has none. */
export function stm32Settings({ flashProtocols }: FlashTarget): Settings | undefined {
  return flashProtocols.find((one): one is Settings => one.protocol === 'stm32-uart');
}

/** @throws BonsaiError 'flash' unless the image is one for this board's flash and RAM */
export function coveredSectors(job: Pick<Job, 'image' | 'target' | 'settings'>): readonly Sector[] {
  const all = sectorsOf(job.settings);
  const flashBytes = all.reduce((sum, sector) => sum + sector.bytes, 0);
  checkImage(job, flashBytes);
  const end = Number(job.settings.flashAddress) + job.image.bytes.length;
  return all.filter(({ address }) => address < end);
}

/**
 * @param mostBytes that the boot loader writes
 * @throws BonsaiError 'flash' unless the image is one for this board's flash and RAM
 */
export function checkImage(
  { image, target, settings }: Pick<Job, 'image' | 'target'> & { readonly settings: VectorPlace },
  mostBytes: number,
): void {
  const { path, bytes } = image;
  if (isElf(bytes)) {
    const message = 'is an ELF file: the boot loader takes the bytes of the flash alone';
    throw new BonsaiError('flash', path, message, 'give the .bin that bonsaic build DIR has made');
  }
  requireRoom(path, bytes.length, mostBytes, target.name);
  checkVectorTable(image, target, settings);
}
