/** Real files with a few bytes changed: never an internal error; bench/fuzz.ts tries more of them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { unzipSync } from 'fflate';
import { damaged, outcomeOf } from '../support/fuzz-import.js';
import { Random } from '../support/module.js';
import { runs } from '../support/runs.js';

const corpus = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../corpus/${name}`, import.meta.url)));

/** A file of each kind: states, loops, islands of float, many operators. */
const kinds = [
  'lstm',
  'bidirectional_lstm',
  'gru_unrolled',
  'layer_normalization',
  'conv2d',
  'attention',
];

describe('damaged files', () => {
  const archive = unzipSync(corpus('keras.zip'));
  const files: readonly (readonly [name: string, file: Uint8Array])[] = [
    ...kinds.map((name) => [name, archive[`${name}.tflite`] as Uint8Array] as const),
    ...['turns', 'nested'].map((name) => [name, corpus(`control-flow/${name}.tflite`)] as const),
  ];
  for (const [name, file] of files) {
    it(name, () => {
      const found = new Set<string>();
      for (let seed = 0; seed < runs(40); seed++) {
        const bytes = damaged(Uint8Array.from(file), new Random(seed));
        try {
          found.add(outcomeOf(bytes, seed % 2 === 0 ? 'tflm' : 'tflite-portable'));
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
      }
      expect(found.size).to.be.above(1);
    });
  }
});
