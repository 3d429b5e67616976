/** Trials of a training whose settings are open: on which samples, and how many. */
import { expect } from 'chai';
import type { Dataset } from '../../../src/compress/data/dataset.js';
import { settingsOf } from '../../../src/compress/recipe.js';
import { runStep } from '../../../src/compress/steps/index.js';
import { loadBackend } from '../../../src/compress/tensorflow.js';
import { FloatNetwork } from '../../support/float-network.js';

function samples(count: number): Dataset {
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  const x = Float32Array.from({ length: 2 * count }, (_, i) => Math.sin(i * i));
  return { where: 'test', count, shape: [2], x, labels, classes: ['a', 'b'] };
}

describe('training: trials', () => {
  const rows: readonly [edge: string, validation: number, trials: number][] = [
    ['three settings, each on three splits', 4, 9],
    ['on the given split alone, where validation samples are enough', 500, 3],
    ['none without validation samples', 0, 0],
  ];
  for (const [edge, validation, trials] of rows) {
    it(edge, async () => {
      const { tf } = await loadBackend();
      const network = new FloatNetwork([2], 1).dense(2, 'none');
      const original = network.graph();
      const { graphs: _, ...head } = network.module();
      const data = { train: samples(8), calibration: samples(8), validation: samples(validation) };
      const surroundings = { tf, head, original, data, costOf: null, seed: 1 };
      const candidate = { graph: original, masks: new Map(), quantization: null };
      const said: string[] = [];
      const keeper = { resumed: null, save: () => {} };
      const settings = settingsOf({ step: 'train' });
      await runStep(settings, candidate, surroundings, (text) => said.push(text), keeper);
      const epochs = said.filter((text) => text.startsWith('trial: '));
      expect(epochs).to.have.length(trials * 25);
    });
  }
});
