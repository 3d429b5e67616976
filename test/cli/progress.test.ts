/** What commands tell on stderr while they work. */
import { expect } from 'chai';
import { makeProgress } from '../../src/cli/output.js';
import { captureOutput } from '../support/command.js';

/** @param terminal of stderr; default: a pipe */
async function told(work: () => void, terminal: object = {}): Promise<string> {
  const { written, end } = captureOutput();
  Object.assign(process.stderr, terminal);
  try {
    await makeProgress()('Compile', work).catch(() => {});
  } finally {
    end();
  }
  return written.stderr;
}

describe('progress', () => {
  it('says that a step failed, and leaves the error to the line that tells it', async () => {
    const text = await told(() => {
      throw new Error('strideH is 0');
    });
    expect(text)
      .to.match(/✖ Compile/)
      .and.not.include('strideH is 0');
  });

  it('a terminal that tells no width gets a line per step, as a pipe', async () => {
    expect(await told(() => {}, { isTTY: true, columns: 0 })).to.equal('❯ Compile\n✔ Compile\n');
  });
});
