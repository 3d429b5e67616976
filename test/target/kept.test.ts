/** Costs measured on the user's board: what of a target's they replace. */
import { spawnSync } from 'node:child_process';
import fs, {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { forgetCosts, saveCosts, withMeasuredCosts } from '../../src/boards/target/kept.js';
import { BonsaiError } from '../../src/errors.js';

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
      const { costs, costUnit } = withMeasuredCosts(target, null).target;
      expect(costUnit).to.equal('cycles');
      for (const goal of ['speed', 'balanced', 'size'] as const) {
        expect(costs[goal], goal).to.deep.equal({ ...own[goal], ...expected[goal] });
      }
      forgetCosts(target);
      expect(withMeasuredCosts(target, null).target).to.equal(target);
    });
  }

  for (const [edge, text] of [
    ['half of a table, as a full disk leaves it', '{"costUnit":"cycles","costs":{"spe'],
    ['an empty file', ''],
    ['something else', '{"todo":"years"}'],
  ] as const) {
    it(`${edge} is set aside with a word, and the target's own costs are used`, () => {
      const path = saveCosts(target, 'core', { costUnit: 'cycles', costs: { speed, balanced } });
      writeFileSync(path, text);
      const told: string[] = [];
      // A command that cannot tell leaves it to one that can.
      expect(withMeasuredCosts(target, null).target).to.equal(target);
      expect(withMeasuredCosts(target, (said) => told.push(said)).target).to.equal(target);
      expect(told.join()).to.include(`${path} is not a table of costs: set aside as `);
      expect(readFileSync(`${path}.damaged`, 'utf8')).to.equal(text);
      expect(withMeasuredCosts(target, () => expect.fail('once')).scope).to.equal(null);
      rmSync(`${path}.damaged`);
    });
  }

  for (const [edge, put] of [
    ['a pipe', (path: string) => spawnSync('mkfifo', [path])],
    ['a link to a device that never ends', (path: string) => symlinkSync('/dev/zero', path)],
    ['a folder', (path: string) => mkdirSync(path)],
    [
      'a file of 3 GB',
      (path: string) => {
        writeFileSync(path, '');
        truncateSync(path, 3 * 2 ** 30);
      },
    ],
  ] as const) {
    it(`${edge} in the place of costs is set aside with a word, and not waited for`, () => {
      const path = saveCosts(target, 'core', { costUnit: 'cycles', costs: { speed, balanced } });
      rmSync(path);
      put(path);
      const told: string[] = [];
      expect(withMeasuredCosts(target, (said) => told.push(said)).target).to.equal(target);
      expect(told.join()).to.match(/ (is|has) .*: set aside as .*\.damaged/);
      expect(withMeasuredCosts(target, () => expect.fail('once')).scope).to.equal(null);
      put(path);
      forgetCosts(target);
      expect(readdirSync(dirname(path)), 'after --forget').to.have.length(1);
      rmSync(`${path}.damaged`, { recursive: true });
    });
  }

  it('no room for new costs: the old ones stay, and nothing beside them', () => {
    const path = saveCosts(target, 'core', { costUnit: 'cycles', costs: { speed, balanced } });
    const before = readFileSync(path, 'utf8');
    const full = { [kernel]: { steps: 9 } };
    const { writeFileSync: write } = fs;
    fs.writeFileSync = ((file: string, contents: string) => {
      write(file, contents.slice(0, 9));
      const error = new Error('ENOSPC: no space left on device, write');
      throw Object.assign(error, { code: 'ENOSPC', syscall: 'write' });
    }) as typeof fs.writeFileSync;
    syncBuiltinESMExports();
    try {
      const save = () => saveCosts(target, 'core', { costUnit: 'cycles', costs: { speed: full } });
      expect(save).to.throw(BonsaiError, 'cannot be written: ENOSPC');
    } finally {
      fs.writeFileSync = write;
      syncBuiltinESMExports();
    }
    expect(readFileSync(path, 'utf8')).to.equal(before);
    expect(readdirSync(dirname(path))).to.deep.equal([basename(path)]);
    forgetCosts(target);
  });

  it("those of a core are every board's that has it, unless a board has its own", () => {
    const sibling = loadTarget('stm32f411');
    const other = loadTarget('mps2-an500');
    const stepsOf = (board: typeof target) =>
      withMeasuredCosts(board, null).target.costs.speed?.[kernel]?.steps;
    saveCosts(target, 'core', { costUnit: 'cycles', costs: { speed, balanced } });
    saveCosts(sibling, 'board', { costUnit: 'cycles', costs: { speed: size, balanced } });
    expect(stepsOf(target)).to.equal(1);
    expect(stepsOf(sibling)).to.equal(3);
    expect(
      [target, sibling, other].map((board) => withMeasuredCosts(board, null).scope),
    ).to.deep.equal(['core', 'board', null]);
    // What is forgotten of a board is its own and its core's.
    forgetCosts(sibling);
    for (const board of [target, sibling])
      expect(withMeasuredCosts(board, null).scope).to.equal(null);
  });
});
