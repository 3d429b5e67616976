import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { RP2040 } from 'rp2040js';
import { buildProject, findImage } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { type Device, openDevice } from '../../src/boards/device/index.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { openSession } from '../../src/boards/profile/session.js';
import { verifyOnDevice } from '../../src/boards/profile/verify.js';
import { emit } from '../../src/boards/project/emit.js';
import { loadTarget, type Target } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { BonsaiError } from '../../src/errors.js';
import { chainModule } from '../support/fake-board.js';
import { defaults } from '../support/plan.js';
import { onPty } from '../support/pty.js';
import { needs } from '../support/skip.js';

interface Built {
  readonly module: Module;
  readonly manifest: Manifest;
  readonly target: Target;
  readonly image: string;
}

/** Long enough for several frames each way. */
const module = chainModule(2500);
let directory = '';

async function build(targetName: string): Promise<Built> {
  const target = loadTarget(targetName);
  const planned = makePlan(module, analyse(mainGraph(module)), target, defaults);
  const { files, manifest } = emit(module, planned, target);
  const project = join(directory, targetName);
  writeProject(project, new Map([...files, ...firmwareFiles(target)]));
  return {
    module,
    manifest,
    target,
    image: findImage(await buildProject(project, { target, manifest })),
  };
}

async function verify(device: Device, { manifest }: Built) {
  const session = await openSession(device, manifest);
  return verifyOnDevice(session, manifest, module, seededVectors(manifest.plan, module));
}

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bonsaic-board-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

describe('the firmware on the simulated RP2040', () => {
  let built: Built;
  const open: Device[] = [];
  const board = async (port = 'sim', xip: 'model' | 'ideal' = 'ideal') => {
    const device = await openDevice(port, built.target, built.image, { xip });
    open.push(device);
    return device;
  };

  before(async function () {
    needs(this, 'arm-none-eabi-gcc');
    built = await build('rp2040');
  });
  afterEach(async () => {
    for (const device of open.splice(0)) await device.close();
  });

  it('gives the same bits and counts over UART and over USB', async () => {
    const uart = await verify(await board('sim'), built);
    const usb = await verify(await board('sim:usb'), built);
    expect(uart.verify).to.include({ mismatches: 0, firstDivergingLayer: null });
    expect(uart.latency.unit).to.equal('cycles');
    expect(usb).to.deep.equal(uart);
  });

  it('pays for the flash cache once when all of it fits, and gives the same bits', async () => {
    const ideal = await verify(await board('sim', 'ideal'), built);
    const model = await verify(await board('sim', 'model'), built);
    expect(model.layerCrc32).to.deep.equal(ideal.layerCrc32);
    const cyclesPerMiss = 56;
    const extra = model.counts.map((count, run) => count - (ideal.counts[run] ?? 0));
    expect(extra.map((cycles) => cycles % cyclesPerMiss)).to.deep.equal([0, 0, 0, 0]);
    // The constants alone are 2500 bytes.
    expect(extra[0]).to.be.above((2500 / 8) * cyclesPerMiss);
    // An input may take a path that none took before: a line or two of code.
    expect(Math.max(...extra.slice(1))).to.be.at.most(4 * cyclesPerMiss);
    expect(extra.at(-1)).to.equal(0);
    expect((await board('sim', 'model')).simulation).to.match(/quad reads.*56 cycles/);
  });

  it('is reached through a terminal, as a board on a serial port', async function () {
    needs(this, 'socat');
    const direct = await verify(await board(), built);
    const pty = await onPty(await board());
    const port = await openDevice(pty.path, built.target, built.image);
    try {
      expect(port.simulation).to.equal(null);
      expect(await verify(port, built)).to.deep.equal(direct);
    } finally {
      await port.close();
      pty.unplug();
    }
  });

  it('is noticed within the time-out when the cable is pulled during a run', async function () {
    needs(this, 'socat');
    const pty = await onPty(await board());
    const port = await openDevice(pty.path, built.target, built.image);
    const { manifest } = built;
    const session = await openSession(port, manifest, { timeoutMs: 500, runTimeoutMs: 1000 });
    setTimeout(() => pty.unplug(), 20);
    const error = await (async () => {
      const [vector] = seededVectors(manifest.plan, module);
      for (;;) await session.infer(vector?.inputs ?? []);
    })().catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', 5);
    await port.close();
  });

  it('finds its place again after garbage and half a frame', async () => {
    const device = await board();
    device.write(Uint8Array.from({ length: 3000 }, (_, i) => (i * 7) % 256));
    const session = await openSession(device, built.manifest);
    device.write(Uint8Array.of(9, 1, 3, 1, 0, 5, 1, 2));
    expect((await session.memory()).stackBytes).to.be.above(0);
  });

  it('refuses to be taken for another model', async () => {
    const { plan } = built.manifest;
    const other = { ...built.manifest, plan: { ...plan, model: { ...plan.model, sha256: '' } } };
    const error = await openSession(await board(), other).catch((reason: unknown) => reason);
    expect((error as BonsaiError).message).to.match(/runs another model \(sha256 abababababab…/);
    const rebuilt = { ...built.manifest, tag: 'ffffffff' };
    const second = await openSession(await board(), rebuilt).catch((reason: unknown) => reason);
    expect((second as BonsaiError).message).to.match(/another build of it/);
  });

  it('restarts in its boot loader when asked', async () => {
    const device = await board();
    const session = await openSession(device, built.manifest);
    const lost = new Promise<string>((resolve) => device.onLost(resolve));
    await session.reboot();
    expect(await lost).to.match(/boot loader/);
  });

  it('executes nothing while it waits for a request, but what time brings', async () => {
    let instructions = 0;
    const core: RP2040['core'] = Object.getPrototypeOf(new RP2040().core);
    const { executeInstruction } = core;
    core.executeInstruction = function () {
      instructions++;
      return executeInstruction.call(this);
    };
    // Time stands still.
    mock.timers.enable({ apis: ['setTimeout'] });
    const turns = async (count: number) => {
      for (let i = 0; i < count; i++) await turn();
    };
    try {
      const session = await openSession(await board(), built.manifest);
      await turns(200);
      expect(instructions).to.be.above(1000);
      instructions = 0;
      await turns(200);
      expect(instructions).to.equal(0);
      await session.memory();
      expect(instructions).to.be.above(0);
    } finally {
      mock.timers.reset();
      core.executeInstruction = executeInstruction;
    }
  });
});

describe('the firmware as a process', () => {
  it('gives the evaluator’s bits over stdin and stdout', async function () {
    needs(this, 'gcc');
    const built = await build('host');
    const device = await openDevice('sim', built.target, built.image);
    try {
      const { verify: found, latency } = await verify(device, built);
      expect(found).to.include({ mismatches: 0, firstDivergingLayer: null });
      expect(latency.unit).to.equal('nanoseconds');
    } finally {
      await device.close();
    }
  });
});
