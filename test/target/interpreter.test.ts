/** What an interpreter takes at the least, beside what was measured of it (bench/baseline.json). */
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { modelSize } from '../../src/compiler/analysis/index.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { load } from '../../src/pipeline.js';
import { defaults } from '../support/plan.js';
import { skip } from '../support/skip.js';

type Baseline = Readonly<Record<string, Readonly<Record<string, { readonly count: number }>>>>;

const root = new URL('../../', import.meta.url);
const { targets } = JSON.parse(readFileSync(new URL('bench/baseline.json', root), 'utf8')) as {
  readonly targets: Baseline;
};

describe('what an interpreter takes', () => {
  for (const [name, models] of Object.entries(targets)) {
    it(`${name}: no more than any of its models, and at most 40 % less`, function () {
      const shares = Object.entries(models).map(([model, { count }]) => {
        const path = new URL(`../shared/models/${model}.tflite`, root).pathname;
        if (!existsSync(path)) skip(this, 'the shared models are not here');
        const options = { ...defaults, faithful: false };
        const { source } = load({ bytes: readFileSync(path), path, options });
        const { macs, sums } = modelSize(mainGraph(source));
        const { interpreter: { perMac, perSum } = { perMac: 0, perSum: 0 }, costUnit } =
          loadTarget(name);
        // Instructions were counted; a Cortex-M7 may issue two in a cycle.
        const unit = name === 'mps2-an500' && costUnit === 'cycles' ? 2 : 1;
        return (unit * (perMac * macs + perSum * sums)) / count;
      });
      expect(Math.max(...shares)).to.be.below(1);
      expect(Math.max(...shares), 'the nearest').to.be.above(0.95);
      expect(Math.min(...shares)).to.be.above(0.6);
    });
  }
});
