/** The line to a board as the host sees it, and the addresses of ports on a network. */
import { BonsaiError } from '../../errors.js';
import type { Device } from './device.js';

export const defaultBaudRate = 115200;

/** A UART's settings. 8 data bits and 1 stop bit everywhere. */
export interface LineSettings {
  readonly baudRate: number;
  readonly parity: 'none' | 'even';
}

export interface ModemLines {
  readonly dtr: boolean;
  readonly rts: boolean;
}

/** A byte stream in each direction, and what a UART has besides where the host can reach it. */
export interface Link extends Device {
  readonly simulation: null;
  /** Resolves when all bytes have left this machine, or the link is lost. */
  drain(): Promise<void>;
  /**
   * Drains, then changes the rate of both directions; null where the host cannot (socket://).
   *
   * @throws BonsaiError 'device' when the port refuses the rate
   */
  readonly setBaudRate: ((baudRate: number) => Promise<void>) | null;
  /**
   * Sets both modem lines; null where there are none (a pty, socket://).
   *
   * @throws BonsaiError 'device' when the port refuses; behind RFC 2217 also where it has none
   */
  readonly setModemLines: ((lines: ModemLines) => Promise<void>) | null;
}

/** A port behind TCP. */
export interface NetworkPort {
  readonly protocol: 'socket' | 'rfc2217';
  readonly host: string;
  readonly port: number;
}

const schemes = /^(socket|rfc2217):\/\//i;

/** Whether `port` names a TCP port: 'socket://…', 'rfc2217://…'. */
export function isNetworkPort(port: string): boolean {
  return schemes.test(port);
}

/** @throws BonsaiError 'usage' when `text` is not protocol://host:port */
export function parseNetworkPort(text: string): NetworkPort {
  const protocol = schemes.exec(text)?.[1]?.toLowerCase();
  const url = URL.canParse(text) ? new URL(text) : null;
  const port = Number(url?.port);
  const isPlain = url !== null && url.href.replace(/\/$/, '') === `${url.protocol}//${url.host}`;
  if ((protocol !== 'socket' && protocol !== 'rfc2217') || !isPlain || !(port > 0)) {
    const message = 'is not an address of a serial port on a network';
    const hint = 'write socket://HOST:PORT or rfc2217://HOST:PORT, with a port from 1 to 65535';
    throw new BonsaiError('usage', `--port ${text}`, message, hint);
  }
  // An IPv6 address stands in brackets.
  return { protocol, host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port };
}

/** Whether `port` names a boot loader on USB: 'usb', 'usb:SERIAL'. */
export function isUsb(port: string): boolean {
  return /^usb(:|$)/.test(port);
}

/** Whether `port` names a debug probe: 'probe', 'probe:SERIAL'. */
export function isProbe(port: string): boolean {
  return /^probe(:|$)/.test(port);
}

/** The serial number of the probe or the boot loader, or what else its tool takes; null: the one that is there. */
export function selectorOf(port: string): string | null {
  return /^(?:usb|probe):(.+)$/.exec(port)?.[1] ?? null;
}

/** @throws BonsaiError 'usage' for what only flashes: no firmware answers there */
export function requireLine(port: string): void {
  if (!isProbe(port) && !isUsb(port)) return;
  const what = isProbe(port) ? 'a debug probe' : 'a boot loader';
  const hint = `bonsaic flash DIR --port ${port}, then bonsaic profile DIR --port with the board's serial port`;
  throw new BonsaiError('usage', `--port ${port}`, `is ${what}, which can only flash`, hint);
}

/** @throws BonsaiError 'usage' for a text that names no port on any machine */
export function checkPortText(port: string): void {
  if (isNetworkPort(port)) parseNetworkPort(port);
  if (port.trim() !== '') return;
  const hint = 'name a serial port (bonsaic ports lists them), sim, or auto';
  throw new BonsaiError('usage', '--port', 'names no port: its value is empty', hint);
}
