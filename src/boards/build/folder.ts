/** Folders that bonsaic writes as a whole: the old version or the new one is there, never a mixture. */
import {
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import {
  isUnfinished,
  probeFolder,
  removeIfAllowed,
  removeUnfinished,
  syncFile,
  syncFolder,
} from '../../durable.js';
import { BonsaiError, InternalError, isSystemError, unlessRefused, writing } from '../../errors.js';
import { makeFolders, removeEmpty } from '../../files.js';
import { owe } from '../../leaving.js';
import { claim, removeDeadMarks } from './claim.js';
import {
  checkRemovable,
  checkReplaceable,
  checkUnedited,
  type FolderKind,
  refusal,
  statsOf,
} from './replaceable.js';
import { type FolderFiles, holds, readSums, reports, sumsFile, sumsOf } from './sums.js';
import { isTemporary } from './temporary.js';

export interface Replacing {
  /** Whether files that the user has edited are replaced. */
  readonly force?: boolean;
}

/**
 * Writes `files`, replaces the files of an earlier call and removes `passing`. Files that bonsaic
 * did not write stay.
 *
 * The new version is written beside the folder, with hard links to the files that stay. Then the
 * old version is renamed, and the new one takes its name. If the process is killed between the two,
 * no folder of that name is left; the next call, here or of `recoverFolder`, completes the work.
 *
 * @throws BonsaiError 'usage' when the folder holds files that bonsaic did not write, or that were
 *   edited since, or cannot be written; the old version stays
 */
export function writeFolder(
  kind: FolderKind,
  directory: string,
  files: FolderFiles,
  { force = false }: Replacing = {},
): void {
  let release = () => {};
  let made: readonly string[] = [];
  let isDone = false;
  try {
    writing(directory, () => {
      const target = placeOf(directory);
      checkReplaceable(kind, target, directory);
      made = makeFolders(dirname(target));
      release = claim(target);
      recover(kind, target);
      checkRecovered(target, directory);
      checkReplaceable(kind, target, directory);
      if (!force) checkUnedited(kind, target, directory, files);
      try {
        writeVersion(kind, target, directory, files);
      } finally {
        recover(kind, target);
      }
      isDone = true;
    });
  } finally {
    release();
    if (!isDone) removeEmpty(made);
  }
}

function writeVersion(
  kind: FolderKind,
  target: string,
  directory: string,
  files: FolderFiles,
): void {
  const { fresh } = besides(target);
  const settled = owe({ owes: 'removal', path: fresh });
  try {
    mkdirSync(fresh);
    const keeps = kind.keepsPassing && isUnchanged(target, files);
    for (const [path, contents] of files) {
      if (!keeps || reports.test(path)) writeInside(fresh, path, contents);
    }
    if (keeps) {
      replaceReports(target);
      return;
    }
    writeInside(fresh, sumsFile, sumsOf(files));
    checkRemovable(target, directory);
    if (existsSync(target)) keepOthers(kind, target, fresh, directory);
    if (!isTemporary(fresh)) syncFolders(fresh);
  } finally {
    settled();
  }
  exchange(target);
}

/**
 * Whether a result can be written to a folder: the folder is replaceable, its files are as they were
 * written, and the disk takes files in it and beside it. Nothing of that stays.
 *
 * @throws BonsaiError 'usage'
 */
export function checkFolder(
  kind: FolderKind,
  directory: string,
  { force = false }: Replacing = {},
): void {
  writing(directory, () => {
    recoverFolder(kind, directory);
    const target = placeOf(directory);
    checkReplaceable(kind, target, directory);
    if (!force) checkUnedited(kind, target, directory, new Map());
    checkRemovable(target, directory);
    probe(target);
  });
}

/** Makes what a result needs, and takes it away again: permissions alone do not tell. */
function probe(target: string): void {
  const { fresh } = besides(target);
  const made = makeFolders(dirname(target));
  try {
    // A name of its own: another process may be writing there.
    const trial = `${fresh}-${process.pid}`;
    mkdirSync(trial);
    rmdirSync(trial);
    probeFolder(existsSync(target) ? target : dirname(target));
  } finally {
    removeEmpty(made);
  }
}

/** Completes a write of `directory` that was killed half way, and removes what killed commands left. */
export function recoverFolder(kind: FolderKind, directory: string): void {
  const target = realPlace(directory);
  const { fresh, old } = besides(target);
  removeUnfinished(target);
  if (!existsSync(old) && !existsSync(fresh)) {
    removeDeadMarks(target);
    return;
  }
  // Another process may be writing it just now.
  const release = claim(target);
  try {
    recover(kind, target);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const what = `cannot be recovered: ${error.message}`;
    throw new BonsaiError('usage', directory, what, `the previous version is in ${old}`);
  } finally {
    release();
  }
}

/** The real path of the folder, which need not exist; links are followed. */
export function realPlace(directory: string): string {
  if (existsSync(directory)) return realpathSync(directory);
  const place = resolve(directory);
  if (statsOf(place)?.isSymbolicLink()) return resolve(dirname(place), readlinkSync(place));
  const parent = dirname(place);
  return existsSync(parent) ? join(realpathSync(parent), basename(place)) : place;
}

/** Paths of the new version while it is written, and of the old one while they are swapped. */
function besides(target: string): { readonly fresh: string; readonly old: string } {
  const path = join(dirname(target), `.${basename(target)}.bonsaic-`);
  return { fresh: `${path}new`, old: `${path}old` };
}

function recover(kind: FolderKind, target: string): void {
  const { fresh, old } = besides(target);
  if (existsSync(old)) {
    // The user may have created an empty directory in its place.
    if (existsSync(target) && readdirSync(target).length === 0) rmdirSync(target);
    if (!existsSync(target)) renameSync(existsSync(fresh) ? fresh : old, target);
    // Until the names are on the disk, the old version may be the only one. A disk that takes nothing
    // any more keeps no recovery from its end.
    if (!isTemporary(target)) unlessRefused(() => syncFolder(dirname(target)), undefined);
    if (kind.isOurs(target)) removeIfAllowed(old);
  }
  removeIfAllowed(fresh);
}

/** A reader needs the folder alone; a writer needs the names beside it. @throws BonsaiError 'usage' */
function checkRecovered(target: string, directory: string): void {
  const left = Object.values(besides(target)).find((path) => existsSync(path));
  if (left === undefined) return;
  const what = `an earlier command has left ${left}, which may not be removed by you`;
  throw new BonsaiError('usage', directory, what, 'remove it, or give a new directory: -o DIR');
}

/** Swaps the versions; the new one is complete before the old one is moved. */
function exchange(target: string): void {
  const { fresh, old } = besides(target);
  const isFirst = !existsSync(target);
  if (!isFirst) renameSync(target, old);
  try {
    renameSync(fresh, target);
  } catch (error) {
    if (!isFirst) renameSync(old, target);
    throw error;
  }
  if (!isTemporary(target)) syncFolder(dirname(target));
  removeIfAllowed(old);
}

/** Has a folder and those in it on the disk. */
function syncFolders(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) syncFolders(join(folder, entry.name));
  }
  syncFolder(folder);
}

