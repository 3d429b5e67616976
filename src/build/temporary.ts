/** Directories that are gone when the work in them is done. */
import { join } from 'node:path';
import { makeTemporaryFolder } from '../files.js';

/**
 * Runs `work` in a directory that is gone afterwards.
 *
 * @throws BonsaiError 'usage' when the system's place for temporary files takes none
 */
export async function inTemporaryDirectory<Result>(
  work: (directory: string) => Promise<Result>,
): Promise<Result> {
  const parent = makeTemporaryFolder('bonsaic-');
  try {
    return await work(join(parent.path, 'project'));
  } finally {
    parent.remove();
  }
}
