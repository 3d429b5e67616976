/** Output directories, written atomically. */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { BonsaiError, InternalError, isSystemError } from '../errors.js';
import { makeFolders } from '../files.js';
import { owe } from '../leaving.js';
import { firmwareSources, type Target } from '../target/index.js';
import { claim, claimUntilUse, useBuilt } from './claim.js';

/** The file that marks a directory as bonsaic's. */
const marker = 'bonsai.json';

/**
 * Checksums of the files that compile wrote, in sha256sum's format; not of reports, which profile
 * rewrites.
 */
const sumsFile = 'SHA256SUMS';
const reports = /^report\.(txt|json)$/;
/** The Makefile's output folder. */
const buildFolder = 'build';

/** The target's firmware as files of a project, for a plan on `cores` cores. */
export function firmwareFiles(target: Target, cores = 1): Map<string, string> {
  const sources = firmwareSources(target, cores);
  return new Map([...sources].map(([path, text]) => [`firmware/${path}`, text]));
}

/**
 * Writes `files`, replaces the files of an earlier call and removes what was built from those.
 * Files that bonsaic did not write stay. If all files but the reports are unchanged, the build
 * stays too.
 *
 * The new version is written beside the directory, with hard links to the files that stay. Then the
 * old version is renamed, and the new one takes its name. If the process is killed between the two,
 * no directory of that name is left; the next call, here or of `recoverProject`, completes the
 * work.
 *
 * @param files path in the directory, with '/' → contents; includes bonsai.json
 * @throws BonsaiError 'usage' when the directory holds files that bonsaic did not write, or cannot
 * be written
 */
