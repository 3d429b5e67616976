/** Which folders an output may take the place of. */
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { BonsaiError, unlessRefused } from '../../errors.js';
import { changesIn, type FolderFiles, namesOf } from './sums.js';

/** What a kind of folder has of its own. */
export interface FolderKind {
  /** Whether a folder is of this kind. */
  isOurs(folder: string): boolean;
  /** Why a folder that is not empty must not be replaced; null: it may be. */
  refusalOf(folder: string): string | null;
  /** A folder in it that belongs to one version, and goes with it. */
  readonly passing: string;
  /** Whether `passing` stays where all files but the reports stay as they are. */
  readonly keepsPassing: boolean;
  /** The command that writes such folders. */
  readonly writer: string;
  /** Where a user's own files belong, for a folder with `files`. */
  ownPlace(directory: string, files: FolderFiles): string;
}

export const refusal = (directory: string, what: string) =>
  new BonsaiError('usage', directory, what, 'give a new directory: -o DIR');

/** Like lstat; undefined where the path does not exist. */
export function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

export function checkReplaceable(kind: FolderKind, target: string, directory: string): void {
  if (!existsSync(target)) return;
  if (!relative(target, process.cwd()).startsWith('..')) {
    throw refusal(directory, 'holds the current directory, so it cannot be replaced');
  }
  if (statSync(target).dev !== statSync(dirname(target)).dev) {
    const what = 'is where a disk is mounted, so it cannot be replaced';
    throw new BonsaiError('usage', directory, what, 'name a folder in it: -o DIR/NAME');
  }
  if (readdirSync(target).length === 0) return;
  const what = kind.refusalOf(target);
  if (what !== null) throw refusal(directory, what);
}

/** @throws BonsaiError 'usage' where the old version could not be removed once the new one is there */
export function checkRemovable(target: string, directory: string): void {
  const place = existsSync(target) ? lockedIn(target) : null;
  if (place === null) return;
  const where = join(directory, relative(target, place));
  const hint = 'make it yours (chown -R), or give a new directory: -o DIR';
  throw new BonsaiError('usage', where, 'may not be changed by you', hint);
}

/** A folder that this user cannot empty, as one that root or a container has made; null: there is none. */
function lockedIn(folder: string): string | null {
  const entries = unlessRefused(() => readdirSync(folder, { withFileTypes: true }), null);
  if (entries === null) return folder;
  const isFree = () => {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  };
  if (entries.length > 0 && !unlessRefused(isFree, false)) return folder;
  for (const entry of entries.filter((entry) => entry.isDirectory())) {
    const locked = lockedIn(join(folder, entry.name));
    if (locked !== null) return locked;
  }
  return null;
}

export function checkUnedited(
  kind: FolderKind,
  target: string,
  directory: string,
  files: FolderFiles,
): void {
  const { edited } = changesIn(target, files);
  if (edited.length === 0) return;
  const were = edited.length === 1 ? 'was' : 'were';
  const what = `${namesOf(edited)} ${were} changed since ${kind.writer} wrote the folder`;
  const hint = `--force replaces what was changed; or give a new directory: -o DIR`;
  throw new BonsaiError('usage', directory, what, `${hint}${kind.ownPlace(directory, files)}`);
}
