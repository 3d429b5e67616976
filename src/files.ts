/** Folders on disk, and files that bonsaic is given: what they are is known before they are read. */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { BonsaiError } from './errors.js';

/**
 * Makes a folder and those that it lies in. Node's own `recursive` never returns where a folder that
 * is there takes no others, as /proc.
 *
 * @returns those that were made, outermost first
 * @throws a system error: ENOTDIR where a file is in the way
 */
export function makeFolders(path: string): readonly string[] {
  const folder = resolve(path);
  const there = statSync(folder, { throwIfNoEntry: false });
  if (there?.isDirectory()) return [];
  if (there !== undefined) {
    const message = `ENOTDIR: not a directory, mkdir '${folder}'`;
    throw Object.assign(new Error(message), { code: 'ENOTDIR', syscall: 'mkdir', path: folder });
  }
  const made = makeFolders(dirname(folder));
  try {
    mkdirSync(folder);
    return [...made, folder];
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
    return made;
  }
}

const megabyte = 2 ** 20;

/** Larger than any board's flash; offsets stay exact in 32 bits. */
export const maxModelBytes = 2 ** 30;

/** What a file is for, and the most that is read of it. */
const kinds = {
  model: { what: 'a model', maxBytes: maxModelBytes },
  // A JavaScript string holds about twice as much.
  vectors: { what: 'vectors', maxBytes: 256 * megabyte },
  // One sample: a recording, an image.
  sample: { what: 'a sample', maxBytes: 64 * megabyte },
  // A JavaScript string holds at most twice as much.
  table: { what: 'a table of samples', maxBytes: 256 * megabyte },
  data: { what: 'samples', maxBytes: 1024 * megabyte },
  labels: { what: 'labels', maxBytes: megabyte },
  config: { what: 'a configuration', maxBytes: megabyte },
  manifest: { what: 'a manifest', maxBytes: 256 * megabyte },
  // Larger than any board's flash, as ELF or UF2 too.
  image: { what: 'an image', maxBytes: 256 * megabyte },
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
  const hint = kind === 'image' ? 'give the one that bonsaic build DIR makes' : 'check the path';
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
        hint,
      );
    }
    return readFileSync(path);
  } catch (error) {
    if (error instanceof BonsaiError) throw error;
    throw new BonsaiError('usage', path, `cannot be read: ${reasonOf(error)}`, hint);
  }
}

/** Reads files of the folder that a model lies in: the weights of formats that have several files. */
export function readBeside(path: string): (name: string) => Uint8Array {
  return (name) => readInput(join(dirname(path), name), 'model');
}
