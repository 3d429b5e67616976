/** Lock files of other programs: live ones are respected, stale ones ignored. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { requireNoLockFile } from '../../src/boards/device/access.js';
import { fileLockOf } from '../../src/boards/device/lock-files.js';

describe('device/lock-files', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-locks-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const [proc, folder] = [join(directory, 'proc'), join(directory, 'lock')];
  const [port, byId] = [join(directory, 'ttyUSB0'), join(directory, 'by-id')];
  const places = { folders: [join(directory, 'none'), folder], proc };

  before(() => {
    for (const path of [folder, join(proc, '7/fd'), join(proc, '8/fd'), join(proc, '9')]) {
      mkdirSync(path, { recursive: true });
    }
    writeFileSync(port, '');
    symlinkSync(port, byId);
    writeFileSync(join(proc, '7/cmdline'), 'minicom\0-D\0/dev/ttyUSB0');
    writeFileSync(join(proc, '9/cmdline'), 'gpsd');
    symlinkSync(port, join(proc, '7/fd/3'));
    symlinkSync('/dev/null', join(proc, '8/fd/3'));
  });

  const rows: [edge: string, content: string | Buffer, holder: number | null][] = [
    ['a program that has the port', '         7\n', 7],
    ['its id alone', '7', 7],
    ['its id and its name (minicom)', '         7 minicom root\n', 7],
    ['its id in binary', Buffer.from([7, 0, 0, 0]), 7],
    ['another user’s program, which shows no files', '         9\n', 9],
    ['a program that was killed', '      4242\n', null],
    ['a killed program’s id, which another program has', '         8\n', null],
    ['this process', `${process.pid}\n`, null],
    ['nothing in it', '', null],
    ['no id', 'who knows\n', null],
    ['something else', 'x'.repeat(1000), null],
  ];
  for (const [edge, content, holder] of rows) {
    it(edge, () => {
      const file = join(folder, 'LCK..ttyUSB0');
      writeFileSync(file, content);
      for (const path of [port, byId]) {
        const lock = fileLockOf(path, places);
        expect(lock?.processId ?? null).to.equal(holder);
        if (lock === null) requireNoLockFile(path, lock);
        else expect(() => requireNoLockFile(path, lock)).to.throw(/in use by another program: /);
      }
      expect(existsSync(file), 'it is not ours to remove').to.equal(true);
      rmSync(file);
      expect(fileLockOf(port, places)).to.equal(null);
    });
  }

  it('names the program and the file', () => {
    writeFileSync(join(folder, 'LCK..ttyUSB0'), '7\n');
    expect(() => requireNoLockFile(port, fileLockOf(port, places)))
      .to.throw('the serial port is in use by another program: minicom -D /dev/ttyUSB0 (process 7)')
      .that.has.property('hint')
      .that.matches(/wait until it is done; its lock is .*LCK\.\.ttyUSB0$/);
  });
});
