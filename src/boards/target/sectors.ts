/** The erasable sectors of an STM32's flash. */
import type { SettingsOf } from './flash.js';

type Settings = SettingsOf<'stm32-uart'>;
type EraseMs = Settings['sectors'][number]['eraseMs'];

export interface Sector {
  /** The boot loader's number. */
  readonly number: number;
  /** Another number that it may have; null: it has none. */
  readonly otherNumber: number | null;
  readonly address: number;
  readonly bytes: number;
  readonly eraseMs: EraseMs;
  /** How long the chip may still erase after its answer. */
  readonly settleMs: number;
  /** The bank that it is in, where that can be erased at once. */
  readonly bank: Bank | null;
}

/** Equal for all sectors of a bank. */
export interface Bank {
  /** The code that erases it. */
  readonly code: number;
  readonly eraseMs: EraseMs;
  /** Its sectors. */
  readonly count: number;
}

/** All sectors, in the order of their addresses. */
export function sectorsOf(settings: Pick<Settings, 'flashAddress' | 'sectors'>): readonly Sector[] {
  const sectors: Sector[] = [];
  let address = Number(settings.flashAddress);
  for (const {
    count,
    bytes,
    first,
    otherFirst,
    eraseMs,
    settleMs = 0,
    ...run
  } of settings.sectors) {
    const bank = run.bank
      ? { code: Number(run.bank.code), eraseMs: run.bank.eraseMs, count }
      : null;
    for (let i = 0; i < count; i++) {
      const otherNumber = otherFirst === undefined ? null : otherFirst + i;
      sectors.push({ number: first + i, otherNumber, address, bytes, eraseMs, settleMs, bank });
      address += bytes;
    }
  }
  return sectors;
}
