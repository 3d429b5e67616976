/** Independent clients and bonsaic flash the same simulated chip over a pty, and the image runs. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { buildProject, flashableImage } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { openLink } from '../../src/boards/device/open-link.js';
import { simulateBoard } from '../../src/boards/device/simulated.js';
import type { SimulatedBoard } from '../../src/boards/device/simulated-common.js';
import { measure } from '../../src/boards/profile/measure.js';
import { muteBoard } from '../../src/boards/profile/mute.js';
import { restartInBootLoader } from '../../src/boards/profile/restart.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { openSession } from '../../src/boards/profile/session.js';
import { emit } from '../../src/boards/project/emit.js';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import type { Module } from '../../src/compiler/ir/graph.js';
import { cliPath } from '../support/cli.js';
import { chainModule, manifestOf } from '../support/fake-board.js';
import { flash } from '../support/flash.js';
import { simplePlan } from '../support/plan.js';
import { needs, needsSimulator } from '../support/skip.js';
import { stm32Image } from '../support/stm32.js';

const target = loadTarget('stm32f405');

/** The board is in this process, so nothing may block it. */
function stm32flash(args: readonly string[]): Promise<{ ok: boolean; stdout: string }> {
  return new Promise((resolve) => {
    execFile('stm32flash', args, (error, stdout) => resolve({ ok: error === null, stdout }));
  });
}

