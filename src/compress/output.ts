/** The folder that a compression writes: the model and its report, whole or not at all. */
import { existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BonsaiError } from '../errors.js';
import { makeFolders } from '../files.js';
import { journalFolder } from './journal.js';

const names = ['model.tflite', 'recipe.json', 'report.json', 'report.txt'] as const;

export type OutputFiles = Readonly<Record<(typeof names)[number], string | Uint8Array>>;

/**
 * Refuses a folder with other files, before any work is done for it.
 *
 * @throws BonsaiError 'usage'
 */
export function checkOutput(directory: string): void {
  if (!existsSync(directory)) return;
  if (!statSync(directory).isDirectory()) {
    throw new BonsaiError('usage', directory, 'is no folder', 'name another');
  }
  const known: readonly string[] = [...names, ...names.map((name) => `${name}.new`), journalFolder];
  const other = readdirSync(directory).find((name) => !known.includes(name));
  if (other === undefined) return;
  const message = `has the file ${other}, which no compression wrote`;
  throw new BonsaiError('usage', directory, message, 'name another folder');
}

/** Every file is written beside its old version, then all are renamed. */
export function writeOutput(directory: string, files: OutputFiles): void {
  checkOutput(directory);
  makeFolders(directory);
  try {
    for (const name of names) writeFileSync(join(directory, `${name}.new`), files[name]);
    for (const name of names) renameSync(join(directory, `${name}.new`), join(directory, name));
  } catch (error) {
    for (const name of names) rmSync(join(directory, `${name}.new`), { force: true });
    throw error;
  }
}
