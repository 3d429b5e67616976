/** A board on a serial port, by the package serialport. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SerialPort } from 'serialport';
import { BonsaiError } from '../../errors.js';
import { openError, refusalOf, requireNoLockFile } from './access.js';
import { Listeners } from './device.js';
import { holdersOf, namesOf } from './holders.js';
import type { LineSettings, Link } from './link.js';
import { missingPort } from './missing-port.js';

/** Opens a port. */
export type OpenSerial = (path: string, settings: LineSettings) => Promise<Link>;

let open: OpenSerial = openHere;

/** From now on another thread opens the ports: see serial-bridge.ts. */
export function openSerialBy(other: OpenSerial): void {
  open = other;
}

/**
 * @param path '/dev/ttyACM0', or any terminal device, ptys included
 * @throws BonsaiError 'device' with a hint when the port does not exist, is busy or not permitted
 */
export const openSerial: OpenSerial = (path, settings) => open(path, settings);

/** Only in the main thread: the package polls its ports in that thread's loop. */
export async function openHere(path: string, settings: LineSettings): Promise<Link> {
  const port = await openPort(path, settings);
  const listeners = new Listeners();
  let closing = false;
  port.on('data', (bytes: Buffer) => listeners.emitData(new Uint8Array(bytes)));
  port.on('close', (error: Error | null) => {
    if (!closing) listeners.emitLost(`${path} was closed${error ? ` (${error.message})` : ''}`);
  });
  port.on('error', (error: Error) => listeners.emitLost(`${path}: ${error.message}`));
  /** Calls a method of the port that ends with a callback. */
  const call = (what: string, work: (done: (error: Error | null) => void) => void) =>
    new Promise<void>((resolve, reject) => {
      work((error) => (error ? reject(refusedBy(path, what, error)) : resolve()));
    });
  const drain = () =>
    port.isOpen ? new Promise<void>((resolve) => port.drain(() => resolve())) : Promise.resolve();
  const hasModemLines = await call('get', (done) => port.get(done)).then(
    () => true,
    () => false,
  );
  return {
    name: path,
    simulation: null,
    write(bytes) {
      if (port.isOpen) port.write(Buffer.from(bytes));
    },
    onData: (listener) => listeners.onData(listener),
    onLost: (listener) => listeners.onLost(listener),
    drain,
    // The lock keeps out only programs that ask for it.
    sharers: () => namesOf(holdersOf(path)),
    async setBaudRate(baudRate) {
      // The change discards what the kernel has not sent yet.
      await drain();
      await call(`${baudRate} baud`, (done) => port.update({ baudRate }, done));
    },
    setModemLines: hasModemLines
      ? (lines) => call('DTR and RTS', (done) => port.set(lines, done))
      : null,
    async close() {
      closing = true;
      if (port.isOpen) await new Promise<void>((resolve) => port.close(() => resolve()));
    },
  };
}

/** A lock that no program has ends by itself: the kernel keeps that of a closed port until its last transfer is over. */
const orphanedLock = { mostMs: 1000, pollMs: 50 };

/** The binding takes an exclusive flock, which the kernel releases even after kill -9. */
async function openPort(path: string, settings: LineSettings): Promise<SerialPort> {
  requireNoLockFile(path);
  // Loaded on use, since it brings a native module that most commands do not need.
  const { SerialPort } = await import('serialport');
  const port = new SerialPort({ path, ...settings, autoOpen: false });
  const tryOnce = () =>
    new Promise<Error | null>((resolve) => {
      port.open((failed) => resolve(failed));
    });
  const isOrphaned = (error: Error) => refusalOf(error) === 'busy' && holdersOf(path).length === 0;
  const { mostMs, pollMs } = orphanedLock;
  let error = await tryOnce();
  for (let ms = 0; ms < mostMs && error !== null && isOrphaned(error); ms += pollMs) {
    await sleep(pollMs);
    error = await tryOnce();
  }
  if (error === null) return port;
  throw refusalOf(error) === 'missing' ? await missingPort(path) : openError(path, error);
}

function refusedBy(path: string, what: string, error: Error): BonsaiError {
  const hint = 'try another baud rate, or another cable or adapter';
  return new BonsaiError('device', path, `refuses ${what}: ${error.message}`, hint);
}
