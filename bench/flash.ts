/**
 * Flash and verify of 256 KB on simulated boards, in virtual time: bytes on the line, the chip's own
 * work (erase, programming) and the whole, relative to the time that the image takes on the line,
 * once there and once back. Usage: npx tsx bench/flash.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeChip } from '../src/device/chips/index.js';
import { flash } from '../src/flash/index.js';
import { loadTarget } from '../src/target/index.js';
import { stm32Image } from '../test/support/stm32.js';
import { Wire } from '../test/support/wire.js';

const imageBytes = 256 * 1024;
/** 8 data bits, even parity, a start and a stop bit. */
const bitsPerByte = 11;
const boards = 'stm32f405 stm32f411 stm32g0b1 stm32l4r5 stm32h743 stm32u575'.split(' ');

const directory = mkdtempSync(join(tmpdir(), 'bonsaic-bench-'));
console.log(
  '| board | baud | there and back s | bytes on the line | erase and programming | all |',
);
console.log('|---|---|---|---|---|---|');
for (const name of boards) {
  const target = loadTarget(name);
  const path = join(directory, `${name}.bin`);
  writeFileSync(path, stm32Image(target, imageBytes));
  const wire = new Wire(makeChip(target));
  let baudRate = 0;
  await flash(path, 'wire', target, {
    open: (line) => {
      baudRate = line.baudRate;
      return wire.open(line);
    },
  });
  const secondsOf = (bytes: number) => (bytes * bitsPerByte) / baudRate;
  const wireSeconds = secondsOf(2 * imageBytes);
  const line = secondsOf(wire.bytes['to chip'] + wire.bytes['to host']) / wireSeconds;
  const all = wire.nowMs / 1000 / wireSeconds;
  const cells = [name, baudRate, wireSeconds.toFixed(1), line.toFixed(3)];
  console.log(`| ${[...cells, (all - line).toFixed(3), all.toFixed(3)].join(' | ')} |`);
}
rmSync(directory, { recursive: true });
