/** The folder that a compression writes: the model, its report and how to run it, whole or not at all. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { claim } from '../boards/build/claim.js';
import {
  checkFolder,
  type Replacing,
  realPlace,
  recoverFolder,
  writeFolder,
} from '../boards/build/folder.js';
import type { FolderKind } from '../boards/build/replaceable.js';
import { readSums, sumsFile } from '../boards/build/sums.js';
import { isUnfinished } from '../durable.js';
import { makeFolders, removeEmpty, usualConfig } from '../files.js';
import { journalFolder } from './journal.js';

const modelFile = 'model.tflite';
const names = [modelFile, 'recipe.json', 'report.json', 'report.txt'] as const;

/** `bonsaic.json`: the options with which the model was made; null where no target is known. */
export type OutputFiles = Readonly<Record<(typeof names)[number], string | Uint8Array>> & {
  readonly [usualConfig]: string | null;
};

const compression: FolderKind = {
  isOurs: (folder) => existsSync(join(folder, modelFile)) && readSums(folder) !== null,
  refusalOf(folder) {
    const sums = readSums(folder);
    // A list of somebody else does not make files ours.
    const listed = sums?.has(modelFile) ? [...sums.keys(), sumsFile] : [];
    const known: readonly string[] = [...names, ...listed];
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const { name } = entry;
      if (entry.isDirectory() ? name === journalFolder : known.includes(name)) continue;
      if (isUnfinished(name)) continue;
      const what = entry.isDirectory() ? 'folder' : 'file';
      return `has the ${what} ${name}, which no compression wrote`;
    }
    return null;
  },
  passing: journalFolder,
  keepsPassing: false,
  writer: 'bonsaic',
  ownPlace: () => '',
};

/**
 * Does work whose result goes into a folder. A folder that cannot be written, or has other files, is
 * refused before; no other process compresses into it meanwhile.
 *
 * @throws BonsaiError 'usage'
 */
export async function withOutput<T>(
  directory: string,
  how: Replacing,
  work: () => Promise<T>,
): Promise<T> {
  checkFolder(compression, directory, how);
  const made = makeFolders(dirname(realPlace(directory)));
  const place = realPlace(directory);
  const release = claim(place);
  try {
    return await work();
  } finally {
    release();
    removeEmpty(made);
  }
}

/**
 * Replaces what an earlier compression wrote there.
 *
 * @throws BonsaiError 'usage' where that fails, as on a full disk: the old files stay
 */
export function writeOutput(directory: string, files: OutputFiles, how: Replacing = {}): void {
  const given = Object.entries(files).flatMap(([name, contents]) =>
    contents === null ? [] : [[name, contents] as const],
  );
  writeFolder(compression, directory, new Map(given), how);
}

/** Completes the write of a folder that was killed half way, and removes what killed commands left. */
export function recoverOutput(directory: string): void {
  recoverFolder(compression, directory);
}
