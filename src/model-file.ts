/** A model's file on disk. */
import { readdirSync, statSync } from 'node:fs';
import { foreignFolder } from './compiler/formats/foreign-files.js';
import { BonsaiError } from './errors.js';
import { readInput } from './files.js';

/**
 * The bytes of a model that a user names.
 *
 * @throws BonsaiError 'not-a-model' for a folder that is a model of another kind; as `readInput`
 */
export function readModelFile(path: string): Uint8Array {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    const foreign = foreignFolder(path, readdirSync(path));
    if (foreign !== null) {
      throw new BonsaiError('not-a-model', path, `is no file: ${foreign.what}`, foreign.hint);
    }
  }
  return readInput(path, 'model');
}