export function writeProject(
  directory: string,
  files: ReadonlyMap<string, string | Uint8Array>,
): void {
  if (!files.has(marker)) throw new InternalError('build', `a project without ${marker}`);
  let release = () => {};
  try {
    const target = placeOf(directory);
    checkReplaceable(target, directory);
    makeFolders(dirname(target));
    release = claim(target);
    recover(target);
    checkReplaceable(target, directory);
    const { fresh } = besides(target);
    const settled = owe({ owes: 'removal', path: fresh });
    try {
      mkdirSync(fresh);
      const keeps = isUnchanged(target, files);
      for (const [path, contents] of files) {
        if (!keeps || reports.test(path)) writeInside(fresh, path, contents);
      }
      if (keeps) replaceReports(target);
      else {
        writeInside(fresh, sumsFile, sumsOf(files));
        if (existsSync(target)) keepOthers(target, fresh, directory);
        replace(target);
      }
    } finally {
      rmSync(fresh, { recursive: true, force: true });
      settled();
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new BonsaiError(
      'usage',
      directory,
      `cannot be written: ${error.message}`,
      'give a directory that you may write to: -o DIR',
    );
  } finally {
    release();
  }
}

/** Completes a write of `directory` that was killed half way. */
export function recoverProject(directory: string): void {
  const target = realPlace(directory);
  const { fresh, old } = besides(target);
  if (!existsSync(old) && !existsSync(fresh)) return;
  // Another process may be writing it just now.
  const release = claim(target);
  try {
    recover(target);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const what = `cannot be recovered: ${error.message}`;
    const hint = `the previous version is in ${besides(target).old}`;
    throw new BonsaiError('usage', directory, what, hint);
  } finally {
    release();
  }
}

/** Locks the directory until this process has built it, or ends. */
export function claimProject(directory: string): void {
  const target = realPlace(directory);
  if (existsSync(dirname(target))) claimUntilUse(target);
}

/** Builds the project unless it is built, and uses it until the process ends: see useBuilt. */
export function useProject(
  directory: string,
  isBuilt: () => boolean,
  build: () => Promise<void>,
): Promise<void> {
  return useBuilt(realPlace(directory), isBuilt, build);
}

/**
 * Whether a file is unchanged since compile wrote it; null without a checksum.
 */
export function isAsWritten(directory: string, path: string, contents: Uint8Array): boolean | null {
  const sum = readSums(directory)?.get(path);
  return sum === undefined ? null : sum === sha256(contents);
}

/** The real path of the directory, which need not exist; links are followed. */
function realPlace(directory: string): string {
  if (existsSync(directory)) return realpathSync(directory);
  const place = resolve(directory);
  if (!statsOf(place)?.isSymbolicLink()) return place;
  return resolve(dirname(place), readlinkSync(place));
}

/** Paths of the new version while it is written, and of the old one while they are swapped. */
function besides(target: string): { readonly fresh: string; readonly old: string } {
  const path = join(dirname(target), `.${basename(target)}.bonsaic-`);
  return { fresh: `${path}new`, old: `${path}old` };
}

function recover(target: string): void {
  const { fresh, old } = besides(target);
  if (existsSync(old)) {
    // The user may have created an empty directory in its place.
    if (existsSync(target) && readdirSync(target).length === 0) rmdirSync(target);
    if (!existsSync(target)) renameSync(existsSync(fresh) ? fresh : old, target);
    if (isProject(target)) rmSync(old, { recursive: true, force: true });
  }
  rmSync(fresh, { recursive: true, force: true });
}

/** Swaps the versions; the new one is complete before the old one is moved. */
function replace(target: string): void {
  const { fresh, old } = besides(target);
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

/** Whether the directory holds exactly `files`, apart from reports. */
function isUnchanged(target: string, files: ReadonlyMap<string, string | Uint8Array>): boolean {
  const holds = (path: string, contents: string | Uint8Array) => {
    try {
      return readFileSync(join(target, path)).equals(Buffer.from(contents));
    } catch {
      return false;
    }
  };
  return (
    holds(sumsFile, sumsOf(files)) &&
    [...files].every(([path, contents]) => reports.test(path) || holds(path, contents))
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
}

const sha256 = (contents: string | Uint8Array) =>
  createHash('sha256').update(contents).digest('hex');

function sumsOf(files: ReadonlyMap<string, string | Uint8Array>): string {
  return [...files]
    .filter(([path]) => !reports.test(path))
    .map(([path, contents]) => `${sha256(contents)}  ${path}\n`)
    .join('');
}

/**
 * The present checksums of the files that compile wrote, one line per file.
 */
export function checksumsOf(directory: string): string {
  const sums = [...(readSums(directory)?.keys() ?? [])].map((path) => {
    const file = join(directory, path);
    return `${existsSync(file) ? sha256(readFileSync(file)) : 'missing'}  ${path}\n`;
  });
  return sums.join('');
}

/** Path → SHA-256 of the file as compile wrote it; null without a list of checksums. */
function readSums(directory: string): ReadonlyMap<string, string> | null {
  try {
    const lines = readFileSync(join(directory, sumsFile), 'utf8').matchAll(/^(\w{64}) {2}(.*)$/gm);
    return new Map([...lines].map(([, sum = '', path = '']) => [path, sum]));
  } catch {
    return null;
  }
}

/**
 * Links the files in `target` that bonsaic did not write into `fresh`.
 *
 * @throws BonsaiError 'usage' when the new version has a file of the same name
 */
function keepOthers(target: string, fresh: string, directory: string): void {
  const ours = readSums(target) ?? new Map();
  const isOurs = (path: string) => ours.has(path) || path === sumsFile || reports.test(path);
  const keep = (folder: string) => {
    const entries = readdirSync(join(target, folder), { withFileTypes: true });
    if (entries.length === 0) makeFolders(join(fresh, folder));
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (path === buildFolder) continue;
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
  }
}

/** The directory's path, links resolved. @throws BonsaiError 'usage' when it cannot be created */
function placeOf(directory: string): string {
  const refuse = (what: string) =>
    new BonsaiError('usage', directory, what, 'give a new directory: -o DIR');
  let existing = resolve(directory);
  for (;;) {
    const stats = statsOf(existing);
    if (existsSync(besides(realPlace(existing)).old)) return realPlace(directory);
    if (stats?.isSymbolicLink() && !existsSync(existing)) {
      const what = existing === resolve(directory) ? 'is' : `cannot be made: ${existing} is`;
      throw refuse(`${what} a link to ${readlinkSync(existing)}, which does not exist`);
    }
    if (stats !== undefined) break;
    existing = dirname(existing);
  }
  if (!statSync(existing).isDirectory()) {
    if (existing === resolve(directory)) throw refuse('is not a directory');
    throw refuse(`cannot be made: ${existing} is not a directory`);
  }
  return existsSync(directory) ? realpathSync(directory) : resolve(directory);
}

/** Like lstat; undefined where the path does not exist. */
function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function checkReplaceable(target: string, directory: string): void {
  if (!existsSync(target)) return;
  const refuse = (what: string) =>
    new BonsaiError('usage', directory, what, 'give a new directory: -o DIR');
  if (!relative(target, process.cwd()).startsWith('..')) {
    throw refuse('holds the current directory, so it cannot be replaced');
  }
  const entries = readdirSync(target);
  if (entries.length === 0) return;
  if (!isProject(target)) throw refuse('holds files that bonsaic did not write');
  if (readSums(target) === null) {
    throw refuse(`has no ${sumsFile} that tells which files bonsaic wrote`);
  }
}

function isProject(directory: string): boolean {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(directory, marker), 'utf8'));
    return typeof manifest === 'object' && manifest !== null && 'format' in manifest;
  } catch {
    return false;
  }
}

function writeInside(directory: string, path: string, contents: string | Uint8Array): void {
  const file = join(directory, path);
  if (relative(directory, file).startsWith('..')) {
    throw new InternalError('build', `"${path}" is outside of the project`);
  }
  makeFolders(dirname(file));
  writeFileSync(file, contents);
}
