/**
 * Faults of the line while boards are flashed. docs/reliability.md has the outcomes:
 * `UPDATE_GOLDEN=1` writes its table.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeChip } from '../../src/device/chips/index.js';
import { flash } from '../../src/flash/index.js';
import { loadTarget } from '../../src/target/index.js';
import { type FlashedBoard, faultTable } from '../support/flash-faults.js';
import { stm32Image } from '../support/stm32.js';

const page = new URL('../../docs/reliability.md', import.meta.url);
const [begin, end] = ['<!-- faults -->\n', '<!-- end -->\n'];
const header =
  '| board | fault | done | error | host killed | seeds | longest attempt |\n|---|---|---|---|---|---|---|\n';

/** More than a page of stm32g0b1, so that faults meet erases, blocks and a short last block. */
function stm32(name: string, imageBytes: number, directory: string): FlashedBoard {
  const target = loadTarget(name);
  const image = stm32Image(target, imageBytes);
  const path = join(directory, `${name}.bin`);
  writeFileSync(path, image);
  return {
    makeChip: () => makeChip(target),
    flash: (wire) => flash(path, 'wire', target, { open: wire.open }),
    holds: ({ flash: cells }) =>
      Buffer.compare(cells.subarray(0, image.length), Buffer.from(image)) === 0,
    answers: { yes: 0x79, no: 0x1f },
    longestMs: 120_000,
  };
}

describe('flash: faults', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-faults-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('each of 200 seeds ends done or with an error, and the next attempt succeeds', async () => {
    let rows = '';
    for (const name of ['stm32g0b1', 'stm32f405']) {
      rows += await faultTable(name, stm32(name, 2_300, directory));
    }
    const text = readFileSync(page, 'utf8');
    const head = text.slice(0, text.indexOf(begin) + begin.length);
    const wanted = `${head}${header}${rows}${text.slice(text.indexOf(end))}`;
    if (process.env.UPDATE_GOLDEN) writeFileSync(page, wanted);
    else expect(text).to.equal(wanted);
  });
});
