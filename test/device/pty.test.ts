/** Pseudo-terminals of simulated boards never replace what they did not make. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openPty } from '../../src/boards/device/pty.js';
import { simulateBoard } from '../../src/boards/device/simulated.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { needs } from '../support/skip.js';

describe('pseudo-terminals of simulated boards', () => {
  let folder = '';
  before(function () {
    needs(this, 'socat');
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bonsaic-pty-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const ignore = () => {};
  const at = (name: string) => join(folder, name);

  async function refusal(action: Promise<unknown>): Promise<BonsaiError> {
    const error = await action.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof BonsaiError)) throw new Error(`not refused: ${error}`);
    return error;
  }

  const occupied: readonly (readonly [what: string, make: () => void, says: RegExp])[] = [
    ['a file', () => writeFileSync(at('link'), 'precious'), /is no link to a terminal/],
    ['a folder', () => mkdirSync(at('link')), /is no link to a terminal/],
    ['a link to nothing', () => symlinkSync(at('nothing'), at('link')), /is no link to a terminal/],
    ['a link to another device', () => symlinkSync('/dev/null', at('link')), /is no link/],
  ];
  for (const [what, make, says] of occupied) {
    it(`do not replace ${what}`, async () => {
      make();
      const before = lstatSync(at('link'));
      const error = await refusal(openPty(at('link'), ignore));
      expect([error.code, error.message]).to.satisfy(
        ([code, message]: string[]) => code === 'usage' && says.test(message ?? ''),
      );
      expect(lstatSync(at('link')).ino).to.equal(before.ino);
    });
  }

  it('have a link each: a second board on a link is refused, and the first keeps it', async () => {
    const first = await openPty(at('link'), ignore);
    const terminal = readlinkSync(at('link'));
    const error = await refusal(openPty(at('link'), ignore));
    expect(error.message).to.equal('is a terminal that a program has open');
    expect(readlinkSync(at('link'))).to.equal(terminal);
    await first.close();
    expect(existsSync(at('link'))).to.equal(false);
  });

  it('replace the dead link that a killed program has left', async () => {
    symlinkSync('/dev/pts/999999', at('link'));
    const pty = await openPty(at('link'), ignore);
    expect(existsSync(at('link'))).to.equal(true);
    await pty.close();
  });

  it('remove their own link only', async () => {
    const pty = await openPty(at('link'), ignore);
    rmSync(at('link'));
    writeFileSync(at('link'), 'precious');
    await pty.close();
    expect(readFileSync(at('link'), 'utf8')).to.equal('precious');
  });

  for (const name of ['a,b', "q'x", 'g\\h', 'a b', 'c:d!']) {
    it(`have any name: ${name}`, async () => {
      const pty = await openPty(at(name), ignore);
      expect(lstatSync(at(name)).isSymbolicLink()).to.equal(true);
      await pty.close();
      expect(lstatSync(at(name), { throwIfNoEntry: false })).to.equal(undefined);
    });
  }

  it('are in a folder that exists', async () => {
    const error = await refusal(openPty(at('missing/link'), ignore));
    expect(error.message).to.equal('is in a folder that does not exist');
  });

  const flashes: readonly (readonly [what: string, make: (path: string) => void])[] = [
    ['of another size', (path) => writeFileSync(path, 'precious')],
    ['that is a folder', (path) => mkdirSync(path)],
    ['that is a link', (path) => symlinkSync(at('nothing'), path)],
  ];
  for (const [what, make] of flashes) {
    it(`keep no flash in a file ${what}`, async () => {
      make(at('link.flash'));
      const before = lstatSync(at('link.flash'));
      const error = await refusal(simulateBoard(loadTarget('stm32g0b1'), at('link'), ignore));
      expect(error.message).to.match(/^is not the flash of a simulated stm32g0b1, a file of \d+ b/);
      expect(lstatSync(at('link.flash')).ino).to.equal(before.ino);
      expect(existsSync(at('link'))).to.equal(false);
    });
  }
});
