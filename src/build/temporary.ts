/** Directories that are gone when the work in them is done. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BonsaiError } from '../errors.js';

/** @throws BonsaiError 'usage' when the system's place for temporary files takes none */
function temporaryDirectory(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'bonsaic-'));
  } catch (error) {
    throw new BonsaiError(
      'usage',
      tmpdir(),
      `takes no temporary files: ${(error as Error).message}`,
      'set TMPDIR to a folder that you may write to',
    );
  }
}

/** Runs `work` in a directory that is gone afterwards. */
export async function inTemporaryDirectory<Result>(
  work: (directory: string) => Promise<Result>,
): Promise<Result> {
  const parent = temporaryDirectory();
  const remove = () => rmSync(parent, { recursive: true, force: true });
  // Signals end the process; its end removes what is nested too.
  const stop = (_: NodeJS.Signals, number: number) => process.exit(128 + number);
  process.once('exit', remove);
  for (const signal of stops) process.once(signal, stop);
  try {
    return await work(join(parent, 'project'));
  } finally {
    for (const signal of stops) process.off(signal, stop);
    process.off('exit', remove);
    remove();
  }
}

/** Without a listener these end the process at once, `finally` or not. */
const stops = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