describe('flash: clients of a simulated chip on a pty', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-clients-'));
  const link = join(directory, 'tty');
  const told: string[] = [];
  let board: SimulatedBoard | null = null;
  let image = '';
  let module: Module;
  let manifest: Manifest;

  before(async function () {
    needs(this, 'socat');
    needsSimulator(this, target);
    module = chainModule(64);
    const plan = simplePlan(module);
    const emission = emit(module, { ...plan, plan: { ...plan.plan, target: target.name } }, target);
    manifest = emission.manifest;
    const project = join(directory, 'project');
    writeProject(project, new Map([...emission.files, ...firmwareFiles(target)]));
    image = flashableImage(await buildProject(project, { target, manifest }));
    board = await simulateBoard(target, link, (text) => told.push(text));
  });
  after(async () => {
    await board?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function expectExact(): Promise<void> {
    const vectors = seededVectors(manifest.plan, module);
    const { verify } = await measure({
      ...{ manifest, module, target, port: link, image, vectors },
      xip: 'ideal',
    });
    expect(verify.mismatches).to.equal(0);
    expect(verify.vectors).to.equal(vectors.length);
  }

  const stored = () => readFileSync(`${link}.flash`).subarray(0, readFileSync(image).length);

  it('stm32flash writes, verifies and starts; the image is exact', async function () {
    needs(this, 'stm32flash');
    // A pty has no parity.
    const args = ['-m', '8n1', '-b', '115200', '-w', image, '-v', '-g', '0x08000000', link];
    const { ok, stdout } = await stm32flash(args);
    expect(ok, stdout).to.equal(true);
    expect(stdout).to.match(/0x0413/);
    await expectExact();
    expect(stored()).to.deep.equal(readFileSync(image));
  });

  it('bonsaic has the running image restart in the boot loader, flashes it again', async () => {
    const restart = () => restartInBootLoader(link, target);
    await flash(image, link, target, { restart });
    await expectExact();
    expect(stored()).to.deep.equal(readFileSync(image));
    expect(told.filter((text) => text.startsWith('started')).length).to.be.at.least(1);
  });

  it('stm32flash reads what bonsaic has written', async function () {
    needs(this, 'stm32flash');
    expect(await restartInBootLoader(link, target)).to.equal(true);
    const read = join(directory, 'read.bin');
    const bytes = readFileSync(image).length;
    const args = ['-m', '8n1', '-r', read, '-S', `0x08000000:${bytes}`, link];
    let answer = await stm32flash(args);
    // QEMU tells of the restart half a second later.
    for (let tries = 0; !answer.ok && tries < 100; tries++) {
      await sleep(100);
      answer = await stm32flash(args);
    }
    expect(answer.ok, answer.stdout).to.equal(true);
    expect(readFileSync(read)).to.deep.equal(readFileSync(image));
  });

  it('Ctrl-C in the middle tells of the half-written board, and the next flash repairs it', async () => {
    const large = join(directory, 'large.bin');
    writeFileSync(large, stm32Image(target, 512 * 1024));
    const args = ['flash', large, '--target', target.name, '--port', link, '--foreign'];
    const child = spawn(process.execPath, [cliPath, ...args]);
    const ended = new Promise((resolve) => child.once('close', resolve));
    let told = '';
    child.stderr.on('data', (text: Buffer) => {
      told += text;
      if (/KB, .* left/.test(told)) child.kill('SIGINT');
    });
    expect(await ended).to.equal(128 + 2);
    expect(told).to.match(/: stopped while the board was written.*\n.*flash it again/);
    await flash(image, link, target);
    await expectExact();
  });

  it('the link goes when the board is closed, the flash stays', async () => {
    await board?.close();
    board = null;
    expect(existsSync(link)).to.equal(false);
    expect(existsSync(`${link}.flash`)).to.equal(true);
  });
});

describe('bonsaic simulate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-simulate-'));
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** Starts the command; resolves with its status and what it has told. */
  function simulate(target: string, link: string) {
    const child = spawn(process.execPath, [cliPath, 'simulate', target, '--link', link]);
    let told = '';
    child.stderr.on('data', (text) => {
      told += text;
    });
    const ended = new Promise<{ status: number | null; told: string }>((resolve) =>
      child.once('close', (status) => resolve({ status, told })),
    );
    return { child, ended, told: () => told };
  }

  it('ends with 0 on SIGTERM, and takes the link away', async function () {
    needs(this, 'socat');
    const link = join(directory, 'tty');
    const { child, ended, told } = simulate('stm32g0b1', link);
    // From then on it takes signals.
    while (!told().includes('Ctrl-C')) await sleep(20);
    expect(existsSync(link)).to.equal(true);
    child.kill('SIGTERM');
    const { status } = await ended;
    expect(status, told()).to.equal(0);
    expect(existsSync(link)).to.equal(false);
    expect(readFileSync(`${link}.flash`).length).to.equal(512 * 1024);
  });

  const refusals: [edge: string, target: string, link: string, status: number, says: RegExp][] = [
    [
      'a board without a simulated boot loader',
      'nrf52840',
      'a',
      1,
      /no boot loader that is simulated/,
    ],
    ['no folder for the link', 'stm32g0b1', 'none/tty', 1, /none\/tty/],
  ];
  for (const [edge, target, link, status, says] of refusals) {
    it(`refuses ${edge}`, async function () {
      needs(this, 'socat');
      const outcome = await simulate(target, join(directory, link)).ended;
      expect(outcome.told).to.match(says);
      expect(outcome.status).to.equal(status);
    });
  }
});

describe('flash: a simulated board whose image does not run', () => {
  it('says that the image is silent, and how its boot loader comes back', async function () {
    needs(this, 'socat');
    const directory = mkdtempSync(join(tmpdir(), 'bonsaic-silent-'));
    const [link, image] = [join(directory, 'tty'), join(directory, 'image.bin')];
    const silent = loadTarget('stm32g0b1');
    writeFileSync(image, stm32Image(silent, 4096));
    const told: string[] = [];
    for (const content of ['written', 'kept']) {
      const board = await simulateBoard(silent, link, (text) => told.push(text), muteBoard);
      const { unchanged } = await flash(image, link, silent);
      const device = await openLink(link);
      const asked = await openSession(device, manifestOf(chainModule(8)), { timeoutMs: 600_000 })
        .catch((error: unknown) => error)
        .finally(() => device.close());
      expect(asked, 'at once, in place of a time-out of 20 minutes').to.include({
        message:
          'is a simulated board that runs no firmware: stm32g0b1 has no simulator: the image is silent',
        exitStatus: 5,
      });
      await board.close();
      expect(unchanged, content).to.equal(content === 'kept');
    }
    rmSync(directory, { recursive: true, force: true });
    expect(told.filter((text) => /silent; Ctrl-C and a new start/.test(text))).to.have.lengthOf(2);
  });
});
