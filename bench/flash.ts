/**
 * Flash and verify of 256 KB on simulated boards, in virtual time: bytes on the line, the chip's own
 * work (erase, programming) and the whole. STM32: relative to the time that the image takes on the line, once
 * there and once back. ESP32: relative to the time that the compressed image takes there, since the chip
 * answers with an MD5. Usage: npx tsx bench/flash.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import type { Chip } from '../src/boards/device/chips/chip.js';
import { EspChip } from '../src/boards/device/chips/esp.js';
import { makeChip } from '../src/boards/device/chips/index.js';
import { flash } from '../src/boards/flash/index.js';
import { loadTarget, type Target } from '../src/boards/target/index.js';
import { espImage, espSettings } from '../test/support/esp.js';
import { stm32Image } from '../test/support/stm32.js';
import { Wire } from '../test/support/wire.js';

const imageBytes = 256 * 1024;
const boards = 'stm32f405 stm32f411 stm32g0b1 stm32l4r5 stm32h743 stm32u575'.split(' ');
const directory = mkdtempSync(join(tmpdir(), 'bonsaic-bench-'));

/** Flashes the image: the wire, and the rate at its end. */
async function measure(target: Target, chip: Chip, image: Uint8Array) {
  const path = join(directory, `${target.name}.bin`);
  writeFileSync(path, image);
  const wire = new Wire(chip);
  let baudRate = 0;
  await flash(path, 'wire', target, {
    foreign: true,
    open: async (line) => {
      const transport = await wire.open(line);
      baudRate = line.baudRate;
      return {
        ...transport,
        setBaudRate: async (rate) => {
          baudRate = rate;
          await transport.setBaudRate?.(rate);
        },
      };
    },
  });
  return { wire, baudRate };
}

/** Bytes on the line and time, relative to the time of `wanted` bytes of so many bits. */
function row(
  name: string,
  { wire, baudRate }: Awaited<ReturnType<typeof measure>>,
  wanted: number,
  bits: number,
): string {
  const secondsOf = (bytes: number) => (bytes * bits) / baudRate;
  const wireSeconds = secondsOf(wanted);
  const line = secondsOf(wire.bytes['to chip'] + wire.bytes['to host']) / wireSeconds;
  const all = wire.nowMs / 1000 / wireSeconds;
  const cells = [name, baudRate, wireSeconds.toFixed(1), line.toFixed(3)];
  return `| ${[...cells, (all - line).toFixed(3), all.toFixed(3)].join(' | ')} |`;
}

const header = (seconds: string) =>
  `| board | baud | ${seconds} | bytes on the line | erase and programming | all |\n|---|---|---|---|---|---|`;

console.log(header('there and back s'));
for (const name of boards) {
  const target = loadTarget(name);
  const measured = await measure(target, makeChip(target), stm32Image(target, imageBytes));
  // 8 data bits, even parity, a start and a stop bit.
  console.log(row(name, measured, 2 * imageBytes, 11));
}

console.log(`\n${header('compressed, there s')}`);
const target = loadTarget('esp32c3');
for (const runsStub of [true, false]) {
  const image = espImage(imageBytes);
  // With content, so that sectors have to be erased.
  const chip = new EspChip(
    { settings: espSettings(target), flashBytes: 2 ** 22, runsStub },
    new Uint8Array(2 ** 22),
  );
  const measured = await measure(target, chip, image);
  const compressed = deflateSync(image, { level: 9 }).length;
  console.log(row(`esp32c3, ${runsStub ? 'stub' : 'ROM'}`, measured, compressed, 10));
}
rmSync(directory, { recursive: true });
