/**
 * A byte stream with a clock, as flash protocols use it: reads have deadlines, and all waiting goes
 * through the transport, so that tests run in virtual time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BonsaiError } from '../../errors.js';
import type { LineSettings, Link, ModemLines } from './link.js';
import { openLink } from './open-link.js';

export interface Transport {
  /** For errors: '/dev/ttyUSB0'. */
  readonly name: string;
  /** Sends bytes in order. @throws BonsaiError 'device' when the line is lost */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * From 1 to `most` bytes, as soon as there are any; none after `timeoutMs`.
   *
   * @throws BonsaiError 'device' when the line is lost
   */
  read(most: number, timeoutMs: number): Promise<Uint8Array>;
  /** Changes the rate after all bytes have left; null where the host cannot (socket://). */
  readonly setBaudRate: ((baudRate: number) => Promise<void>) | null;
  /** Sets both modem lines; null where there are none (a pty answers ENOTTY). */
  readonly setModemLines: ((lines: ModemLines) => Promise<void>) | null;
  /** Milliseconds since any fixed moment. */
  now(): number;
  sleep(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** `count` bytes; fewer when the time is up before. */
export async function readExactly(
  transport: Transport,
  count: number,
  timeoutMs: number,
): Promise<Uint8Array> {
  const end = transport.now() + timeoutMs;
  const bytes = new Uint8Array(count);
  let filled = 0;
  while (filled < count) {
    const some = await transport.read(count - filled, Math.max(0, end - transport.now()));
    if (some.length === 0) break;
    bytes.set(some, filled);
    filled += some.length;
  }
  return bytes.subarray(0, filled);
}

/** Drops what arrives until nothing has come for `quietMs`, at most for `limitMs`. */
export async function dropInput(
  transport: Transport,
  quietMs: number,
  limitMs: number,
): Promise<void> {
  const end = transport.now() + limitMs;
  do {
    if ((await transport.read(4096, quietMs)).length === 0) return;
  } while (transport.now() < end);
}

/** Opens a port (see openLink) as a transport. */
export async function openTransport(port: string, settings: LineSettings): Promise<Transport> {
  return transportOver(await openLink(port, settings));
}

/** The line as a transport, with the clock of this machine. */
export function transportOver(line: Link): Transport {
  const { name, setBaudRate, setModemLines } = line;
  let kept: Uint8Array[] = [];
  let lost: string | null = null;
  let wake = () => {};
  line.onData((bytes) => {
    if (bytes.length > 0) kept.push(bytes);
    wake();
  });
  line.onLost((reason) => {
    lost = reason;
    wake();
  });
  const requireLine = () => {
    if (lost !== null) throw lostLine(name, lost);
  };
  return {
    ...{ name, setBaudRate, setModemLines },
    async write(bytes) {
      requireLine();
      line.write(bytes);
    },
    async read(most, timeoutMs) {
      if (kept.length === 0 && lost === null && timeoutMs > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = () => {};
      }
      const first = kept[0];
      if (first === undefined) {
        requireLine();
        return new Uint8Array();
      }
      kept = first.length > most ? [first.subarray(most), ...kept.slice(1)] : kept.slice(1);
      return first.subarray(0, most);
    },
    now: () => performance.now(),
    sleep: async (ms) => void (await sleep(ms)),
    close: () => line.close(),
  };
}

/** The error after the cable or the power is gone. */
export function lostLine(name: string, reason: string): BonsaiError {
  const hint = 'check the cable and the power supply, then try again';
  return new BonsaiError('device', name, `went away: ${reason}`, hint);
}
