/** Files that are whole after a kill, a full disk and a loss of power: the old version or the new. */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { unlessRefused, writing } from './errors.js';
import { owe } from './leaving.js';

/** Whether a process of this machine has the id. */
export function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A new version while it is written beside the old one; the process that writes it is in its name. */
const freshName = /^\..+\.bonsaic-new-(\d+)$/;

const freshOf = (path: string) =>
  join(dirname(path), `.${basename(path)}.bonsaic-new-${process.pid}`);

/** Whether a file's name is that of a new version that `writeWhole` has not finished. */
export function isUnfinished(name: string): boolean {
  return freshName.test(name);
}

/**
 * Replaces a file: the new version is written beside the old one, is on the disk before it takes
 * its name, and the name is on the disk when this returns. The file keeps its permissions.
 *
 * @throws BonsaiError 'usage', as on a full disk: the old version stays, and nothing beside it
 */
export function writeWhole(path: string, contents: string | Uint8Array): void {
  const folder = dirname(path);
  const fresh = freshOf(path);
  removeUnfinished(folder);
  const settled = owe({ owes: 'removal', path: fresh });
  writing(path, () => {
    try {
      const before = statSync(path, { throwIfNoEntry: false });
      writeSynced(fresh, contents);
      // An image of this computer stays one that can be run.
      if (before !== undefined) chmodSync(fresh, before.mode);
      renameSync(fresh, path);
    } finally {
      removeIfAllowed(fresh);
      settled();
    }
    syncFolder(folder);
  });
}

/** Writes a file as `writeWhole` does, and takes it away. @throws a system error where the disk takes none */
export function probeFolder(folder: string): void {
  const file = freshOf(join(folder, 'probe'));
  try {
    writeSynced(file, 'probe');
  } finally {
    rmSync(file, { force: true });
  }
}

/** Removes what processes that were killed in `writeWhole` have left in a folder. */
export function removeUnfinished(folder: string): void {
  for (const name of namesIn(folder)) {
    const pid = Number(freshName.exec(name)?.[1] ?? process.pid);
    if (!isAlive(pid)) removeIfAllowed(join(folder, name));
  }
}

/** Removes what a killed process has left, unless the folder is read-only or another user's. */
export function removeIfAllowed(path: string): void {
  unlessRefused(() => rmSync(path, { recursive: true, force: true }), undefined);
}

/** None where the folder is missing or cannot be read. */
export function namesIn(folder: string): readonly string[] {
  return unlessRefused(() => readdirSync(folder), []);
}

/** Writes a file whose contents are on the disk when this returns. */
export function writeSynced(path: string, contents: string | Uint8Array): void {
  writeFileSync(path, contents, { flush: true });
}

/** Has a file's contents on the disk. */
export const syncFile = (path: string) => sync(path);

/** Has the names in a folder on the disk; not every system and file system offers that. */
export const syncFolder = (folder: string) => sync(folder);

function sync(path: string): void {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, 'r');
    fsyncSync(descriptor);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!/^(EINVAL|EPERM|EACCES|EISDIR|EBADF|ENOTSUP|ENOSYS)$/.test(code)) throw error;
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}
