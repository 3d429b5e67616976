/** The tables of options of a .tflite file, by TFLite's name of the operator. */
import type { Fields } from '../../src/import/flatbuffer.js';
import { rows } from '../../src/import/tflite/ops.js';
import { ifOptions, whileOptions } from '../../src/import/tflite/schema.js';

export function optionsOf(name: string): Fields {
  if (name === 'IF') return ifOptions;
  if (name === 'WHILE') return whileOptions;
  return rows.get(name)?.options ?? {};
}
