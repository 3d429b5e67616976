/**
 * The loader in the ROM of an ESP32 chip, over a UART or the chip's own USB, for images that the chip
 * starts in place. It is entered by hand (BOOT low during a reset), by DTR and RTS, by the command of
 * firmware that is running, or it is there already. Then Espressif's flasher stub takes over, if the
 * chip lets it: it erases and programs while it receives.
 */
import { BonsaiError } from '../../errors.js';
import {
  type Connection,
  connect,
  type Job,
  resetByLines,
  returnsInLoader,
} from './esp/connect.js';
import { checkImage } from './esp/image.js';
import { Trouble } from './esp/loader.js';
import { readStub } from './esp/stub.js';
import { longestEraseMs, Writer } from './esp/writer.js';
import type { FlashProtocol } from './protocol.js';
import { stopped } from './shared/entry.js';
import { requireRoom } from './shared/image.js';

/** Flags of GET_SECURITY_INFO. */
const [hasSecureBoot, hasSecureDownload] = [1, 4];
/** The whole may take so many times what it takes on a line without faults. */
const patience = 4;
/** The watchdog resets the chip after 15 ms. */
const watchdogMs = 40;
/** For the start, with all attempts. */
const startMs = 15_000;

export const espRom: FlashProtocol<'esp-rom'> = {
  async flash(job) {
    checkImage(job);
    const connection = await connect(job);
    try {
      await prepareOrResume(connection, job);
      await write(connection, job);
      await start(connection, job);
    } catch (error) {
      throw error instanceof Trouble ? failed(job, error.message) : error;
    } finally {
      await connection.transport.close();
    }
    return job.image.bytes.length;
  },
};

/** A board that is refused goes on with what it has, where it can be reset. */
async function prepareOrResume(connection: Connection, job: Job): Promise<void> {
  let isKnown = false;
  try {
    await identify(connection, job);
    isKnown = true;
    await checkRevision(connection, job);
    await prepare(connection, job);
  } catch (error) {
    // Of an unknown chip the registers are not known.
    const resumes =
      isKnown && connection.wasRunning
        ? resetByWatchdog(connection, job)
        : resetByLines(connection.transport);
    await resumes.catch(() => {});
    throw error;
  }
}

const refusal = (port: string, what: string, hint: string) =>
  new BonsaiError('flash', port, `${what}: nothing was erased`, hint);

/** @throws BonsaiError 'flash' for another chip, or a protected one */
async function identify({ loader }: Connection, { port, target, settings }: Job): Promise<void> {
  const other = 'bonsaic targets lists the boards';
  const info = await loader.securityInfo().catch((error: unknown) => {
    if (!(error instanceof Trouble) || error.code === null) throw error;
    const what = `does not tell its id, as ESP32, ESP32-S2 and ESP8266 do not; ${target.name} does`;
    throw refusal(port, what, other);
  });
  if (info.chipId !== settings.chipId) {
    const what = `is a chip with the id ${info.chipId}; ${target.name} has ${settings.chipId}`;
    throw refusal(port, what, other);
  }
  const isEncrypted = bitsOf(info.encryptionBits) % 2 === 1;
  const locks: [boolean, string][] = [
    [(info.flags & hasSecureBoot) !== 0, 'secure boot'],
    [(info.flags & hasSecureDownload) !== 0, 'secure download mode'],
    [isEncrypted, 'flash encryption'],
  ];
  const on = locks.flatMap(([isOn, name]) => (isOn ? [name] : []));
  if (on.length > 0) {
    const what = `has ${on.join(' and ')} on, with which it does not start images of bonsaic`;
    throw refusal(port, what, 'use another board: these fuses cannot be undone');
  }
}

/** @throws BonsaiError 'flash' for a chip that is too old to start images in place */
async function checkRevision({ loader }: Connection, { port, settings }: Job): Promise<void> {
  const block1 = Number(settings.registers.efuseBlock1);
  const { major, minor } = settings.revision;
  const words = new Map<number, number>();
  for (const { word } of [...minor, ...major]) {
    if (!words.has(word)) words.set(word, await loader.readRegister(block1 + 4 * word));
  }
  const revision = numberOf(major, words) * 100 + numberOf(minor, words);
  if (revision >= settings.minRevision) return;
  const what = `is a chip of revision ${versionOf(revision)}, which does not start images in place`;
  const hint = `use a board with revision ${versionOf(settings.minRevision)} or later`;
  throw refusal(port, what, hint);
}

/** The number whose bits are in these fields of words, the lowest first. */
function numberOf(
  fields: Job['settings']['revision']['major'],
  words: ReadonlyMap<number, number>,
): number {
  let [number, width] = [0, 0];
  for (const { word, shift, bits } of fields) {
    const found = (words.get(word) ?? 0) >>> shift;
    number += (found & (2 ** bits - 1)) << width;
    width += bits;
  }
  return number;
}

const versionOf = (revision: number) => `v${Math.floor(revision / 100)}.${revision % 100}`;

function bitsOf(value: number): number {
  return [1, 2, 4, 8, 16, 32, 64, 128].filter((bit) => (value & bit) !== 0).length;
}

