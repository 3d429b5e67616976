/** Files that a command is given: what they are and how large is known before they are read. */
import { readFileSync, statSync } from 'node:fs';
import { BonsaiError } from '../errors.js';
import { maxModelBytes } from '../import/index.js';

const megabyte = 2 ** 20;

/** What a file is for, and the most that is read of it. */
const kinds = {
  model: { what: 'a model', maxBytes: maxModelBytes },
  // A JavaScript string holds about twice as much.
  vectors: { what: 'vectors', maxBytes: 256 * megabyte },
  labels: { what: 'labels', maxBytes: megabyte },
  config: { what: 'a configuration', maxBytes: megabyte },
  manifest: { what: 'a manifest', maxBytes: 256 * megabyte },
} as const;

/** What the system says; the call and the path behind it tell a user nothing more. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/, \w+( '.*')?$/s, '') : String(error);
}

/**
 * A file's bytes.
 *
 * @throws BonsaiError 'usage' when it cannot be read, or is no regular file: a device or a pipe may
 *   never end; 'too-large' (a model) or 'usage' when it is larger than its kind ever is
 */
export function readInput(path: string, kind: keyof typeof kinds): Uint8Array {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) {
      const found = stats.isDirectory() ? 'a directory' : 'a device or a pipe';
      throw new BonsaiError('usage', path, `is ${found}, not a file`, 'give the path of a file');
    }
    const { what, maxBytes } = kinds[kind];
    if (stats.size > maxBytes) {
      throw new BonsaiError(
        kind === 'model' ? 'too-large' : 'usage',
        path,
        `has ${stats.size} bytes; ${what} may have ${maxBytes}`,
        'check the path',
      );
    }
    return readFileSync(path);
  } catch (error) {
    if (error instanceof BonsaiError) throw error;
    throw new BonsaiError('usage', path, `cannot be read: ${reasonOf(error)}`, 'check the path');
  }
}
