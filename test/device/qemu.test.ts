/** The firmware on boards in QEMU: what it counts, and that no QEMU is left behind. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Device, openDevice, simulators } from '../../src/boards/device/index.js';
import { qemuCommand } from '../../src/boards/device/qemu.js';
import { answerBody, type Command, requestBody } from '../../src/boards/profile/protocol.js';
import { Requester } from '../../src/boards/profile/requester.js';
import { listTargets, loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { buildFirmware, fake } from '../support/firmware.js';
import { qemusOf } from '../support/qemu.js';
import { runs } from '../support/runs.js';
import { needs, needsSimulator } from '../support/skip.js';

const targets = listTargets()
  .map((name) => loadTarget(name))
  .filter(({ simulator }) => simulator === 'qemu' || simulator === 'qemu-xtensa')
  .sort((a, b) => (a.simulator ?? '').localeCompare(b.simulator ?? ''));

describe('device: QEMU', () => {
  let directory = '';
  before(function () {
    needs(this, qemuCommand);
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-qemu-'));
  });
  after(() => {
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
  });

  for (const target of targets) {
    describe(target.name, () => {
      let elf = '';
      let device: Device;
      let requester: Requester;
      const ask = <T>(command: Command, body: Uint8Array, decode: (body: Uint8Array) => T) =>
        requester.request({ command, tag: fake.tag, body, waitsMs: [600_000] }, decode);

      /** The count of a run with `rounds` rounds of two instructions in it. */
      async function count(rounds: number): Promise<number> {
        const input = new Uint8Array(fake.bytes[1]);
        new DataView(input.buffer).setUint32(4, rounds, true);
        await ask('writeInput', requestBody.writeInput(1, 0, input), answerBody.empty);
        return ask('infer', requestBody.empty(), answerBody.count);
      }

      before(async function () {
        needsSimulator(this, target);
        const folder = mkdtempSync(join(directory, 'board-'));
        elf = buildFirmware(target, folder);
        device = await openDevice('sim', target, elf);
        requester = new Requester(device);
      });
      after(() => device?.close());

      it('says that it counts instructions', async () => {
        const hello = await ask('hello', requestBody.empty(), answerBody.hello);
        expect(hello).to.include({ unit: 'instructions', target: target.name });
        expect(device.simulation).to.match(/QEMU .*: counts instructions/);
      });

      it('counts every instruction of a run, however short, and nothing else', async () => {
        const least = await count(1);
        await fc.assert(
          fc.asyncProperty(fc.integer({ min: 1, max: 50_000 }), async (rounds) => {
            expect((await count(rounds)) - least).to.equal(2 * (rounds - 1));
          }),
          { numRuns: runs(40) },
        );
      });

      /** Instructions between two wraps of SysTick. */
      const wrap = (2 ** 24 * 1e9) / target.clockHz / 2 ** (target.icountShift ?? 0);
      const rows: [edge: string, rounds: number][] = [
        ['one wrap, nearly', Math.floor(wrap / 2) - 5000],
        ['one wrap', Math.floor(wrap / 2)],
        ['some wraps', Math.floor(wrap * 2.75)],
        ['200 million instructions', 1e8],
      ];
      for (const [edge, rounds] of rows) {
        it(`counts over SysTick's 24 bits: ${edge}`, async () => {
          const least = await count(1);
          expect((await count(rounds)) - least).to.equal(2 * (rounds - 1));
        });
      }

      it('measures its stack', async () => {
        const before = await ask('memory', requestBody.empty(), answerBody.memory);
        const input = Uint8Array.from({ length: fake.bytes[1] }, (_, i) => (i === 1 ? 1 : 0));
        await ask('writeInput', requestBody.writeInput(1, 0, input), answerBody.empty);
        await ask('infer', requestBody.empty(), answerBody.count);
        const after = await ask('memory', requestBody.empty(), answerBody.memory);
        expect(before.stackBytes).to.be.within(100, 2000);
        expect(after.stackBytes - before.stackBytes).to.be.within(2500, 3100);
      });

      it('sleeps while it waits', async () => {
        await ask('memory', requestBody.empty(), answerBody.memory);
        let running = 0;
        for (let look = 0; look < 20; look++) {
          await sleep(20);
          running += qemusOf(elf)[0]?.runningThreads ?? Number.NaN;
        }
        expect(running, 'threads that run, in 20 looks').to.be.below(10);
      });

      it('is lost when it restarts', async () => {
        const lost = new Promise<string>((resolve) => device.onLost(resolve));
        await ask('reboot', requestBody.empty(), answerBody.empty);
        expect(await lost).to.match(/the board has restarted/);
      });
    });
  }

  it('ends with bonsaic, however that ends', async () => {
    const [target] = targets;
    if (target === undefined) throw new Error('a target for QEMU');
    const folder = mkdtempSync(join(directory, 'orphan-'));
    const elf = buildFirmware(target, folder);
    const script = join(folder, 'open.mts');
    const { href } = pathToFileURL('src/');
    writeFileSync(
      script,
      `import { openDevice } from '${href}boards/device/index.js';
       import { loadTarget } from '${href}boards/target/index.js';
       await openDevice('sim', loadTarget('${target.name}'), process.argv[2]);
       console.log('open');`,
    );
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const host = spawn(process.execPath, ['--import', 'tsx', script, elf]);
      await new Promise((resolve) => host.stdout.once('data', resolve));
      expect(qemusOf(elf)).to.have.length(1);
      host.kill(signal);
      for (let waited = 0; qemusOf(elf).length > 0 && waited < 60_000; waited += 20)
        await sleep(20);
      expect(qemusOf(elf), signal).to.deep.equal([]);
    }
  });

  it('is lost when QEMU is killed', async () => {
    const [target] = targets;
    if (target === undefined) throw new Error('a target for QEMU');
    const folder = mkdtempSync(join(directory, 'killed-'));
    const elf = buildFirmware(target, folder);
    const device = await openDevice('sim', target, elf);
    const lost = new Promise<string>((resolve) => device.onLost(resolve));
    for (const { pid } of qemusOf(elf)) process.kill(pid, 'SIGSEGV');
    expect(await lost).to.match(/QEMU was killed by SIGSEGV/);
    await device.close();
  });

  const failures: [edge: string, open: () => Promise<Device>, status: number, says: RegExp][] = [
    [
      'a missing image',
      () => openDevice('sim', { name: 'x', simulator: 'qemu', machine: 'x', icountShift: 7 }, '/x'),
      5,
      /cannot read the firmware image/,
    ],
    [
      'a machine that QEMU does not know',
      () =>
        openDevice(
          'sim',
          { name: 'x', simulator: 'qemu', machine: 'no-such-board', icountShift: 7 },
          process.execPath,
        ),
      5,
      /did not start: .*unsupported machine type/,
    ],
  ];
  for (const [edge, open, status, says] of failures) {
    it(`explains ${edge}`, async () => {
      const error = await open().catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', status);
      expect((error as BonsaiError).message).to.match(says);
    });
  }

  it('explains that QEMU is missing', async () => {
    const { PATH } = process.env;
    process.env.PATH = directory;
    try {
      const target = { name: 'x', simulator: 'qemu', machine: 'x', icountShift: 7 };
      const error = await openDevice('sim', target, process.execPath).catch((reason) => reason);
      expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', 4);
      expect((error as BonsaiError).message).to.match(/simulator cannot be started: .*ENOENT/);
      expect((error as BonsaiError).hint).to.match(/apt-get install qemu-system-arm/);
    } finally {
      process.env.PATH = PATH;
    }
  });
});

describe('device: simulators', () => {
  for (const name of listTargets()) {
    it(`${name}: its simulator is there`, () => {
      const { simulator } = loadTarget(name);
      if (simulator !== null) expect(simulators.has(simulator)).to.equal(true);
    });
  }
});
