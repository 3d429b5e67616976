/** Directories that are gone when the work in them is done. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { isAlive, namesIn, removeIfAllowed } from '../../durable.js';
import { BonsaiError } from '../../errors.js';
import { owe } from '../../leaving.js';

/** Its namespace of process ids: in another one the same id is another process. */
function namespaceOfIds(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

/** The process that made a folder is in its name: 'bonsaic-pty-4026531836-1234-01ab23cd45ef'. */
const folderName = /^bonsaic-(?:[a-z]+-)?(\d+)-(\d+)-[0-9a-f]{12}$/;

const made: string[] = [];

/** Whether a path lies in a folder that is gone when this process ends. */
export function isTemporary(path: string): boolean {
  return made.some((folder) => !relative(folder, path).startsWith('..'));
}

/**
 * Makes a folder in the system's place for temporary files, which is gone at the end of the process
 * at the latest. What killed processes have left there goes too.
 *
 * @param kind whom it is for, in its name
 * @throws BonsaiError 'usage' when that place takes none
 */
export function makeTemporaryFolder(kind = ''): { readonly path: string; remove(): void } {
  const root = tmpdir();
  if (made.length === 0) removeAbandoned(root);
  const unique = [namespaceOfIds(), process.pid, randomBytes(6).toString('hex')];
  const name = ['bonsaic', ...(kind === '' ? [] : [kind]), ...unique].join('-');
  const path = join(placeOf(root), name);
  const settled = owe({ owes: 'removal', path });
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    settled();
    throw refusal(root, error);
  }
  made.push(path);
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true });
      settled();
    },
  };
}

function placeOf(root: string): string {
  try {
    return realpathSync(root);
  } catch (error) {
    throw refusal(root, error);
  }
}

const refusal = (root: string, error: unknown) =>
  new BonsaiError(
    'usage',
    root,
    `takes no temporary files: ${(error as Error).message}`,
    'set TMPDIR to a folder that you may write to',
  );

/** Removes the folders of processes that were killed. */
function removeAbandoned(root: string): void {
  const namespace = namespaceOfIds();
  for (const name of namesIn(root)) {
    const [, space, pid] = folderName.exec(name) ?? [];
    if (space === namespace && !isAlive(Number(pid))) removeIfAllowed(join(root, name));
  }
}

/**
 * Runs `work` in a directory that is gone afterwards.
 *
 * @throws BonsaiError 'usage' when the system's place for temporary files takes none
 */
export async function inTemporaryDirectory<Result>(
  work: (directory: string) => Promise<Result>,
): Promise<Result> {
  const parent = makeTemporaryFolder();
  try {
    return await work(join(parent.path, 'project'));
  } finally {
    parent.remove();
  }
}
