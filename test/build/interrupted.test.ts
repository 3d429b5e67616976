/** compile on a full disk and killed, as bench/kills.ts tries it for every command that writes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeRandom } from '../../src/compress/random.js';
import {
  buildFullDisk,
  faultsOfKill,
  fullAt,
  interrupted,
  killedIn,
  type Trials,
  trialsOf,
} from '../support/interrupted.js';
import { skip } from '../support/skip.js';

describe('compile that does not come to its end', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-interrupted-'));
  let trials: Trials;
  before(() => {
    trials = trialsOf(
      interrupted.find(({ name }) => name === 'compile') as (typeof interrupted)[0],
    );
  });
  after(() => {
    trials.remove();
    rmSync(folder, { recursive: true });
  });

  it('a full disk: status 1, the old version whole, nothing left, and the next run succeeds', function () {
    if (process.platform !== 'linux') skip(this, 'LD_PRELOAD is of Linux');
    const disk = { library: buildFullDisk(folder), counter: join(folder, 'counter'), below: '' };
    const { calls } = fullAt(trials, disk, 0, 0);
    expect(calls).to.be.greaterThan(40);
    // The last calls exchange the folders.
    const places = [4, Math.floor(calls / 2), calls - 2, calls - 1, calls];
    for (const [i, at] of places.entries()) {
      const { status, faults } = fullAt(trials, disk, at, i % 2);
      expect(faults, `at ${at} of ${calls}: status ${status}`).to.deep.equal([]);
    }
  });

  it('a kill: old or new, and the next run leaves nothing of it', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = makeRandom(seed);
    for (let i = 0; i < 2; i++) {
      const afterMs = (0.5 + 0.5 * random()) * trials.durationMs;
      const root = trials.fresh();
      await killedIn(root, trials.case.command, afterMs);
      expect(faultsOfKill(trials, root), `seed ${seed}, ${afterMs} ms`).to.deep.equal([]);
    }
  });
});
