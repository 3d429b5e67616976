/**
 * Both parsers of the frame protocol under random and mutated frames, and the importer under damaged
 * files (a thousandth as many, of the layers of Keras); docs/reliability.md has the outcome.
 *
 *     node --expose-gc --import tsx bench/fuzz.ts [FRAMES] [SEED]      1 000 000 frames for each side: minutes
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { loadTarget } from '../src/boards/target/index.js';
import { chainModule, manifestOf } from '../test/support/fake-board.js';
import { buildFirmware } from '../test/support/firmware.js';
import { type FuzzResult, fuzzFirmware, fuzzSession } from '../test/support/fuzz.js';
import { damaged, outcomeOf } from '../test/support/fuzz-import.js';
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

const archive = unzipSync(readFileSync(new URL('../test/corpus/keras.zip', import.meta.url)));
const files = Object.entries(archive).filter(([path]) => path.endsWith('.tflite'));
const outcomes = new Map<string, number>();
for (let number = 0; number < frames / 1000; number++) {
  const [, file] = files[number % files.length] as [string, Uint8Array];
  const bytes = damaged(file, new Random(seed * 1_000_003 + number));
  const outcome = outcomeOf(bytes, number % 2 === 0 ? 'tflm' : 'tflite-portable');
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}
const sorted = [...outcomes].sort(([, a], [, b]) => b - a);
console.log(`importer: ${sorted.map(([what, count]) => `${count} ${what}`).join(', ')}`);
