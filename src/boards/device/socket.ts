/** A board behind a TCP port: bytes alone, at whatever rate the other end has set. */
import { connect, type Socket } from 'node:net';
import { BonsaiError } from '../../errors.js';
import { Listeners } from './device.js';
import type { Link, NetworkPort } from './link.js';

/** How long a server may take to accept. */
const connectMs = 5_000;
/** How long it may take to receive the last bytes. */
const closeMs = 1_000;

/** @throws BonsaiError 'device' when nobody accepts the connection */
export async function openSocket(name: string, address: NetworkPort): Promise<Link> {
  const socket = await connectTo(name, address);
  const listeners = new Listeners();
  let said = '';
  socket.on('data', (bytes: Buffer) => {
    said = `${said}${bytes.toString('latin1')}`.slice(0, longestWords + 1);
    listeners.emitData(new Uint8Array(bytes));
  });
  let closing = false;
  onEnd(socket, (reason) => {
    if (!closing) listeners.emitLost(`${name} ${reason}${wordsOf(said)}`);
  });
  const writer = writerTo(socket);
  return {
    name,
    simulation: null,
    ...writer,
    onData: (listener) => listeners.onData(listener),
    onLost: (listener) => listeners.onLost(listener),
    setBaudRate: null,
    setModemLines: null,
    close() {
      closing = true;
      return writer.close();
    },
  };
}

/** A server that refuses a second client says so in a line, and closes. */
const longestWords = 100;

/** '; it says "…"' for a line of text, '' for anything else. */
export function wordsOf(said: string): string {
  const isLine = said.length <= longestWords && /^[\x20-\x7e]+\s*$/.test(said);
  return isLine ? `; it says "${said.trim()}"` : '';
}

/**
 * Calls the listener with the reason when a connection has ended and all of its bytes have been
 * read: an error of writing may come before a server's last words.
 */
export function onEnd(socket: Socket, listener: (reason: string) => void): void {
  let reason = 'was closed by the other end';
  socket.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code !== 'EPIPE' && code !== 'ECONNRESET') reason = `failed: ${message}`;
  });
  socket.on('close', () => listener(reason));
}

/** What links over TCP share. */
export function writerTo(socket: Socket): Pick<Link, 'write' | 'drain' | 'close'> {
  return {
    write(bytes) {
      if (socket.writable) socket.write(Buffer.from(bytes));
    },
    // The callback of an empty write comes after those of all writes before it.
    drain: () =>
      socket.writable
        ? new Promise<void>((resolve) => socket.write('', () => resolve()))
        : Promise.resolve(),
    async close() {
      if (socket.destroyed) return;
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      // What has been written still goes out, unless the other end does not take it.
      socket.destroySoon();
      const impatience = setTimeout(() => socket.destroy(), closeMs);
      await closed;
      clearTimeout(impatience);
    },
  };
}

const hints: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nobody listens there: start the server (ser2net), and check host and port'],
  ['ENOTFOUND', 'there is no host of that name'],
  ['EAI_AGAIN', 'the name server does not answer: check the network'],
  ['ETIMEDOUT', 'the host does not answer: is it on, and does a firewall let the port through?'],
  ['EHOSTUNREACH', 'the host does not answer: is it on, and in this network?'],
  ['ENETUNREACH', 'this machine has no network to that host'],
]);

/** @throws BonsaiError 'device' */
export function connectTo(name: string, { host, port }: NetworkPort): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  return new Promise((resolve, reject) => {
    const fail = (message: string, code = '') => {
      clearTimeout(impatience);
      socket.destroy();
      const hint = hints.get(code) ?? 'check host, port and network';
      reject(new BonsaiError('device', name, `cannot connect: ${message}`, hint));
    };
    const impatience = setTimeout(
      () => fail(`no answer within ${connectMs / 1000} s`, 'ETIMEDOUT'),
      connectMs,
    );
    const refused = (error: NodeJS.ErrnoException) => fail(error.message || 'refused', error.code);
    socket.once('error', refused);
    socket.once('connect', () => {
      clearTimeout(impatience);
      socket.off('error', refused);
      resolve(socket);
    });
  });
}
