/** The tables of options of a .tflite file, by TFLite's name of the operator. */
import type { Fields } from '../../src/compiler/formats/flatbuffer.js';
import { rows } from '../../src/compiler/formats/tflite/ops.js';
import { ifOptions, whileOptions } from '../../src/compiler/formats/tflite/schema.js';

export function optionsOf(name: string): Fields {
  if (name === 'IF') return ifOptions;
  if (name === 'WHILE') return whileOptions;
  return rows.get(name)?.options ?? {};
}
