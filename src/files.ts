/** Folders on disk, and files that bonsaic is given: what they are is known before they are read. */
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { BonsaiError, unlessRefused } from './errors.js';
import { maxModelBytes } from './limits.js';

/** The file of defaults that is read without --config, where the working folder has it. */
export const usualConfig = 'bonsaic.json';

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

/** Removes folders, of which the outermost is the first, as far as nothing is in them. */
export function removeEmpty(folders: readonly string[]): void {
  for (const folder of [...folders].reverse()) unlessRefused(() => rmdirSync(folder), undefined);
}

const megabyte = 2 ** 20;

/** What a file is for, and the most that is read of it. */
const kinds = {
  model: { what: 'a model', maxBytes: maxModelBytes },
  // A JavaScript string holds about twice as much.
  vectors: { what: 'vectors', maxBytes: 256 * megabyte },
  // One sample: a recording, an image.
  sample: { what: 'a sample', maxBytes: 64 * megabyte },
  // Read row by row.
  table: { what: 'a table of samples', maxBytes: 256 * megabyte },
  data: { what: 'samples', maxBytes: 1024 * megabyte },
  labels: { what: 'labels', maxBytes: megabyte },
  config: { what: 'a configuration', maxBytes: megabyte },
  manifest: { what: 'a manifest', maxBytes: 256 * megabyte },
  costs: { what: 'a table of costs', maxBytes: megabyte },
  // Weights, with what training keeps of each.
  checkpoint: { what: 'a checkpoint', maxBytes: 4 * maxModelBytes },
  // Read piece by piece.
  own: { what: "a user's file", maxBytes: Number.POSITIVE_INFINITY },
  // Larger than any board's flash, as ELF or UF2 too.
  image: { what: 'an image', maxBytes: 256 * megabyte },
} as const;

/** What the system says; the call and the path behind it tell a user nothing more. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/, \w+( '.*')?$/s, '') : String(error);
}

type Kind = keyof typeof kinds;

const noFile = 'give the path of a file';

/**
 * Opens a file that is no device and no pipe, and has no more bytes than its kind. Never waits: files of
 * /proc look like files without bytes, but reading one may block or never end.
 *
 * @returns the descriptor and the file's bytes
 */
function opened(path: string, kind: Kind, hint: string): readonly [fd: number, size: number] {
  const stats = statSync(path);
  if (!stats.isFile()) {
    const found = stats.isDirectory() ? 'a directory' : 'a device or a pipe';
    throw new BonsaiError('usage', path, `is ${found}, not a file`, noFile);
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
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  if (stats.size > 0 || isEmpty(fd)) return [fd, stats.size];
  closeSync(fd);
  throw new BonsaiError('usage', path, 'belongs to the system, and is no file on a disk', noFile);
}

/** Whether a file without a length has no bytes either. */
function isEmpty(fd: number): boolean {
  try {
    return readSync(fd, new Uint8Array(1)) === 0;
  } catch {
    return false;
  }
}

/** Whether something has a path, as far as its folder may be read; a link to nothing has. */
export function hasName(path: string): boolean {
  return unlessRefused(() => lstatSync(path), null) !== null;
}

/** Whether a reader of `path` may wait for ever or never come to its end. */
export function isEndless(path: string): boolean {
  return unlessRefused(() => {
    const stats = statSync(path);
    if (!stats.isFile()) {
      return stats.isFIFO() || stats.isCharacterDevice() || stats.isBlockDevice();
    }
    if (stats.size > 0) return false;
    const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      return !isEmpty(fd);
    } finally {
      closeSync(fd);
    }
  }, false);
}

/** What `work` returns. @throws BonsaiError 'usage' for an error of the system */
function reading<T>(path: string, kind: Kind, work: (hint: string) => T): T {
  const hint = kind === 'image' ? 'give the one that bonsaic build DIR makes' : 'check the path';
  try {
    return work(hint);
  } catch (error) {
    if (error instanceof BonsaiError) throw error;
    throw new BonsaiError('usage', path, `cannot be read: ${reasonOf(error)}`, hint);
  }
}

/** Part of a file: from its byte `from` on, or from its end where that is negative. */
interface Range {
  readonly from: number;
  readonly bytes: number;
}

/**
 * A file's bytes, or those of a part that lie in it.
 *
 * @throws BonsaiError 'usage' when it cannot be read, or is no regular file: a device or a pipe may
 *   never end; 'too-large' (a model) or 'usage' when it is larger than its kind ever is
 */
export function readInput(path: string, kind: Kind, range?: Range): Uint8Array {
  return reading(path, kind, (hint) => {
    const [fd, size] = opened(path, kind, hint);
    const { from, bytes: count } = range ?? { from: 0, bytes: size };
    const first = Math.min(size, from < 0 ? Math.max(0, size + from) : from);
    try {
      const bytes = Buffer.allocUnsafeSlow(Math.min(size - first, count));
      return bytes.subarray(0, filled(fd, bytes, first));
    } finally {
      closeSync(fd);
    }
  });
}

/** Reads from a place on until the bytes are full or the file ends. Their number. */
function filled(fd: number, bytes: Uint8Array, from: number): number {
  let at = 0;
  for (let count = -1; count !== 0 && at < bytes.length; at += count) {
    count = readSync(fd, bytes, at, bytes.length - at, from + at);
  }
  return at;
}

/** A file's bytes, piece by piece, for files that need not be in memory as a whole. @throws as `readInput` */
export function* readPieces(
  path: string,
  kind: Kind,
  pieceBytes = megabyte,
): Generator<Uint8Array> {
  const [fd] = reading(path, kind, (hint) => opened(path, kind, hint));
  try {
    for (let from = 0; ; from += pieceBytes) {
      const piece = Buffer.allocUnsafeSlow(pieceBytes);
      const count = reading(path, kind, () => filled(fd, piece, from));
      if (count > 0) yield piece.subarray(0, count);
      if (count < pieceBytes) return;
    }
  } finally {
    closeSync(fd);
  }
}

/** Reads files of the folder that a model lies in: the weights of formats that have several files. */
export function readBeside(path: string): (name: string) => Uint8Array {
  return (name) => readInput(join(dirname(path), name), 'model');
}
