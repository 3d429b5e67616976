/** Costs measured on the user's board: what of a target's they replace. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { forgetCosts, saveCosts, withMeasuredCosts } from '../../src/cli/costs.js';
import { loadTarget } from '../../src/target/index.js';

describe('measured costs', () => {
  const target = loadTarget('stm32f405');
  const kernel = 'dsp/conv2d';
  const own = target.costs;
  const cacheHome = process.env.XDG_CACHE_HOME;
  let cache = '';

  before(() => {
    cache = mkdtempSync(join(tmpdir(), 'bonsaic-costs-'));
    process.env.XDG_CACHE_HOME = cache;
  });
  after(() => {
    rmSync(cache, { recursive: true, force: true });
    if (cacheHome === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = cacheHome;
  });

  const speed = { [kernel]: { steps: 1 } };
  const balanced = { [kernel]: { steps: 2 } };
  const size = { [kernel]: { steps: 3 } };
  const rows = [
    ['for every goal', { speed, balanced, size }, { speed, balanced, size }],
    ['none for size: those for balanced', { speed, balanced }, { speed, balanced, size: balanced }],
  ] as const;
  for (const [edge, measured, expected] of rows) {
    it(edge, () => {
      saveCosts(target.name, { costUnit: 'cycles', costs: measured });
      const { costs, costUnit } = withMeasuredCosts(target);
      expect(costUnit).to.equal('cycles');
      for (const goal of ['speed', 'balanced', 'size'] as const) {
        expect(costs[goal], goal).to.deep.equal({ ...own[goal], ...expected[goal] });
      }
      forgetCosts(target.name);
      expect(withMeasuredCosts(target)).to.equal(target);
    });
  }
});
