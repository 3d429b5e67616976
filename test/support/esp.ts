/** Images and settings of simulated ESP32 boards that start images in place. */
import type { SettingsOf } from '../../src/boards/target/flash.js';
import type { Target } from '../../src/boards/target/index.js';

/** @throws Error when the board has no such loader */
export function espSettings({ flashProtocols }: Target): SettingsOf<'esp-rom'> {
  for (const settings of flashProtocols) if (settings.protocol === 'esp-rom') return settings;
  throw new Error('no settings');
}

/**
 * Bytes behind the words that the boot ROM asks for; as hard to compress as weights.
 *
 * @param bytes at least 8
 */
export function espImage(bytes: number, seed = 1): Uint8Array {
  const image = new Uint8Array(bytes);
  let state = seed;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    // 7 of 8 bits, as weights have them.
    image[i] = state >>> 25;
  }
  const view = new DataView(image.buffer);
  view.setUint32(0, 0xaedb_041d, true);
  view.setUint32(4, 0xaedb_041d, true);
  return image;
}
