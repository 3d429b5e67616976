/** Names of the classes, for the output with as many elements (--labels). */
import { BonsaiError } from '../../errors.js';
import type { IoTensor, Plan } from '../plan/types.js';

export interface Labels {
  /** The file, for errors. */
  readonly path: string;
  readonly names: readonly string[];
}

/**
 * Reads a file of labels: a JSON array of names, or one name a line.
 *
 * @throws BonsaiError 'usage' when it is JSON, but no list of names
 */
export function readLabels(bytes: Uint8Array, path: string): Labels {
  const text = new TextDecoder().decode(bytes);
  if (!/^\s*[[{]/.test(text)) {
    return { path, names: text.split(/\r?\n/).filter((line) => line !== '') };
  }
  const hint = 'write ["first","second",…], or one name a line';
  let names: unknown;
  try {
    names = JSON.parse(text);
  } catch (error) {
    throw new BonsaiError('usage', path, `is not JSON: ${(error as Error).message}`, hint);
  }
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
    throw new BonsaiError('usage', path, 'is not an array of names', hint);
  }
  return { path, names };
}

/** Whether `names` are those of this output's elements. */
export function isLabelled(output: IoTensor, names: readonly string[]): boolean {
  return names.length > 0 && output.shape.at(-1) === names.length;
}

/** @throws BonsaiError 'usage' when the labels name the classes of no output */
export function checkLabels({ path, names }: Labels, plan: Plan): void {
  if (plan.outputs.some((output) => isLabelled(output, names))) return;
  const classes = plan.outputs.map(({ name, shape }) => `"${name}" has ${shape.at(-1) ?? 1}`);
  throw new BonsaiError(
    'usage',
    path,
    `has ${names.length} names, no output has ${names.length} classes`,
    `write one name for each class: output ${classes.join(', output ')}`,
  );
}