/** Whether the folder holds exactly `files`, apart from reports. */
function isUnchanged(target: string, files: FolderFiles): boolean {
  return (
    holds(target, sumsFile, sumsOf(files)) &&
    [...files].every(([path, contents]) => reports.test(path) || holds(target, path, contents))
  );
}

/** Replaces the reports by those of the new version, and removes reports that it does not have. */
function replaceReports(target: string): void {
  const { fresh } = besides(target);
  const made = new Set(readdirSync(fresh));
  for (const name of readdirSync(target).filter((name) => reports.test(name))) {
    if (!made.has(name)) rmSync(join(target, name));
  }
  for (const name of made) renameSync(join(fresh, name), join(target, name));
  if (!isTemporary(target)) syncFolder(target);
}

/**
 * Links the files in `target` that bonsaic did not write into `fresh`.
 *
 * @throws BonsaiError 'usage' when the new version has a file of the same name
 */
function keepOthers(kind: FolderKind, target: string, fresh: string, directory: string): void {
  const ours = readSums(target) ?? new Map();
  const isOurs = (path: string) => ours.has(path) || path === sumsFile || reports.test(path);
  const keep = (folder: string) => {
    const entries = readdirSync(join(target, folder), { withFileTypes: true });
    if (entries.length === 0) makeFolders(join(fresh, folder));
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (path === kind.passing || (folder === '' && isUnfinished(entry.name))) continue;
      if (entry.isDirectory()) keep(path);
      else if (!isOurs(path)) linkInside(target, fresh, path, directory);
    }
  };
  keep('');
}

function linkInside(target: string, fresh: string, path: string, directory: string): void {
  const place = join(fresh, path);
  if (statsOf(place) !== undefined) {
    const what = `bonsaic did not write ${path}, and needs that name`;
    throw new BonsaiError(
      'usage',
      directory,
      what,
      'move the file, or give a new directory: -o DIR',
    );
  }
  makeFolders(dirname(place));
  try {
    linkSync(join(target, path), place);
  } catch (error) {
    // Not every file system has hard links.
    if (!/^(EPERM|ENOTSUP|EMLINK|EACCES)$/.test((error as NodeJS.ErrnoException).code ?? ''))
      throw error;
    cpSync(join(target, path), place, { preserveTimestamps: true, verbatimSymlinks: true });
    if (lstatSync(place).isFile()) syncFile(place);
  }
}

/** The folder's path, links resolved. @throws BonsaiError 'usage' when it cannot be created */
function placeOf(directory: string): string {
  let existing = resolve(directory);
  for (;;) {
    const stats = statsOf(existing);
    if (existsSync(besides(realPlace(existing)).old)) return realPlace(directory);
    if (stats?.isSymbolicLink() && !existsSync(existing)) {
      const what = existing === resolve(directory) ? 'is' : `cannot be made: ${existing} is`;
      throw refusal(directory, `${what} a link to ${readlinkSync(existing)}, which does not exist`);
    }
    if (stats !== undefined) break;
    existing = dirname(existing);
  }
  if (!statSync(existing).isDirectory()) {
    if (existing === resolve(directory)) throw refusal(directory, 'is not a directory');
    throw refusal(directory, `cannot be made: ${existing} is not a directory`);
  }
  return realPlace(directory);
}

function writeInside(folder: string, path: string, contents: string | Uint8Array): void {
  const file = join(folder, path);
  if (relative(folder, file).startsWith('..')) {
    throw new InternalError('build', `"${path}" is outside of the project`);
  }
  makeFolders(dirname(file));
  writeFileSync(file, contents, { flush: !isTemporary(folder) });
}
