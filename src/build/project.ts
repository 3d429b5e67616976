/** Output directories on disk: written as a whole or not at all. */
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
import { firmwareSources, type Target } from '../target/index.js';
import { claim, claimUntilExit } from './claim.js';

/** The file that tells our directories from others. */
const marker = 'bonsai.json';

/** What compile wrote, as sha256sum checks it. Reports are written again by profile. */
const sumsFile = 'SHA256SUMS';
const reports = /^report\.(txt|json)$/;
/** What the Makefile makes. */
const buildFolder = 'build';

/** The target's firmware as files of a project, for a model on so many cores. */
export function firmwareFiles(target: Target, cores = 1): Map<string, string> {
  const sources = firmwareSources(target, cores);
  return new Map([...sources].map(([path, text]) => [`firmware/${path}`, text]));
}

/**
 * Writes `files` in the place of those that an earlier call wrote there, and of what was built from
 * them; other files stay as they are. Where all but the reports are there already, so does what was
 * built.
 *
 * The new version is made beside the directory, with links to the files that stay. Then the old one
 * is renamed, and the new one takes its name. A process that is killed between the two leaves no
 * directory of that name: the next one to look for it, here or in `recoverProject`, ends the work.
 *
 * @param files path in the directory, with '/' → contents; includes bonsai.json
 * @throws BonsaiError 'usage' when the place is taken by something that bonsaic did not write, or
 *   cannot be written to
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
    mkdirSync(dirname(target), { recursive: true });
    release = claim(target);
    recover(target);
    checkReplaceable(target, directory);
    const { fresh } = besides(target);
    try {
      mkdirSync(fresh);
      const keeps = isThere(target, files);
      for (const [path, contents] of files) {
        if (!keeps || reports.test(path)) writeInside(fresh, path, contents);
      }
      if (keeps) replaceReports(target);
      else {
        writeInside(fresh, sumsFile, sumsOf(files));
        if (existsSync(target)) keepForeign(target, fresh, directory);
        replace(target);
      }
    } finally {
      rmSync(fresh, { recursive: true, force: true });
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

/**
 * Ends what a process that was killed has left of writing `directory`, and keeps other processes out
 * of it until this one ends.
 */
export function recoverProject(directory: string): void {
  const target = realPlace(directory);
  if (!existsSync(dirname(target))) return;
  claimUntilExit(target);
  try {
    recover(target);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const what = `cannot be brought back: ${error.message}`;
    const hint = `what is left of it is in ${besides(target).old}`;
    throw new BonsaiError('usage', directory, what, hint);
  }
}

/**
 * Whether a file is as compile wrote it.
 *
 * @returns null when nothing tells
 */
export function isAsWritten(directory: string, path: string, contents: Uint8Array): boolean | null {
  const sum = readSums(directory)?.get(path);
  return sum === undefined ? null : sum === sha256(contents);
}

/** Where the directory is or was, links followed. */
function realPlace(directory: string): string {
  if (existsSync(directory)) return realpathSync(directory);
  const place = resolve(directory);
  if (!statsOf(place)?.isSymbolicLink()) return place;
  return resolve(dirname(place), readlinkSync(place));
}

/** Where a new version is made, and where the old one is while they change places. */
function besides(target: string): { readonly fresh: string; readonly old: string } {
  const path = join(dirname(target), `.${basename(target)}.bonsaic-`);
  return { fresh: `${path}new`, old: `${path}old` };
}

function recover(target: string): void {
  const { fresh, old } = besides(target);
  if (existsSync(old)) {
    // Somebody may have made an empty one in its place.
    if (existsSync(target) && readdirSync(target).length === 0) rmdirSync(target);
    if (!existsSync(target)) renameSync(existsSync(fresh) ? fresh : old, target);
    if (isProject(target)) rmSync(old, { recursive: true, force: true });
  }
  rmSync(fresh, { recursive: true, force: true });
}

/** The new version is whole before the old one is moved. */
function replace(target: string): void {
  const { fresh, old } = besides(target);
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

/** Whether what compile wrote, and wrote all that it wrote, is `files`. Reports are no part of it. */
function isThere(target: string, files: ReadonlyMap<string, string | Uint8Array>): boolean {
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

/** Those of the new version, which has no other files; what it does not have would be untrue. */
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
 * What the files that compile wrote are now, for comparison with what they were.
 *
 * @returns one line a file
 */
export function stateOf(directory: string): string {
  const sums = [...(readSums(directory)?.keys() ?? [])].map((path) => {
    const file = join(directory, path);
    return `${existsSync(file) ? sha256(readFileSync(file)) : 'missing'}  ${path}\n`;
  });
  return sums.join('');
}

/** Path → SHA-256 of what compile wrote; null where there is no such list. */
function readSums(directory: string): ReadonlyMap<string, string> | null {
  try {
    const lines = readFileSync(join(directory, sumsFile), 'utf8').matchAll(/^(\w{64}) {2}(.*)$/gm);
    return new Map([...lines].map(([, sum = '', path = '']) => [path, sum]));
  } catch {
    return null;
  }
}

/**
 * Puts links to what others have written in `target` into `fresh`.
 *
 * @throws BonsaiError 'usage' when the new version has a file of its own there
 */
function keepForeign(target: string, fresh: string, directory: string): void {
  const ours = readSums(target) ?? new Map();
  const isOurs = (path: string) => ours.has(path) || path === sumsFile || reports.test(path);
  const keep = (folder: string) => {
    const entries = readdirSync(join(target, folder), { withFileTypes: true });
    if (entries.length === 0) mkdirSync(join(fresh, folder), { recursive: true });
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
  mkdirSync(dirname(place), { recursive: true });
  try {
    linkSync(join(target, path), place);
  } catch (error) {
    // Not every file system has links.
    if (!/^(EPERM|ENOTSUP|EMLINK|EACCES)$/.test((error as NodeJS.ErrnoException).code ?? ''))
      throw error;
    cpSync(join(target, path), place, { preserveTimestamps: true, verbatimSymlinks: true });
  }
}

/** The directory itself, where links lead to one. @throws BonsaiError 'usage' when none can be */
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

/** Of the link, where it is one; undefined where nothing is there, or below a file. */
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
    throw refuse('holds the current directory: it cannot be replaced');
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
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, contents);
}
