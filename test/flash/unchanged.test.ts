/** A board that holds the image already: nothing is written, and nobody says so. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeChip } from '../../src/boards/device/chips/index.js';
import { transportTo } from '../../src/boards/device/chips/transport.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { flash } from '../support/flash.js';
import { stm32Image } from '../support/stm32.js';

const directBoot = new Uint8Array(6000).fill(0x5a);
directBoot.set([0x1d, 0x04, 0xdb, 0xae, 0x1d, 0x04, 0xdb, 0xae]);

describe('flash: an image that the board holds already', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-unchanged-'));
  after(() => rmSync(directory, { recursive: true }));

  const rows: readonly (readonly [target: string, image: Uint8Array])[] = [
    ['stm32f405', stm32Image(loadTarget('stm32f405'), 6000)],
    ['stm32g0b1', stm32Image(loadTarget('stm32g0b1'), 6000)],
    ['esp32c3', directBoot],
  ];
  for (const [name, image] of rows) {
    it(name, async () => {
      const target = loadTarget(name);
      const path = join(directory, `${name}.bin`);
      const chip = makeChip(target);
      const calls: (readonly [done: number, total: number])[] = [];
      const flashed = (bytes: Uint8Array) => {
        writeFileSync(path, bytes);
        chip.restart();
        calls.length = 0;
        const open = async () => transportTo(chip, 'wire');
        const progress = (done: number, total: number) => void calls.push([done, total]);
        return flash(path, 'wire', target, { open, progress, sleep: async () => {} });
      };
      const bytes = image.length;
      expect(await flashed(image)).to.deep.equal({ bytes, written: true, unchanged: false });
      expect(calls[0]?.[0], 'first of all 0').to.equal(0);
      expect(await flashed(image)).to.deep.equal({ bytes, written: false, unchanged: true });
      expect(calls.every(([done, total]) => done === total)).to.equal(true);
      const other = image.map((byte, i) => (i === 5000 ? byte ^ 1 : byte));
      expect(await flashed(other)).to.include({ written: true, unchanged: false });
    });
  }
});
