/** Flashes images that a test made up, which no build has filled in a record for. */
import { type FlashOptions, flash as flashImage } from '../../src/boards/flash/index.js';

export const flash = (...[path, port, target, options]: Parameters<typeof flashImage>) => {
  const foreign: FlashOptions = { foreign: true, ...options };
  return flashImage(path, port, target, foreign);
};
