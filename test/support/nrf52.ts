/** Images for simulated nRF52 boards. */
import type { Target } from '../../src/boards/target/index.js';

/** Bytes with a vector table that fits the board's RAM and the place of its image. */
export function nrf52Image(
  { ramBytes, flashAddress }: Pick<Target, 'ramBytes' | 'flashAddress'>,
  bytes: number,
): Uint8Array {
  const image = Uint8Array.from({ length: bytes }, (_, i) => (i * 37 + (i >> 8)) & 0xff);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0x2000_0400 + (ramBytes ?? 0), true);
  view.setUint32(4, Number(flashAddress) + 0x41, true);
  return image;
}
