/** Images for simulated STM32 boards, and a board with few sectors. */
import type { SettingsOf } from '../../src/boards/target/flash.js';
import { loadTarget, type Target } from '../../src/boards/target/index.js';

/** Bytes with a vector table that fits the board's RAM and flash. */
export function stm32Image({ ramBytes }: Pick<Target, 'ramBytes'>, bytes: number): Uint8Array {
  const image = Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0x2000_0000 + (ramBytes ?? 0), true);
  view.setUint32(4, 0x0800_0101, true);
  return image;
}

export type Sectors = SettingsOf<'stm32-uart'>['sectors'];

export const pageBytes = 2048;
const eraseMs = { typical: 22, longest: 40 };

export const bankOf = (first: number, code: string) => ({
  ...{ count: 2, bytes: pageBytes, first, eraseMs, bank: { code, eraseMs } },
});

/** The second one counts on from the first, or from another number. */
export const twoBanks: Sectors = [bankOf(0, '0xfffe'), { ...bankOf(256, '0xfffd'), otherFirst: 2 }];

/** stm32g0b1 with two pages in each bank, so that an image covers a bank soon. */
export function smallBoard(sectors: Sectors = twoBanks) {
  const target = loadTarget('stm32g0b1');
  const uart = target.flashProtocols.find((one) => one.protocol === 'stm32-uart');
  if (uart === undefined) throw new Error('no settings');
  const settings = { ...uart, sectors };
  return { settings, target: { ...target, flashBytes: 4 * pageBytes, flashProtocols: [settings] } };
}
