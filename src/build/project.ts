/** Output directories on disk: written as a whole or not at all. */
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { BonsaiError, InternalError, isSystemError } from '../errors.js';
import { firmwareSources, type Target } from '../target/index.js';

/** The file that tells our directories from others. */
const marker = 'bonsai.json';

/** The target's firmware as files of a project, for a model on so many cores. */
export function firmwareFiles(target: Target, cores = 1): Map<string, string> {
  const sources = firmwareSources(target, cores);
  return new Map([...sources].map(([path, text]) => [`firmware/${path}`, text]));
}

/**
 * Makes `directory` hold exactly `files`: everything is written beside it first and takes its place
 * by a rename, so that an old version survives any failure. Of an old version nothing is kept.
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
  try {
    const target = placeOf(directory);
    checkReplaceable(target, directory);
    mkdirSync(dirname(target), { recursive: true });
    const fresh = join(dirname(target), `.${basename(target)}.new-${randomUUID().slice(0, 8)}`);
    mkdirSync(fresh);
    try {
      for (const [path, contents] of files) writeInside(fresh, path, contents);
      replace(target, fresh);
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
  }
}

/** The directory itself, where links lead to one. @throws BonsaiError 'usage' when none can be */
function placeOf(directory: string): string {
  const refuse = (what: string) =>
    new BonsaiError('usage', directory, what, 'give a new directory: -o DIR');
  let existing = resolve(directory);
  for (;;) {
    const stats = statsOf(existing);
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
  if (entries.length > 0 && !isProject(target)) {
    throw refuse('holds files that bonsaic did not write');
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

/** Puts `fresh` in the place of `target`; what was there goes only when `fresh` is in place. */
function replace(target: string, fresh: string): void {
  if (!existsSync(target)) {
    renameSync(fresh, target);
    return;
  }
  const old = `${fresh}.old`;
  renameSync(target, old);
  try {
    renameSync(fresh, target);
  } catch (error) {
    renameSync(old, target);
    throw error;
  }
  rmSync(old, { recursive: true, force: true });
}
