/** Costs measured on the user's board: what of a target's they replace. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadTarget } from '../../src/target/index.js';
import { forgetCosts, saveCosts, withMeasuredCosts } from '../../src/target/kept.js';

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
      saveCosts(target, 'core', { costUnit: 'cycles', costs: measured });
      const { costs, costUnit } = withMeasuredCosts(target).target;
      expect(costUnit).to.equal('cycles');
      for (const goal of ['speed', 'balanced', 'size'] as const) {
        expect(costs[goal], goal).to.deep.equal({ ...own[goal], ...expected[goal] });
      }
      forgetCosts(target);
      expect(withMeasuredCosts(target).target).to.equal(target);
    });
  }

  it("those of a core are every board's that has it, unless a board has its own", () => {
    const sibling = loadTarget('stm32f411');
    const other = loadTarget('mps2-an500');
    const stepsOf = (board: typeof target) =>
      withMeasuredCosts(board).target.costs.speed?.[kernel]?.steps;
    saveCosts(target, 'core', { costUnit: 'cycles', costs: { speed, balanced } });
    saveCosts(sibling, 'board', { costUnit: 'cycles', costs: { speed: size, balanced } });
    expect(stepsOf(target)).to.equal(1);
    expect(stepsOf(sibling)).to.equal(3);
    expect([target, sibling, other].map((board) => withMeasuredCosts(board).scope)).to.deep.equal([
      'core',
      'board',
      null,
    ]);
    // What is forgotten of a board is its own and its core's.
    forgetCosts(sibling);
    for (const board of [target, sibling]) expect(withMeasuredCosts(board).scope).to.equal(null);
  });
});
