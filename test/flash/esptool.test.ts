/** PyPI's esptool and bonsaic flash the same simulated ESP32-C3 over a pty, and the image runs. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { simulateBoard } from '../../src/boards/device/simulated.js';
import type { SimulatedBoard } from '../../src/boards/device/simulated-common.js';
import { restartInBootLoader } from '../../src/boards/profile/restart.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { runHere } from '../support/command.js';
import { type Esptool, needsEsptool } from '../support/esptool.js';
import { needs, needsSimulator, skip } from '../support/skip.js';

const target = loadTarget('esp32c3');
const model = fileURLToPath(new URL('../../../shared/models/kws.tflite', import.meta.url));

describe('flash: esptool and bonsaic on a simulated ESP32-C3', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-esptool-'));
  const link = join(directory, 'tty');
  const project = join(directory, 'kws');
  const image = join(project, 'build/kws.bin');
  let board: SimulatedBoard | null = null;
  let writtenByEsptool: Uint8Array | null = null;

  before(async function () {
    needs(this, 'socat');
    needsSimulator(this, target);
    if (!existsSync(model)) skip(this, '../shared/models is missing');
    await run('compile', model, '--target', target.name, '-o', project);
    await run('build', project);
    board = await simulateBoard(target, link, () => {});
  });
  after(async () => {
    await board?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A command of bonsaic that succeeds: its output. */
  async function run(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await runHere(args);
    expect(status, stderr).to.equal(0);
    return stdout;
  }

  async function runEsptool(esptool: Esptool, ...args: string[]): Promise<string> {
    const { ok, output } = await esptool('--chip', 'esp32c3', '--port', link, ...args);
    expect(ok, output).to.equal(true);
    return output;
  }

  /** The board has started the image, whose outputs are those of `evaluate`. */
  async function expectExact(): Promise<void> {
    const { verify } = JSON.parse(await run('profile', project, '--port', link, '--json'));
    expect(verify.mismatches).to.equal(0);
    expect(verify.vectors).to.be.above(0);
  }

  const toFlash = ['write_flash', '0x0', image];
  const fromLoader = ['--before', 'no_reset'];
  const intoImage = ['--after', 'watchdog_reset'];

  it('esptool writes by its stub, and starts; the image is exact', async function () {
    const esptool = needsEsptool(this);
    const output = await runEsptool(esptool, ...fromLoader, ...intoImage, ...toFlash);
    expect(output).to.match(/Hash of data verified/);
    await expectExact();
    writtenByEsptool = readFileSync(`${link}.flash`);
    expect(writtenByEsptool.subarray(0, readFileSync(image).length)).to.deep.equal(
      readFileSync(image),
    );
  });

  it('esptool writes by the commands of the ROM; the image is exact', async function () {
    const esptool = needsEsptool(this);
    expect(await restartInBootLoader(link, target)).to.equal(true);
    const output = await runEsptool(
      esptool,
      ...['--no-stub', ...fromLoader, ...intoImage, ...toFlash],
    );
    expect(output).to.match(/Hash of data verified/);
    await expectExact();
  });

  it('bonsaic writes the same bytes as esptool into an erased chip; the image is exact', async function () {
    const esptool = needsEsptool(this);
    expect(await restartInBootLoader(link, target)).to.equal(true);
    await runEsptool(esptool, ...fromLoader, '--after', 'no_reset', 'erase_flash');
    await run('flash', project, '--port', link);
    await expectExact();
    expect(
      Buffer.compare(readFileSync(`${link}.flash`), writtenByEsptool ?? new Uint8Array()),
    ).to.equal(0);
  });

  it('bonsaic has the running image restart in the loader, flashes it again', async () => {
    await run('flash', project, '--port', link);
    await run('flash', project, '--port', link);
    await expectExact();
  });

  it('esptool verifies what bonsaic has written', async function () {
    const esptool = needsEsptool(this);
    expect(await restartInBootLoader(link, target)).to.equal(true);
    const output = await runEsptool(
      esptool,
      ...[...fromLoader, '--after', 'no_reset', 'verify_flash', '0x0', image],
    );
    expect(output).to.match(/[Vv]erif.*(successful|OK)/);
  });
});
