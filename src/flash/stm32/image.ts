/** Images for the boot loader of an STM32: the bytes of its flash, vector table first. */
import { isElf } from '../../build/elf.js';
import { BonsaiError } from '../../errors.js';
import type { SettingsOf } from '../../target/flash.js';
import { type Sector, sectorsOf } from '../../target/sectors.js';
import type { FlashJob, FlashTarget } from '../protocol.js';

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
  {
    image,
    target,
    settings,
  }: Pick<Job, 'image' | 'target'> & {
    readonly settings: Pick<Settings, 'flashAddress' | 'ramAddress'>;
  },
  mostBytes: number,
): void {
  const { path, bytes } = image;
  const refuse = (what: string, hint = 'give the .bin that bonsaic build DIR has made') =>
    new BonsaiError('flash', path, what, hint);
  if (isElf(bytes)) {
    throw refuse('is an ELF file: the boot loader takes the bytes of the flash alone');
  }
  const flashAddress = Number(settings.flashAddress);
  if (bytes.length < 8) throw refuse(`is no image: it has ${bytes.length} bytes`);
  if (bytes.length > mostBytes) {
    const message = `${bytes.length} bytes are more than the ${mostBytes} that bonsaic writes to ${target.name}`;
    throw refuse(
      message,
      'use a smaller model or --optimize size; else --port usb or --port probe',
    );
  }
  // The vector table begins with the stack's end and the first instruction (Armv7-M, B1.5.3).
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [stack, entry] = [view.getUint32(0, true), view.getUint32(4, true)];
  const ramAddress = Number(settings.ramAddress);
  const isInRam = stack > ramAddress && stack <= ramAddress + (target.ramBytes ?? 0);
  const isInFlash = entry > flashAddress && entry < flashAddress + bytes.length && entry % 2 === 1;
  if (!isInRam || !isInFlash) {
    throw refuse(
      `is not an image for ${target.name}: it starts at 0x${entry.toString(16)} ` +
        `with its stack at 0x${stack.toString(16)}`,
    );
  }
}
