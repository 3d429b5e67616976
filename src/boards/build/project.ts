/** Project folders: what compile writes, and build, flash and profile use. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { BonsaiError, InternalError } from '../../errors.js';
import { isEndless, readInput } from '../../files.js';
import { firmwareSources } from '../target/firmware.js';
import type { Target } from '../target/index.js';
import { claimUntilUse, useBuilt } from './claim.js';
import { type Replacing, realPlace, recoverFolder, writeFolder } from './folder.js';
import type { FolderKind } from './replaceable.js';
import { type FolderFiles, readSums, sumsFile } from './sums.js';

/** The file that marks a directory as bonsaic's. */
const marker = 'bonsai.json';

/** The Makefile's output folder. */
const buildFolder = 'build';

/** The user's own code, which the Makefile and ESP-IDF's project build. */
export const appFolder = 'app';

/** The target's firmware as files of a project, for a plan on `cores` cores. */
export function firmwareFiles(target: Target, cores = 1): Map<string, string> {
  const sources = firmwareSources(target, cores);
  return new Map([...sources].map(([path, text]) => [`firmware/${path}`, text]));
}

const project: FolderKind = {
  isOurs: isProject,
  refusalOf(folder) {
    if (!isProject(folder)) return 'holds files that bonsaic did not write';
    if (readSums(folder) !== null) return null;
    return `has no ${sumsFile} that tells which files bonsaic wrote`;
  },
  passing: buildFolder,
  keepsPassing: true,
  writer: 'compile',
  ownPlace(directory, files) {
    // Sources alone have no build of ours.
    if (!files.has('Makefile') && !files.has('main/CMakeLists.txt')) return '';
    const place = join(directory, appFolder);
    return `; code of your own belongs in ${place}, which stays as it is and is built too`;
  },
};

/**
 * Writes a project, as `writeFolder` does. If all files but the reports are unchanged, the build
 * stays too.
 *
 * @param files includes bonsai.json
 * @throws BonsaiError 'usage'
 */
export function writeProject(directory: string, files: FolderFiles, how: Replacing = {}): void {
  if (!files.has(marker)) throw new InternalError('build', `a project without ${marker}`);
  writeFolder(project, directory, files, how);
}

/** Completes a write of `directory` that was killed half way, and removes what killed commands left. */
export function recoverProject(directory: string): void {
  recoverFolder(project, directory);
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

/** Paths of the user's own files in a project, in alphabetical order. */
export function appFiles(directory: string): string[] {
  const folder = join(directory, appFolder);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map(({ parentPath, name }) => relative(directory, join(parentPath, name))).sort();
}

/** @throws BonsaiError 'usage' where a compiler would wait for ever for what it reads */
export function requireSources(directory: string): void {
  const own = appFiles(directory);
  const path = [...(readSums(directory)?.keys() ?? []), ...own].find((path) =>
    isEndless(join(directory, path)),
  );
  if (path === undefined) return;
  const hint = own.includes(path) ? 'move it out of the folder' : 'compile again with --force';
  throw new BonsaiError('usage', join(directory, path), 'is a device or a pipe, not a file', hint);
}

function isProject(directory: string): boolean {
  try {
    const bytes = readInput(join(directory, marker), 'manifest');
    const manifest: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof manifest === 'object' && manifest !== null && 'format' in manifest;
  } catch {
    return false;
  }
}
