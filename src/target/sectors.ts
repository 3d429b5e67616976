/** The erasable sectors of an STM32's flash. */
import type { SettingsOf } from './flash.js';

export interface Sector {
  /** The boot loader's number. */
  readonly number: number;
  readonly address: number;
  readonly bytes: number;
  /** The longest time that its erase takes. */
  readonly eraseMs: number;
}

/** All sectors, in the order of their addresses. */
export function sectorsOf(
  settings: Pick<SettingsOf<'stm32-uart'>, 'flashAddress' | 'sectors'>,
): readonly Sector[] {
  const sectors: Sector[] = [];
  let address = Number(settings.flashAddress);
  for (const { count, bytes, first, eraseMs } of settings.sectors) {
    for (let i = 0; i < count; i++) {
      sectors.push({ number: first + i, address, bytes, eraseMs });
      address += bytes;
    }
  }
  return sectors;
}
