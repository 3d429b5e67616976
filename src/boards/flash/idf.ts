/** ESP-IDF's idf.py flashes boot loader, partition table and image, and resets the board. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BonsaiError } from '../../errors.js';
import { findIdf, runIdf, textOf } from '../build/idf.js';
import type { FlashProtocol } from './protocol.js';

/** A file of every project of ESP-IDF that bonsaic writes. */
const settingsFile = 'sdkconfig.defaults';
/** Lines of a failed run to show, from the first error on. */
const errorLines = 6;

export const idf: FlashProtocol<'idf'> = {
  flash: async ({ image: { path, bytes }, target, port, progress }) => {
    // The image lies in the build folder.
    const directory = dirname(dirname(path));
    if (!existsSync(join(directory, settingsFile))) {
      const message = `${target.name} also needs the boot loader and the partition table of its project`;
      throw new BonsaiError('flash', path, message, 'name the directory: bonsaic flash DIR');
    }
    await findIdf(target, undefined);
    progress(0, bytes.length);
    const output = await runIdf(directory, target, ['-p', port, 'flash']);
    if (output.status === 0) {
      progress(bytes.length, bytes.length);
      return bytes.length;
    }
    const lines = textOf(output).trim().split('\n');
    const first = lines.findIndex((line) => /fatal|error|failed/i.test(line));
    const said = lines.slice(Math.max(0, first)).slice(0, errorLines).join('\n');
    throw new BonsaiError(
      'flash',
      port,
      `idf.py flash of ${basename(path)} failed:\n${said}`,
      `is it the board's port (bonsaic ports)? targets/${target.name}/README.md: boot loader`,
    );
  },
};
