/** The firmware on the simulated ESP32-C3: boot from flash, both links, the cache, what goes wrong. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildProject, findImage } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { type Device, openDevice } from '../../src/boards/device/index.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { openSession } from '../../src/boards/profile/session.js';
import { verifyOnDevice } from '../../src/boards/profile/verify.js';
import { emit } from '../../src/boards/project/emit.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { chainModule } from '../support/fake-board.js';
import { defaults } from '../support/plan.js';
import { needs } from '../support/skip.js';

const target = loadTarget('esp32c3');
const constantBytes = 2500;
const module = chainModule(constantBytes);
const missCycles = 304;
const lineBytes = 32;

describe('the firmware on the simulated ESP32-C3', () => {
  let directory = '';
  let image = '';
  let manifest: Manifest;
  const open: Device[] = [];
  const board = async (port = 'sim', xip: 'model' | 'ideal' = 'ideal', file = image) => {
    const device = await openDevice(port, target, file, { xip });
    open.push(device);
    return device;
  };
  const verify = async (device: Device) => {
    const session = await openSession(device, manifest);
    return verifyOnDevice(session, manifest, module, seededVectors(manifest.plan, module));
  };
  /** Another image in flash. */
  const changed = (name: string, change: (bytes: Uint8Array) => Uint8Array) => {
    const path = join(directory, name);
    writeFileSync(path, change(readFileSync(image)));
    return path;
  };

  before(async function () {
    needs(this, target.compiler);
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-esp32c3-'));
    const planned = makePlan(module, analyse(mainGraph(module)), target, defaults);
    const emission = emit(module, planned, target);
    manifest = emission.manifest;
    writeProject(directory, new Map([...emission.files, ...firmwareFiles(target)]));
    image = findImage(await buildProject(directory, { target, manifest }));
  });
  afterEach(async () => {
    for (const device of open.splice(0)) await device.close();
  });
  after(() => {
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
  });

  it('gives the same bits and counts over UART and over USB', async () => {
    expect(image).to.match(/\.bin$/);
    const uart = await verify(await board('sim'));
    const usb = await verify(await board('sim:usb'));
    expect(uart.verify).to.include({ mismatches: 0, firstDivergingLayer: null });
    expect(uart.latency.unit).to.equal('cycles');
    expect(usb).to.deep.equal(uart);
  });

  it('pays for the flash cache once when all of it fits, and gives the same bits', async () => {
    const ideal = await verify(await board('sim', 'ideal'));
    const model = await verify(await board('sim', 'model'));
    expect(model.layerCrc32).to.deep.equal(ideal.layerCrc32);
    const extra = model.counts.map((count, run) => count - (ideal.counts[run] ?? 0));
    expect(extra.map((cycles) => cycles % missCycles)).to.deep.equal([0, 0, 0, 0]);
    expect(extra[0]).to.be.above(Math.floor(constantBytes / lineBytes) * missCycles);
    expect(extra.at(-1)).to.equal(0);
    expect((await board('sim', 'model')).simulation).to.match(/one cycle.*304 cycles/);
  });

  it('restarts in its boot loader when asked', async () => {
    const device = await board();
    const session = await openSession(device, manifest);
    const lost = new Promise<string>((resolve) => device.onLost(resolve));
    await session.reboot();
    expect(await lost).to.match(/boot loader/);
  });

  it('stops at an exception, before and after the firmware has a handler', async () => {
    // An unimplemented instruction in place of the first one, and of the first of `main`'s callees.
    for (const [name, at] of [
      ['first', 8],
      ['later', 0x200],
    ] as const) {
      const file = changed(name, (bytes) => bytes.fill(0, at, at === 8 ? at + 4 : bytes.length));
      const device = await board('sim', 'ideal', file);
      const reason = await new Promise<string>((resolve) => device.onLost(resolve));
      expect(reason, name).to.match(/simulated core stopped: exception/);
    }
  });

  it('refuses what the boot ROM does not start', async () => {
    const rows = [
      ['no-magic', /direct boot/, (bytes: Uint8Array) => bytes.fill(0xff, 4, 5)],
      ['short', /direct boot/, () => new Uint8Array(4)],
      ['long', /larger/, (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(2 ** 22)])],
    ] as const;
    for (const [name, message, change] of rows) {
      const error = await board('sim', 'ideal', changed(name, change)).catch((e: Error) => e);
      expect((error as Error).message, name).to.match(message);
    }
  });
});
