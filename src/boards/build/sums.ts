/** SHA256SUMS of a folder that bonsaic wrote: which files are ours, and as they were written. */
import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { BonsaiError, unlessRefused } from '../../errors.js';
import { hasName, readInput, readPieces } from '../../files.js';

/** In sha256sum's format. */
export const sumsFile = 'SHA256SUMS';

/** Files that later commands rewrite; they have no sum. */
export const reports = /^report\.(txt|json)$/;

/** Path in the folder, with '/' → contents. */
export type FolderFiles = ReadonlyMap<string, string | Uint8Array>;

const sha256 = (contents: string | Uint8Array) =>
  createHash('sha256').update(contents).digest('hex');

/** The list for a folder with `files`. */
export function sumsOf(files: FolderFiles): string {
  return [...files]
    .filter(([path]) => !reports.test(path))
    .map(([path, contents]) => `${sha256(contents)}  ${path}\n`)
    .join('');
}

/** Path → SHA-256 of the file as it was written; null without a list of checksums. */
export function readSums(folder: string): ReadonlyMap<string, string> | null {
  try {
    const text = new TextDecoder().decode(readInput(join(folder, sumsFile), 'manifest'));
    const lines = text.matchAll(/^(\w{64}) {2}(.*)$/gm);
    return new Map([...lines].map(([, sum = '', path = '']) => [path, sum]));
  } catch {
    return null;
  }
}

/** Whether a file is unchanged since it was written; null without a checksum. */
export function isAsWritten(folder: string, path: string, contents: Uint8Array): boolean | null {
  const sum = readSums(folder)?.get(path);
  return sum === undefined ? null : sum === sha256(contents);
}

/** The sum of a file at present; null where nothing has its name, 'unreadable' where it is no file. */
function presentSum(folder: string, path: string): string | null {
  const file = join(folder, path);
  if (!hasName(file)) return null;
  try {
    const hash = createHash('sha256');
    for (const piece of readPieces(file, 'own')) hash.update(piece);
    return hash.digest('hex');
  } catch (error) {
    if (!(error instanceof BonsaiError)) throw error;
    return 'unreadable';
  }
}

/** A recording beside the user's code is larger, and would take longer than the build. */
const mostSummed = 2 ** 26;

/** What changes with a file's contents: its sum, of a large one its bytes and when it was changed. */
function stateOf(folder: string, path: string): string {
  const stats = unlessRefused(() => lstatSync(join(folder, path)), null);
  if (stats?.isFile() && stats.size > mostSummed) {
    return `${stats.size} bytes of ${stats.ctimeMs}`;
  }
  return presentSum(folder, path) ?? 'missing';
}

/** The present states of the files that have a sum and of `others`, one line per file. */
export function statesOf(folder: string, others: readonly string[] = []): string {
  const paths = [...(readSums(folder)?.keys() ?? []), ...others];
  return paths.map((path) => `${stateOf(folder, path)}  ${path}\n`).join('');
}

/** What became of a folder's files since they were written. */
export interface Changes {
  readonly edited: readonly string[];
  readonly missing: readonly string[];
}

/** @param next contents that are no loss: a file that has its own is not edited */
export function changesIn(folder: string, next: FolderFiles = new Map()): Changes {
  const edited: string[] = [];
  const missing: string[] = [];
  for (const [path, sum] of readSums(folder) ?? []) {
    const found = presentSum(folder, path);
    const wanted = next.get(path);
    if (found === null) missing.push(path);
    else if (found !== sum && (wanted === undefined || found !== sha256(wanted))) edited.push(path);
  }
  return { edited, missing };
}

/** As many as a line takes. */
const namedFiles = 5;

/** 'a.c, b.c, c.c, d.c, e.c and 3 more' */
export function namesOf(paths: readonly string[]): string {
  const rest = paths.length - namedFiles;
  const named = paths.slice(0, namedFiles).join(', ');
  return rest > 0 ? `${named} and ${rest} more` : named;
}

/** Whether a folder has a file of exactly these contents. */
export function holds(folder: string, path: string, contents: string | Uint8Array): boolean {
  return presentSum(folder, path) === sha256(contents);
}

/** Whether a file is there as its checksum says. */
export function isAsListed(folder: string, path: string): boolean {
  const sum = readSums(folder)?.get(path);
  return sum !== undefined && sum === presentSum(folder, path);
}
