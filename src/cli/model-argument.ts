/** The model that a command takes, from the command line or bonsaic.json. */
import { dirname } from 'node:path';
import { recoverOutput } from '../compress/output.js';
import { BonsaiError } from '../errors.js';
import { usualConfig } from '../files.js';

/** Help for a model argument. */
export const modelHelp = 'a .tflite file; without: that of bonsaic.json';

/** @throws BonsaiError 'usage' if neither the command line nor bonsaic.json names a model */
export function modelOf(argument: string | undefined, flags: { readonly model?: string }): string {
  const model = argument ?? flags.model;
  if (model !== undefined) {
    // A compression that was killed may have left its folder under another name.
    recoverOutput(dirname(model));
    return model;
  }
  const hint = `bonsaic COMMAND MODEL, or "model" in ${usualConfig}`;
  throw new BonsaiError('usage', 'command line', "missing argument 'model'", hint);
}
