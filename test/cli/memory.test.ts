/** Models that exceed a chip's memory: status 3 before anything is built, with what would fit. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import type { Module } from '../../src/compiler/ir/graph.js';
import { runHere } from '../support/command.js';
import { NetworkBuilder } from '../support/networks.js';

/** Four channels become eight under a window, so that input and output are live at once. */
function imageOf(bytes: number): Module {
  const network = new NetworkBuilder();
  const side = Math.ceil(Math.sqrt(bytes / 8));
  const image = network.input([1, side, side, 4]);
  return network.module([network.conv2d(image, 8, { kernel: 3, pad: 1, bias: false })]);
}

/** One layer whose random weights no code makes smaller by a third. */
function weightsOf(bytes: number): Module {
  const network = new NetworkBuilder();
  const input = network.input([1, 1, 1, 1024]);
  return network.module([network.conv2d(input, Math.ceil((1.5 * bytes) / 1024), { bias: false })]);
}

describe('a model that exceeds the chip', function () {
  this.timeout(120_000);
  let directory: string;
  let path: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-memory-'));
    path = join(directory, 'large.tflite');
  });
  after(() => rmSync(directory, { recursive: true }));

  const boards = ['esp32', 'esp32s3', 'esp32c3', 'stm32g0b1', 'stm32u575', 'rp2350', 'nrf52840'];
  for (const name of boards) {
    const { ramBytes } = loadTarget(name);

    it(`${name}: its RAM`, async () => {
      writeFileSync(path, writeTflite(imageOf(ramBytes ?? 0)));
      const out = join(directory, name);
      const { status, stderr } = await runHere(['compile', path, '--target', name, '-o', out]);
      expect(stderr).to.match(
        new RegExp(`: needs at least \\d+ bytes of RAM, ${name} has ${ramBytes}\n`),
      );
      // What takes the most, what other goals take, what would help, and where it fits.
      expect(stderr).to.match(/→ most in layer 0 \(conv2d\) \d+\n/);
      expect(stderr).to.match(/→ with --optimize speed about \d+, size about \d+\n/);
      expect(stderr).to.match(/→ none is enough: .*fewer channels.*; bonsaic compare MODEL/);
      expect(status).to.equal(3);
    });
  }

  it('stm32g0b1: its flash', async () => {
    const { flashBytes } = loadTarget('stm32g0b1');
    writeFileSync(path, writeTflite(weightsOf(flashBytes ?? 0)));
    const out = join(directory, 'flash');
    const { status, stderr } = await runHere(['compile', path, '--target', 'stm32g0b1', '-o', out]);
    expect(stderr).to.match(
      new RegExp(`: needs at least \\d+ bytes of flash, stm32g0b1 has ${flashBytes}\n`),
    );
    expect(stderr).to.match(/→ none is enough: prune more, .*; bonsaic compare MODEL/);
    expect(status).to.equal(3);
  });

  it('compare names the boards that it does not fit, and the one that it fits', async () => {
    writeFileSync(path, writeTflite(imageOf(300_000)));
    const targets = 'esp32,stm32g0b1,esp32c3';
    const { status, stdout } = await runHere(['compare', path, '--targets', targets, '--json']);
    const { boards } = JSON.parse(stdout);
    const taken = boards.map(({ target, refused }: { target: string; refused: unknown }) => [
      target,
      refused === null,
    ]);
    expect(taken).to.have.deep.members([
      ['esp32c3', true],
      ['esp32', false],
      ['stm32g0b1', false],
    ]);
    expect(status).to.equal(0);
  });
});
