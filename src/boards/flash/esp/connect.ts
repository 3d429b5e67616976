/** Finds the loader of an ESP32 chip, and enters it where it can be entered. */

import { BonsaiError } from '../../../errors.js';
import type { Transport } from '../../device/transport.js';
import type { SettingsOf } from '../../target/flash.js';
import type { FlashJob } from '../protocol.js';
import { firstFound, type LineStep, setLines } from '../shared/entry.js';
import { EspLoader, hasSetBaudRate } from './loader.js';

export type Job = FlashJob<SettingsOf<'esp-rom'>>;

export interface Connection {
  readonly transport: Transport;
  readonly loader: EspLoader;
  /** Whether its firmware ran until now. */
  readonly wasRunning: boolean;
}

/** The ROM measures the host's rate; it does so up to this one. */
export const firstBaudRate = 115_200;
/** For finding the loader and identifying the chip. */
const identifyMs = 15_000;
/** After the last change of a line. */
const settleMs = 50;
/** The USB controller of the chip leaves the bus for a moment when the chip is reset. */
const reopenMs = 300;
const mostReopens = 10;

/**
 * Both lines are low while they are set. Two transistors: EN is low while only RTS is set, BOOT while only DTR is
 * (the schematics of Espressif's DevKits); the longer wait is for a large capacitor at EN.
 */
const byTransistors = (waitMs: number): readonly LineStep[] => [
  [false, true, 100],
  [true, false, waitMs],
  [false, false, settleMs],
];
/**
 * USB Serial/JTAG controller: DTR alone asks for the loader, RTS alone resets, both do nothing, none
 * takes the request back (Technical Reference Manual; esptool's reset of that name).
 */
const byUsb: readonly LineStep[] = [
  [false, false, 100],
  [true, false, 100],
  [true, true, 0],
  [false, true, 100],
  [false, false, settleMs],
];
const entries = [byTransistors(50), byTransistors(550), byUsb];

/** @throws BonsaiError 'flash' when no loader answers */
export async function connect(job: Job): Promise<Connection> {
  const found = await firstFound<Connection>(job, [
    ['is the loader there?', () => tryOn(job, (line) => synchronize(line, job))],
    [
      'no; asking running firmware to restart in it',
      async () => {
        if (!(await job.restart())) return null;
        const found = await tryOn(job, (line) => synchronize(line, job), mostReopens);
        return found && { ...found, wasRunning: true };
      },
    ],
    ['no; resetting the board by DTR and RTS', () => tryOn(job, enterByLines)],
    [
      'no answer yet; waiting fifteen seconds for a board that may be busy: or hold BOOT while you press RESET',
      () => tryOn(job, (line) => waitForErase(line, job)),
    ],
  ]);
  if (found !== null) return found;
  throw new BonsaiError(
    'flash',
    job.port,
    'no loader of an ESP32 chip answers, and no firmware of bonsaic that could restart in it',
    'hold BOOT while you press and release RESET, then try again; ' +
      `targets/${job.target.name}/README.md has the pins. Are RX and TX crossed?`,
  );
}

/**
 * Opens the port; it stays open if the loader is found.
 *
 * @param reopens how often a port is opened again that is not there, or goes away
 */
async function tryOn(
  { open, sleep }: Job,
  find: (transport: Transport) => Promise<EspLoader | null>,
  reopens = 0,
): Promise<Connection | null> {
  for (let i = 0; ; i++) {
    let transport: Transport | null = null;
    let loader: EspLoader | null = null;
    // The line's own clock, if there is a line.
    let wait: (ms: number) => Promise<unknown> = sleep;
    try {
      transport = await open({ baudRate: firstBaudRate, parity: 'none' });
      wait = transport.sleep;
      loader = await find(transport);
      return loader && { transport, loader, wasRunning: false };
    } catch (error) {
      if (!(error instanceof BonsaiError) || i >= reopens) throw error;
    } finally {
      if (loader === null) await transport?.close();
    }
    await wait(reopenMs);
  }
}

/** Whether a loader answers at a port that has left the bus, and may come back. */
export async function returnsInLoader(job: Job): Promise<boolean> {
  const found = await tryOn(job, (line) => synchronize(line, job), mostReopens);
  await found?.transport.close();
  return found !== null;
}

function loaderAt(transport: Transport, baudRate: number): EspLoader {
  return new EspLoader(transport, baudRate, transport.now() + identifyMs);
}

/** At the first rate, or at one that another session has set. */
async function synchronize(transport: Transport, { settings }: Job): Promise<EspLoader | null> {
  for (const baudRate of [firstBaudRate, ...settings.baudRates]) {
    if (baudRate !== firstBaudRate && !(await hasSetBaudRate(transport, baudRate))) continue;
    const loader = loaderAt(transport, baudRate);
    if (await loader.synchronize(4)) return loader;
  }
  return null;
}

async function enterByLines(transport: Transport): Promise<EspLoader | null> {
  for (const steps of entries) {
    if (!(await setLines(transport, steps))) return null;
    const loader = loaderAt(transport, firstBaudRate);
    if (await loader.synchronize(4)) return loader;
  }
  return null;
}

/** Another session may have ended in an erase, during which the chip hears nothing. */
async function waitForErase(transport: Transport, job: Job): Promise<EspLoader | null> {
  for (const pauseMs of [1000, 2000, 4000]) {
    await transport.sleep(pauseMs);
    await hasSetBaudRate(transport, firstBaudRate);
    const loader = await synchronize(transport, job);
    if (loader !== null) return loader;
  }
  return null;
}

/** A reset by the lines with BOOT high. @returns false where the port has no modem lines */
export function resetByLines(transport: Transport): Promise<boolean> {
  return setLines(transport, [
    [false, true, 100],
    [false, false, settleMs],
  ]);
}
