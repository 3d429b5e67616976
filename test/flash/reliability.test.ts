/**
 * Faults of the line while boards are flashed. docs/reliability.md has the outcomes:
 * `UPDATE_GOLDEN=1` writes its table.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Chip } from '../../src/boards/device/chips/chip.js';
import { makeChip } from '../../src/boards/device/chips/index.js';
import { stm32Chip } from '../../src/boards/device/chips/stm32.js';
import type { FlashTarget } from '../../src/boards/flash/protocol.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { espImage } from '../support/esp.js';
import { checkTable } from '../support/fault-rows.js';
import { flash } from '../support/flash.js';
import { type FlashedBoard, faultRows } from '../support/flash-faults.js';
import { nrf52Image } from '../support/nrf52.js';
import { pageBytes, smallBoard, stm32Image } from '../support/stm32.js';
import type { Wire } from '../support/wire.js';

const longestMs = 120_000;

/** More than a page of stm32g0b1, so that faults meet erases, blocks and a short last block. */
function stm32(name: string, imageBytes: number, directory: string): FlashedBoard {
  const target = loadTarget(name);
  const image = stm32Image(target, imageBytes);
  const answers = { yes: 0x79, no: 0x1f };
  return { makeChip: () => makeChip(target), answers, ...flashed(name, image, directory) };
}

/** An image that fills the first bank and begins the second, whose pages have their other numbers. */
function twoBanks(directory: string): FlashedBoard {
  const { settings, target } = smallBoard();
  const image = stm32Image(target, 2 * pageBytes + 300);
  const old = new Uint8Array(4 * pageBytes).fill(0x55);
  const answers = { yes: 0x79, no: 0x1f };
  const makeBankedChip = () => stm32Chip(settings, old, { countsOtherwise: true });
  return { makeChip: makeBankedChip, answers, ...flashed('two-banks', image, directory, target) };
}

/**
 * Two sectors. An answer says yes by zeros and no by a 1, and has zeros elsewhere as well, which the
 * fault does not tell apart.
 */
function esp(name: string, directory: string): FlashedBoard {
  const answers = { yes: 0, no: 1 };
  const makeEspChip = () => makeChip(loadTarget(name));
  return { makeChip: makeEspChip, answers, ...flashed(name, espImage(5_000), directory) };
}

/** A page and a part of another. */
function nrf(name: string, directory: string): FlashedBoard {
  const target = loadTarget(name);
  const answers = { yes: 1, no: 8 };
  const image = nrf52Image(target, 4_500);
  return { makeChip: () => makeChip(target), answers, ...flashed(name, image, directory) };
}

/**
 * A page and a part of another. No answer says no: the fault makes the number 1 of each 2, which
 * the checksum of the answer tells. Firmware that has started tells its build.
 */
function adafruit(name: string, directory: string): FlashedBoard {
  const target = loadTarget(name);
  const image = nrf52Image(target, 4_500);
  const [modelSha256, tag] = [new Uint8Array(32).fill(0xa5), Uint8Array.of(0xa5, 1, 0xa5, 2)];
  image.set([...Buffer.from(`bonsaic ${name}\0`), ...modelSha256, ...tag], 1_000);
  const path = join(directory, `${name}.bin`);
  writeFileSync(path, image);
  const holds = ({ flash: cells }: Chip) =>
    Buffer.compare(cells.subarray(0, image.length), image) === 0;
  const greeting = { modelSha256, tag };
  return {
    makeChip: () => makeChip(target),
    answers: { yes: 2 << 3, no: 1 << 3 },
    flash: (wire: Wire) =>
      flash(path, 'socket://wire:1', target, {
        ...{ open: wire.open, sleep: wire.sleep },
        greet: async () => (wire.chip.started !== null && holds(wire.chip) ? greeting : null),
      }),
    ...{ holds, longestMs },
  };
}

function flashed(
  name: string,
  image: Uint8Array,
  directory: string,
  target: FlashTarget = loadTarget(name),
) {
  const path = join(directory, `${name}.bin`);
  writeFileSync(path, image);
  return {
    flash: (wire: Wire) => flash(path, 'wire', target, { open: wire.open, sleep: wire.sleep }),
    holds: ({ flash: cells }: Chip) => Buffer.compare(cells.subarray(0, image.length), image) === 0,
    longestMs,
  };
}

describe('flash: faults: each of 200 seeds ends done or with an error, the next attempt succeeds', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-faults-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('STM32', async () => {
    const rows: (readonly (string | number)[])[] = [];
    for (const name of ['stm32g0b1', 'stm32f405']) {
      rows.push(...(await faultRows(name, stm32(name, 2_300, directory))));
    }
    rows.push(...(await faultRows('stm32g0b1, two banks of 4 KB', twoBanks(directory))));
    checkTable('faults', rows);
  });

  it('ESP32', async () => {
    checkTable('esp faults', await faultRows('esp32c3', esp('esp32c3', directory)));
  });

  it('nRF52', async () => {
    const board = nrf('nrf52840-dongle', directory);
    checkTable('nrf faults', await faultRows('nrf52840-dongle', board));
  });

  it('nRF52, Adafruit', async () => {
    const board = adafruit('nrf52840-uf2', directory);
    checkTable('adafruit faults', await faultRows('nrf52840-uf2, serial', board));
  });
});
