/** bonsaic and a plain copy flash a simulated RP2040 through its drive, and the image runs exactly. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { blockSize } from 'uf2';
import { buildProject, flashableImage } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { touch1200 } from '../../src/boards/device/open-link.js';
import { simulateBoard } from '../../src/boards/device/simulated.js';
import type { SimulatedBoard } from '../../src/boards/device/simulated-common.js';
import { measure } from '../../src/boards/profile/measure.js';
import { greetFirmware, restartInBootLoader } from '../../src/boards/profile/restart.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { emit } from '../../src/boards/project/emit.js';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import type { Module } from '../../src/compiler/ir/graph.js';
import { BonsaiError } from '../../src/errors.js';
import { chainModule } from '../support/fake-board.js';
import { flash } from '../support/flash.js';
import { simplePlan } from '../support/plan.js';
import { needs } from '../support/skip.js';

const target = loadTarget('rp2040');

describe('flash: the drive of a simulated RP2040', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-pico-'));
  const link = join(directory, 'tty');
  const drive = `${link}.drive`;
  const told: string[] = [];
  let board: SimulatedBoard | null = null;
  let image = '';
  let module: Module;
  let manifest: Manifest;

  before(async function () {
    needs(this, 'socat');
    needs(this, 'arm-none-eabi-gcc');
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
    expect(verify).to.include({ mismatches: 0, vectors: vectors.length });
    const bin = readFileSync(image.replace(/uf2$/, 'bin'));
    expect(readFileSync(`${link}.flash`).subarray(0, bin.length).equals(bin)).to.equal(true);
  }

  const own = {
    restart: () => restartInBootLoader(link, target),
    greet: () => greetFirmware(link, target),
  };

  async function appears(path: string): Promise<void> {
    while (!existsSync(path)) await sleep(20);
  }

  it('bonsaic copies the UF2 to the drive; the board leaves it and the image is exact', async () => {
    expect([board?.place, existsSync(link)]).to.deep.equal([drive, false]);
    expect(readFileSync(join(drive, 'INFO_UF2.TXT'), 'utf8')).to.match(/^Board-ID: RPI-RP2$/m);
    await flash(image, link, target, own);
    expect(existsSync(drive)).to.equal(false);
    await expectExact();
  });

  it('a board that runs firmware for another target keeps running it', async () => {
    const error = await restartInBootLoader(link, loadTarget('stm32f405')).then(
      () => null,
      (reason: Error) => reason,
    );
    expect(error?.message).to.match(
      /runs firmware for rp2040, not for stm32f405: it was left as it is/,
    );
    expect(await greetFirmware(link, target)).not.to.equal(null);
    expect(existsSync(drive)).to.equal(false);
  });

  it('bonsaic has the running image restart in the boot loader, flashes it again', async () => {
    await flash(image, link, target, own);
    await expectExact();
    expect(told.join()).to.match(/in the boot loader again: the board has restarted/);
  });

  it('a touch at 1200 baud restarts it, and any program may copy the file', async () => {
    await touch1200(link);
    await appears(join(drive, 'INFO_UF2.TXT'));
    copyFileSync(image, join(drive, 'any name.uf2'));
    await appears(link);
    await expectExact();
  });

  it('another chip’s image is refused before the board is asked', async () => {
    const rp2350 = loadTarget('rp2350');
    const error = await flash(image, link, rp2350, own).catch((reason: unknown) => reason);
    expect((error as BonsaiError).message).to.match(/is an image for rp2040, not for rp2350/);
    expect(existsSync(link)).to.equal(true);
  });

  it('an image without a valid second stage leaves it in its boot loader', async () => {
    const bytes = new Uint8Array(readFileSync(image));
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    await touch1200(link);
    await appears(join(drive, 'INFO_UF2.TXT'));
    writeFileSync(join(drive, 'broken.uf2'), bytes);
    while (!/boot loader again: cannot boot/.test(told.at(-1) ?? '')) await sleep(20);
    await flash(image, link, target, own);
    await expectExact();
  });

  it('the kept flash has what half a copy has written', async () => {
    const half = new Uint8Array(readFileSync(image).subarray(0, 8 * blockSize));
    const at = 7 * blockSize + 32;
    half[at] = (half[at] ?? 0) ^ 1;
    await touch1200(link);
    await appears(join(drive, 'INFO_UF2.TXT'));
    writeFileSync(join(drive, 'half.uf2'), half);
    const kept = () => readFileSync(`${link}.flash`)[7 * 256];
    for (let tries = 0; kept() !== half[at] && tries < 500; tries++) await sleep(20);
    expect(kept()).to.equal(half[at]);
    await flash(image, link, target, own);
    await expectExact();
  });

  it('replaces no folder, and wants a board with a simulator', async () => {
    const other = join(directory, 'other');
    mkdirSync(`${other}.drive`);
    const taken = await simulateBoard(target, other, () => {}).catch((reason: unknown) => reason);
    expect(taken).to.be.instanceOf(BonsaiError).with.property('exitStatus', 1);
    expect(existsSync(`${other}.drive`)).to.equal(true);
    const silent = await simulateBoard(
      loadTarget('rp2350'),
      join(dirname(link), 'x'),
      () => {},
    ).catch((reason: unknown) => reason);
    expect(silent).to.be.instanceOf(BonsaiError).with.property('exitStatus', 1);
  });

  it('the drive goes when the board is closed, the flash stays', async () => {
    await touch1200(link);
    await appears(join(drive, 'INFO_UF2.TXT'));
    await board?.close();
    board = null;
    expect([drive, link, `${link}.flash`].map((path) => existsSync(path))).to.deep.equal([
      false,
      false,
      true,
    ]);
  });
});
