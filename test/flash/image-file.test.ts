import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { flash } from '../../src/flash/index.js';
import { loadTarget } from '../../src/target/index.js';

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
