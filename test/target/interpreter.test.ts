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

describe('what an interpreter takes for a multiplication', () => {
  for (const [name, models] of Object.entries(targets)) {
    it(`${name}: the least of its models, to 2 %`, function () {
      const least = Object.entries(models).map(([model, { count }]) => {
        const path = new URL(`../shared/models/${model}.tflite`, root).pathname;
        if (!existsSync(path)) skip(this, 'the shared models are not here');
        const options = { ...defaults, faithful: false };
        const { source } = load({ bytes: readFileSync(path), path, options });
        return count / modelSize(mainGraph(source)).macs;
      });
      const { interpreterPerMac = 0, costUnit } = loadTarget(name);
      // Instructions were counted; a Cortex-M7 may issue two in a cycle.
      const unit = name === 'mps2-an500' && costUnit === 'cycles' ? 2 : 1;
      expect(unit * interpreterPerMac).to.be.within(0.98 * Math.min(...least), Math.min(...least));
    });
  }
});
