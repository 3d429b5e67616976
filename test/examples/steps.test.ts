import { expect } from 'chai';
import { writeArrays } from '../../examples/steps.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { loadDataset } from '../../src/compress/data/load.js';
import { split } from '../../src/compress/data/split.js';
import { inFolder } from '../compress/data/files.js';

describe('examples: arrays', () => {
  it('are read by the loader with the same samples, labels and parts', () =>
    inFolder({}, async (folder) => {
      const data: Dataset = {
        ...{ where: 'here', count: 5, shape: [3, 2] },
        x: Float32Array.from({ length: 30 }, (_, i) => Math.fround(i / 7)),
        ...{ labels: Int32Array.of(0, 1, 1, 0, 1), classes: ['a', 'b'] },
        parts: Uint8Array.of(0, 0, 1, 2, 2),
      };
      const none = { validation: 0, test: 0, seed: 1 };
      const parts = split(data, none);
      writeArrays(folder, parts);
      const read = split(await loadDataset(folder, { shape: [3, 2] }), none);
      for (const part of ['train', 'validation', 'test'] as const) {
        expect(read[part].x, part).to.deep.equal(parts[part].x);
        expect(read[part].labels, part).to.deep.equal(parts[part].labels);
      }
    }));
});
