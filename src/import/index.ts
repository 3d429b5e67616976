/** Model files → IR. One folder a format. */
import { createHash } from 'node:crypto';
import { checkModule } from '../ir/check.js';
import type { Module } from '../ir/graph.js';
import { operators } from '../ops/index.js';
import { importTflite } from './tflite/index.js';

export { maxFileBytes as maxModelBytes } from './tflite/read.js';

export interface ImportOptions {
  /** The model's name, as the file's: becomes a C identifier. */
  readonly name: string;
  /** For errors: the file's path. */
  readonly where: string;
  /** Whose arithmetic counts: TFLM's reference kernels, or desktop TFLite's builtin ones. */
  readonly rounding: 'tflm' | 'tflite';
  /** Refuses what TFLM ignores in a file. */
  readonly strict?: boolean;
}

/**
 * Reads a model. Constants stay views of `bytes`, which must not change afterwards.
 * Any bytes at all give a valid module or a BonsaiError, in time linear in their number.
 *
 * @throws BonsaiError with exit status 2
 */
export function importModel(bytes: Uint8Array, options: ImportOptions): Module {
  const imported = importTflite(bytes, options);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const module = { name: cIdentifier(options.name), sha256, states: [], ...imported };
  checkModule(module, operators, 'import');
  return module;
}

/** Headers of C: a model's own must not be found in their place. */
const headers =
  /^(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|tgmath|time|wchar|wctype)$/i;

/** 'my-model.v2.tflite' → 'my_model_v2'. The firmware has names that begin with 'bonsai_'. */
export function cIdentifier(name: string): string {
  const words = name.replace(/\.tflite$/i, '').match(/[A-Za-z0-9]+/g) ?? ['model'];
  const joined = words.join('_');
  return /^([0-9]|bonsai$|bonsai_)/i.test(joined) || headers.test(joined)
    ? `model_${joined}`
    : joined;
}
