/** Images for simulated STM32 boards. */
import type { Target } from '../../src/target/index.js';

/** Bytes with a vector table that fits the board's RAM and flash. */
export function stm32Image({ ramBytes }: Pick<Target, 'ramBytes'>, bytes: number): Uint8Array {
  const image = Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0x2000_0000 + (ramBytes ?? 0), true);
  view.setUint32(4, 0x0800_0101, true);
  return image;
}
