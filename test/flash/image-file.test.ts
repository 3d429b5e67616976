import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeUf2 } from '../../src/boards/build/uf2.js';
import { flash } from '../../src/boards/flash/index.js';
import { loadTarget } from '../../src/boards/target/index.js';

describe('flash: the record of an image', () => {
  const directory = mkdtempSync(join(tmpdir(), 'image-'));
  after(() => rmSync(directory, { recursive: true }));
  const { uf2FamilyId } = loadTarget('rp2040');

  // The payload of a block ends in the middle of the name, and zeros follow in the file.
  for (const at of [235, 240, 245, 250, 255]) {
    it(`that begins at byte ${at}: two blocks of a UF2 file share it`, async () => {
      const image = new Uint8Array(600);
      image.set(Buffer.from(`bonsaic:rp2040\x000.1.0\0m\0${'0'.repeat(16)}\0`), at);
      const path = join(directory, 'image.uf2');
      writeFileSync(path, makeUf2(image, 0x1000_0000, Number(uf2FamilyId)));
      const flashed = await flash(path, 'sim', loadTarget('rp2040'), { foreign: true });
      expect(flashed.bytes).to.equal(768);
    });
  }
});

describe('flash: a file that is no image', () => {
  const directory = mkdtempSync(join(tmpdir(), 'image-'));
  after(() => rmSync(directory, { recursive: true }));
  const huge = join(directory, 'huge.bin');

  const rows: readonly (readonly [edge: string, path: string, message: RegExp])[] = [
    ['a device that never ends', '/dev/zero', /is a device or a pipe/],
    ['a folder', directory, /is a directory/],
    ['3 GB', huge, /has 3221225472 bytes; an image may have 268435456/],
    ['nothing there', join(directory, 'gone.bin'), /cannot be read/],
  ];
  for (const [edge, path, message] of rows) {
    it(edge, async () => {
      writeFileSync(huge, '');
      truncateSync(huge, 3 * 2 ** 30);
      const error = await flash(path, 'sim', loadTarget('stm32f405')).then(
        () => null,
        (reason: Error) => reason,
      );
      expect(error?.message).to.match(message);
    });
  }
});
