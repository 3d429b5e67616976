/** Both parsers of the protocol under random and mutated frames; bench/fuzz.ts takes a million. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { chainModule, manifestOf } from '../support/fake-board.js';
import { buildFirmware } from '../support/firmware.js';
import { type FuzzResult, fuzzFirmware, fuzzSession } from '../support/fuzz.js';
import { Random } from '../support/module.js';
import { needs } from '../support/skip.js';

const frames = 10_000;
const mostGrownBytes = 8 * 1024 * 1024;

function expectSound(result: FuzzResult): void {
  expect(result.frames).to.be.at.least(frames);
  // Both parsers must get past the CRC, and into every kind of refusal.
  expect(result.valid).to.be.within(0.3 * frames, 0.9 * frames);
  expect(result.grownBytes).to.be.below(mostGrownBytes);
}

describe('protocol: random and mutated frames', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-fuzz-'));
  after(() => rmSync(directory, { recursive: true }));

  it('the firmware answers each valid one, and nothing else', async function () {
    needs(this, 'gcc');
    const sanitizers = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover'];
    const program = buildFirmware(loadTarget('host'), directory, sanitizers);
    const result = await fuzzFirmware(program, frames, new Random(7));
    expectSound(result);
    const errors = ['error 1', 'error 2', 'error 3', 'error 4', 'error 5'];
    expect([...result.outcomes.keys()]).to.have.members(['answered', ...errors]);
  });

  it('a session ends with a result or an error of the device', async () => {
    const module = chainModule(64);
    const input = new Int8Array(64);
    const result = await fuzzSession(module, manifestOf(module), frames, new Random(7), input);
    expectSound(result);
    expect(result.outcomes.get('done')).to.be.above(0);
  });
});
