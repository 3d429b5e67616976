/** The folder that a compression writes: the model and its report, whole or not at all. */
import {
  existsSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { claim } from '../build/claim.js';
import { BonsaiError, writing } from '../errors.js';
import { makeFolders } from '../files.js';
import { journalFolder } from './journal.js';

const names = ['model.tflite', 'recipe.json', 'report.json', 'report.txt'] as const;

export type OutputFiles = Readonly<Record<(typeof names)[number], string | Uint8Array>>;

/**
 * Does work whose result goes into a folder. A folder that cannot be written, or has other files, is
 * refused before; no other process compresses into it meanwhile.
 *
 * @throws BonsaiError 'usage'
 */
export async function withOutput<T>(directory: string, work: () => Promise<T>): Promise<T> {
  writing(directory, () => {
    checkOutput(directory);
    probe(directory);
  });
  const place = resolve(directory);
  const parent = dirname(place);
  const release = existsSync(parent)
    ? claim(join(realpathSync(parent), basename(place)))
    : () => {};
  try {
    return await work();
  } finally {
    release();
  }
}

function checkOutput(directory: string): void {
  const stats = statSync(directory, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const refuse = (message: string) => {
    throw new BonsaiError('usage', directory, message, 'name another folder');
  };
  if (!stats.isDirectory()) refuse('is no folder');
  const known: readonly string[] = [...names, ...names.map((name) => `${name}.new`)];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const { name } = entry;
    const isOwn = entry.isDirectory() ? name === journalFolder : known.includes(name);
    if (!isOwn) {
      refuse(
        `has the ${entry.isDirectory() ? 'folder' : 'file'} ${name}, which no compression wrote`,
      );
    }
  }
}

/** Makes what the result needs, and takes it away again: permissions alone do not tell. */
function probe(directory: string): void {
  const missing: string[] = [];
  for (let at = resolve(directory); !existsSync(at); at = dirname(at)) missing.push(at);
  try {
    makeFolders(directory);
    const file = join(directory, `${names[0]}.new`);
    writeFileSync(file, '');
    rmSync(file);
  } finally {
    for (const folder of missing) {
      if (existsSync(folder)) rmdirSync(folder);
    }
  }
}

/**
 * Every file is written beside its old version, then all are renamed.
 *
 * @throws BonsaiError 'usage' where that fails, as on a full disk: the old files stay
 */
export function writeOutput(directory: string, files: OutputFiles): void {
  const fresh = (name: string) => join(directory, `${name}.new`);
  writing(directory, () => {
    checkOutput(directory);
    makeFolders(directory);
    try {
      for (const name of names) writeFileSync(fresh(name), files[name]);
      for (const name of names) renameSync(fresh(name), join(directory, name));
    } finally {
      for (const name of names) rmSync(fresh(name), { force: true });
    }
  });
}
