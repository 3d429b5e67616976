/** One output directory and several processes: users share it, who changes it is alone. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { claim, removeStale, useBuilt } from '../../src/boards/build/claim.js';

describe('build/claim', () => {
  let parent = '';
  let place = '';
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'bonsaic-claim-'));
    place = join(parent, 'out');
    mkdirSync(place);
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  const marks = () => readdirSync(parent).filter((name) => name !== 'out');
  const deadPid = spawnSync('true').pid;
  const own = `.out.bonsaic-lock-${process.pid}`;

  /** A process that has a mark until it is ended, as bonsaic does. */
  async function other(markOf: (pid: number) => string) {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const mark = join(parent, markOf(child.pid ?? 0));
    symlinkSync(String(child.pid), mark);
    const end = async (leavesMark = false) => {
      if (!leavesMark) rmSync(mark);
      child.kill();
      await once(child, 'exit');
    };
    return { end };
  }
  const user = () => other((pid) => `.out.bonsaic-lock-${pid}`);
  const changer = () => other(() => '.out.bonsaic-lock');
  const never = () => expect.fail('it was built');

  it('of two that find the lock of a killed process, the later leaves the lock of the earlier', async () => {
    const { end } = await changer();
    removeStale(join(parent, '.out.bonsaic-lock'), deadPid);
    expect(marks()).to.deep.equal(['.out.bonsaic-lock']);
    await end();
    const lock = join(parent, '.out.bonsaic-lock');
    symlinkSync(String(deadPid), lock);
    removeStale(lock, deadPid);
    expect(marks()).to.deep.equal([]);
  });

  it('what is built is used beside another user, at once', async () => {
    const { end } = await user();
    await useBuilt(place, () => true, never);
    expect(marks()).to.include(own);
    await end();
  });

  for (const [edge, start, isBuilt] of [
    ['what is built is used after another process has changed it', changer, true],
    ['what is not built waits for another that uses the directory', user, false],
    ['what is not built waits for another that changes the directory', changer, false],
  ] as const) {
    it(edge, async () => {
      const { end } = await start();
      let builds = 0;
      let isDone = false;
      const build = async () => {
        builds++;
        expect(marks()).to.include('.out.bonsaic-lock');
      };
      const using = useBuilt(place, () => isBuilt, build).then(() => {
        isDone = true;
      });
      await setTimeout(200);
      expect([isDone, builds]).to.deep.equal([false, 0]);
      await end();
      await using;
      expect(builds).to.equal(isBuilt ? 0 : 1);
      expect(marks(), 'used, and no longer locked').to.deep.equal([own]);
    });
  }

  it('what another process has built meanwhile is not built again', async () => {
    const { end } = await changer();
    let isBuilt = false;
    const using = useBuilt(place, () => isBuilt, never);
    await setTimeout(100);
    isBuilt = true;
    await end();
    await using;
  });

  for (const [edge, start] of [
    ['a user', user],
    ['a changer', changer],
  ] as const) {
    it(`${edge} that was killed is in nobody's way, and its mark goes`, async () => {
      const { end } = await start();
      await end(true);
      claim(place)();
      expect(marks()).to.deep.equal([]);
    });
  }

  it('there is no lock in a folder that can be neither made nor read', async () => {
    const nowhere = '/proc/none/out';
    claim(nowhere)();
    let builds = 0;
    const build = async () => {
      builds++;
    };
    await useBuilt(nowhere, () => false, build);
    expect(builds).to.equal(1);
  });

  it('a build that fails leaves no lock', async () => {
    const failed = useBuilt(
      place,
      () => false,
      () => Promise.reject(new Error('no compiler')),
    );
    expect(await failed.catch((error: Error) => error.message)).to.equal('no compiler');
    expect(marks()).to.deep.equal([]);
  });

  it('says after 10 s who uses it, not that it is written', async () => {
    const { end } = await user();
    try {
      expect(() => claim(place)).to.throw(/process \d+ runs what it has/);
    } finally {
      await end();
    }
  }).timeout(20_000);
});
