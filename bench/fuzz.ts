/**
 * Both parsers of the frame protocol under random and mutated frames; docs/reliability.md has the outcome.
 *
 *     node --expose-gc --import tsx bench/fuzz.ts [FRAMES] [SEED]      1 000 000 frames for each side: minutes
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTarget } from '../src/target/index.js';
import { chainModule, manifestOf } from '../test/support/fake-board.js';
import { buildFirmware } from '../test/support/firmware.js';
import { type FuzzResult, fuzzFirmware, fuzzSession } from '../test/support/fuzz.js';
import { Random } from '../test/support/module.js';

const [frames = 1_000_000, seed = 1] = process.argv.slice(2).map(Number);

function show(side: string, { frames, valid, grownBytes, outcomes }: FuzzResult): void {
  const list = [...outcomes].sort(([, a], [, b]) => b - a).map(([what, n]) => `${n} ${what}`);
  console.log(
    `${side}: ${frames} frames, ${valid} valid, memory grew by ${Math.round(grownBytes / 1024)} KB; ` +
      list.slice(0, 12).join(', '),
  );
}

const directory = mkdtempSync(join(tmpdir(), 'bonsaic-fuzz-'));
try {
  const sanitizers = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover'];
  const program = buildFirmware(loadTarget('host'), directory, sanitizers);
  show('firmware', await fuzzFirmware(program, frames, new Random(seed)));
} finally {
  rmSync(directory, { recursive: true });
}
const module = chainModule(64);
const input = new Int8Array(64);
show('host', await fuzzSession(module, manifestOf(module), frames, new Random(seed), input));
