/**
 * Serial ports for a thread that is not the main one. The native part of the package serialport polls
 * its ports in the loop of the main thread whatever thread has opened them, so that thread opens them
 * (`serveSerial`), and the other has a link that asks it (`serialOver`).
 */
import type { MessagePort } from 'node:worker_threads';
import { BonsaiError, type ErrorCode } from '../../errors.js';
import { Listeners } from './device.js';
import { holdersOf, namesOf } from './holders.js';
import type { LineSettings, Link, ModemLines } from './link.js';
import type { OpenSerial } from './serial.js';

/** What the other thread asks of the port `link`; `id` names the answer. */
type Request = { readonly link: number; readonly id: number } & (
  | { readonly asks: 'open'; readonly path: string; readonly settings: LineSettings }
  | { readonly asks: 'drain' | 'close' }
  | { readonly asks: 'setBaudRate'; readonly baudRate: number }
  | { readonly asks: 'setModemLines'; readonly lines: ModemLines }
);

type Write = { readonly link: number; readonly write: Uint8Array };

interface Refusal {
  readonly code: ErrorCode;
  readonly where: string;
  readonly message: string;
  readonly hint: string;
}

type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly refusal: Refusal | Error }
  | { readonly link: number; readonly data: Uint8Array }
  | { readonly link: number; readonly lost: string };

/** What is known of a port when it is open. */
interface Opened {
  readonly hasModemLines: boolean;
}

/** Opens ports for the thread at the other end of `port`. */
export function serveSerial(port: MessagePort): void {
  const links = new Map<number, Link>();
  const send = (answer: Answer) => port.postMessage(answer);

  async function open(request: Request & { asks: 'open' }): Promise<Opened> {
    const { openHere } = await import('./serial.js');
    const link = await openHere(request.path, request.settings);
    links.set(request.link, link);
    link.onData((data) => send({ link: request.link, data }));
    link.onLost((lost) => send({ link: request.link, lost }));
    return { hasModemLines: link.setModemLines !== null };
  }

  function answer(request: Request): unknown {
    if (request.asks === 'open') return open(request);
    const link = links.get(request.link);
    if (request.asks === 'setBaudRate') return link?.setBaudRate?.(request.baudRate);
    if (request.asks === 'setModemLines') return link?.setModemLines?.(request.lines);
    if (request.asks === 'close') links.delete(request.link);
    return link?.[request.asks]?.();
  }

  port.on('message', (message: Request | Write) => {
    if ('write' in message) {
      links.get(message.link)?.write(message.write);
      return;
    }
    const { id } = message;
    void Promise.resolve()
      .then(() => answer(message))
      .then(
        (value) => send({ id, value }),
        (error: Error) => send({ id, refusal: refusalOf(error) }),
      );
  });
}

function refusalOf(error: Error): Refusal | Error {
  if (!(error instanceof BonsaiError)) return error;
  const { code, where, message, hint } = error;
  return { code, where, message, hint };
}

function errorOf(refusal: Refusal | Error): Error {
  if (refusal instanceof Error) return refusal;
  return new BonsaiError(refusal.code, refusal.where, refusal.message, refusal.hint);
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A request without what the caller does not know. */
type Asked<R> = R extends unknown ? Omit<R, 'id'> : never;

/** Opens ports through the thread at the other end of `port`. */
export function serialOver(port: MessagePort): OpenSerial {
  const client = new SerialClient(port);
  return (path, settings) => client.open(path, settings);
}

class SerialClient {
  private readonly waiting = new Map<number, Waiting>();
  private readonly listeners = new Map<number, Listeners>();
  private lastId = 0;

  constructor(private readonly port: MessagePort) {
    port.on('message', (answer: Answer) => {
      this.take(answer);
      this.hold();
    });
    this.hold();
  }

  async open(path: string, settings: LineSettings): Promise<Link> {
    const link = ++this.lastId;
    const listeners = new Listeners();
    this.listeners.set(link, listeners);
    const opened = await this.ask<Opened>({ link, asks: 'open', path, settings }).catch((error) => {
      this.forget(link);
      throw error;
    });
    return {
      name: path,
      simulation: null,
      // A view would be sent with the whole buffer behind it.
      write: (bytes) =>
        this.port.postMessage({ link, write: Uint8Array.from(bytes) } satisfies Write),
      onData: (listener) => listeners.onData(listener),
      onLost: (listener) => listeners.onLost(listener),
      drain: () => this.ask({ link, asks: 'drain' }),
      sharers: () => namesOf(holdersOf(path)),
      setBaudRate: (baudRate) => this.ask({ link, asks: 'setBaudRate', baudRate }),
      setModemLines: opened.hasModemLines
        ? (lines) => this.ask({ link, asks: 'setModemLines', lines })
        : null,
      close: () => {
        this.forget(link);
        return this.ask({ link, asks: 'close' });
      },
    };
  }

  private take(answer: Answer): void {
    if ('data' in answer) this.listeners.get(answer.link)?.emitData(answer.data);
    else if ('lost' in answer) {
      const listeners = this.listeners.get(answer.link);
      this.forget(answer.link);
      listeners?.emitLost(answer.lost);
    } else {
      const waiting = this.waiting.get(answer.id);
      this.waiting.delete(answer.id);
      if ('refusal' in answer) waiting?.reject(errorOf(answer.refusal));
      else waiting?.resolve(answer.value);
    }
  }

  private ask<T>(request: Asked<Request>): Promise<T> {
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      this.waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      this.hold();
      this.port.postMessage({ ...request, id });
    });
  }

  private forget(link: number): void {
    this.listeners.delete(link);
    this.hold();
  }

  /** Open ports keep their thread alive, as those of a thread's own do. */
  private hold(): void {
    if (this.waiting.size + this.listeners.size > 0) this.port.ref();
    else this.port.unref();
  }
}