/** Watchdogs, rate, stub and flash; none of it changes the flash. */
async function prepare(connection: Connection, job: Job): Promise<void> {
  const { loader, transport } = connection;
  const { settings, image } = job;
  const { watchdog, superWatchdog } = settings;
  if (!loader.isStub) {
    for (const baudRate of settings.baudRates) {
      if (await loader.changeBaudRate(baudRate)) break;
    }
    // Over USB a reset leaves the watchdogs of the firmware running.
    await loader.writeRegister(Number(watchdog.protect), Number(watchdog.key));
    await loader.writeRegister(Number(watchdog.config), 0);
    await loader.writeRegister(Number(watchdog.protect), 0);
    const feedsItself = Number(superWatchdog.feedsItself);
    await loader.writeRegister(Number(superWatchdog.protect), Number(superWatchdog.key));
    await loader.writeRegister(Number(superWatchdog.config), feedsItself, feedsItself);
    await loader.writeRegister(Number(superWatchdog.protect), 0);
    await loader.startStub(readStub(settings.stub));
  }
  await loader.attachFlash();
  const flashBytes = await flashBytesOf(connection, job);
  requireRoom(image.path, image.bytes.length, flashBytes, 'the board');
  await loader.setFlashBytes(flashBytes);
  loader.deadlineMs = transport.now() + patience * expectedMs(image.bytes.length);
}

/** @throws BonsaiError 'flash' when no flash answers, three times */
async function flashBytesOf({ loader }: Connection, { settings, port }: Job): Promise<number> {
  for (let i = 0; i < 3; i++) {
    const id = await loader.flashId(Number(settings.registers.spi));
    const capacity = capacities.get(id >>> 16);
    if (capacity !== undefined) return capacity;
  }
  const hint = 'is the board a module without flash?';
  throw new BonsaiError('flash', port, 'the flash of the board does not answer', hint);
}

/**
 * Bytes by the third byte of a JEDEC id: most makers give the power of two, some count from 0x32 for
 * 256 KB, or go on at 0x20 with 64 MB (esptool's DETECTED_FLASH_SIZES).
 */
const capacities: ReadonlyMap<number, number> = new Map(
  [18, 19, 20, 21, 22, 23, 24, 25, 26].flatMap((power) => [
    [power, 2 ** power],
    [power + 32, 2 ** power],
    ...(power === 26 ? [[32, 2 ** power] as const] : []),
  ]),
);

/** The time for all, erases at their longest, at the lowest rate. */
function expectedMs(bytes: number): number {
  return 10_000 + longestEraseMs(bytes) + (bytes * 1.1 * 10 * 1000) / 115_200;
}

async function write({ loader, transport }: Connection, job: Job): Promise<void> {
  const { image, progress } = job;
  const checkTime = () => {
    if (transport.now() > loader.deadlineMs) {
      throw failed(job, 'takes too long: the line loses bytes');
    }
  };
  const tell = (bytes: number) => progress(bytes, image.bytes.length);
  await new Writer(loader, image.bytes, tell, checkTime).run();
  progress(image.bytes.length, image.bytes.length);
}

/** Starts the image. @throws BonsaiError 'flash' when the board stays in its loader */
async function start(connection: Connection, job: Job): Promise<void> {
  const { loader, transport } = connection;
  loader.deadlineMs = transport.now() + startMs;
  const byWatchdog = () => resetByWatchdog(connection, job);
  const byLines = () => resetByLines(transport);
  for (const reset of [byWatchdog, byWatchdog, byWatchdog, byLines, byWatchdog]) {
    const state = await stateAfter(reset, connection, job);
    if (state === 'started') return;
    if (state === 'port returned') break;
  }
  throw new BonsaiError(
    'flash',
    job.port,
    'the image is written and verified, but the board stays in its loader',
    'press RESET without BOOT; then: bonsaic profile DIR',
  );
}

/** The image has started if no loader answers any more. */
async function stateAfter(
  reset: () => Promise<unknown>,
  { loader, transport }: Connection,
  job: Job,
): Promise<'started' | 'in the loader' | 'port returned'> {
  try {
    const isClean = await reset().then(
      () => true,
      (error: unknown) => {
        if (error instanceof Trouble) return false;
        throw error;
      },
    );
    await transport.sleep(watchdogMs);
    return (await loader.synchronize(isClean ? 2 : 6)) ? 'in the loader' : 'started';
  } catch (error) {
    // The chip's own USB leaves the bus when the chip is reset, and comes back.
    if (!(error instanceof BonsaiError)) throw error;
    return (await returnsInLoader(job)) ? 'port returned' : 'started';
  }
}

/**
 * The watchdog's reset is the only one from inside after which the chip looks at its boot pins: the reset by
 * USB leaves them as they were sampled (Technical Reference Manual, 'Chip Boot Control').
 */
async function resetByWatchdog({ loader }: Connection, { settings }: Job): Promise<void> {
  const { registers, watchdog } = settings;
  await loader.writeRegister(Number(registers.downloadBoot), 0, 1);
  await loader.pokeOnce(Number(watchdog.protect), Number(watchdog.key));
  await loader.pokeOnce(Number(watchdog.ticks), watchdog.resetTicks);
  await loader.pokeOnce(Number(watchdog.config), Number(watchdog.resets));
  await loader.pokeOnce(Number(watchdog.protect), 0);
}

function failed({ port }: Job, what: string): BonsaiError {
  return stopped(port, what, 'check the cable, hold BOOT while you press RESET, and try again');
}
