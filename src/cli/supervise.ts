/**
 * The main thread: it has the command line run in a thread of its own (worker.ts), hears signals at
 * any moment, and does what is owed when the command ends, by itself or not.
 */
import { closeSync } from 'node:fs';
import { extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { getHeapStatistics } from 'node:v8';
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  SHARE_ENV,
  Worker,
} from 'node:worker_threads';
import { serveSerial } from '../boards/device/serial-bridge.js';
import { BonsaiError } from '../errors.js';
import { applyChange, type Change, printedDocument, settle } from '../leaving.js';
import { reportError, reportStop, watchOutput } from './output.js';

/** A signal that the process got. */
export interface Heard {
  readonly signal: NodeJS.Signals;
  readonly number: number;
}

/** Signals from the first line of the program on. */
export interface Signals {
  /** The first that came; null: none. */
  heard: Heard | null;
  /** Called with each. */
  tell: (heard: Heard) => void;
}

export interface WorkerData {
  readonly args: readonly string[];
  readonly ledger: MessagePort;
  readonly serial: MessagePort;
}

/** 'heard': requests to end have an effect from now on. 'taken': what runs ends by itself. */
export type ToMain = { readonly change: Change } | { readonly stop: 'heard' | 'taken' };

export interface FromMain {
  readonly what: 'stop' | 'resize';
}

/** From a signal on: to the end of a thread that does not listen, and of one that saves or prints. */
const graceMs = { asked: 500, taken: 1200 };
/** From there on: to the end of a thread that native code keeps. */
const nativeGraceMs = 300;
/** For a reader of standard output that is slow. */
const flushMs = 200;

/** From a signal to the end of the process at most, but for processes and folders that are removed. */
export const longestEndMs = graceMs.taken + nativeGraceMs + flushMs;

/** Runs a command line without the program's name; ends the process. */
export async function supervise(args: readonly string[], signals: Signals): Promise<never> {
  const asked = { json: args.includes('--json') };
  watchOutput();
  const command = new Supervised(args);
  process.on('uncaughtException', (error) => {
    command.settle();
    end(reportError(error, asked));
  });
  signals.tell = (heard) => {
    if (signals.heard === heard) void command.stop();
    else command.abandon();
  };
  if (signals.heard !== null) void command.stop();
  const status = await command.ended;
  command.settle();
  const { heard } = signals;
  if (heard === null || command.endsByItself) {
    end(command.fault === null ? (status ?? 0) : reportError(command.fault, asked));
  }
  const exit = reportStop(heard.signal, heard.number, asked);
  await flush();
  if (status !== null) end(exit);
  // A thread in native code would keep `exit` waiting.
  return endBySignal(heard.signal);
}

const terminals = [0, 1, 2].filter(isatty);

/** Node ends by SIGSEGV where it cannot set back a terminal that was closed; it leaves a closed descriptor alone. */
function end(status: number): never {
  for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
  process.exit(status);
}

/** Ends at once, as a process does that does not listen; to a shell that is 128 + the number, too. */
function endBySignal(signal: NodeJS.Signals): Promise<never> {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  return new Promise(() => {});
}

async function flush(): Promise<void> {
  const flushed = [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((resolve) => stream.write('', () => resolve())),
  );
  await Promise.race([Promise.all(flushed), sleep(flushMs)]);
}

class Supervised {
  /** Its exit status; null: it does not end. */
  readonly ended: Promise<number | null>;
  /** What ended it without a status of its own. */
  fault: Error | null = null;
  /** Whether it has taken the request to end, and its status is the command's. */
  endsByItself = false;
  private isListening = false;
  private readonly worker: Worker;
  private readonly ledger: MessagePort;
  private giveUp: () => void = () => {};

  constructor(args: readonly string[]) {
    const ledger = new MessageChannel();
    const serial = new MessageChannel();
    this.ledger = ledger.port1;
    this.ledger.on('message', (message: ToMain) => this.take(message));
    serveSerial(serial.port1);
    const workerData: WorkerData = { args, ledger: ledger.port2, serial: serial.port2 };
    this.worker = new Worker(workerUrl(), {
      workerData,
      transferList: [ledger.port2, serial.port2],
      argv: [...args],
      env: SHARE_ENV,
      // streams.ts replaces them in the thread, and Node 22 fails there if this one reads its own.
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes() },
    });
    this.ended = new Promise((resolve) => {
      this.giveUp = () => resolve(null);
      this.worker.once('exit', resolve);
    });
    this.worker.once('error', (error: NodeJS.ErrnoException) => {
      this.fault = error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? outOfMemory() : error;
    });
    process.on('SIGWINCH', () => this.ask('resize'));
  }

  /** Has it end: by itself if it listens within its grace. */
  async stop(): Promise<void> {
    if (this.isListening) {
      this.ask('stop');
      await sleep(graceMs.asked);
      const isBusy = this.endsByItself || printedDocument() !== null;
      if (isBusy) await sleep(graceMs.taken - graceMs.asked);
    }
    this.endsByItself = false;
    void this.worker.terminate();
    await sleep(nativeGraceMs);
    this.abandon();
  }

  /** Waits no longer. */
  abandon(): void {
    this.endsByItself = false;
    this.giveUp();
  }

  /** Does what it owes. */
  settle(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.ledger) as { message: ToMain } | undefined;
      if (received === undefined) break;
      this.take(received.message);
    }
    settle();
  }

  private ask(what: FromMain['what']): void {
    this.worker.postMessage({ what } satisfies FromMain);
  }

  private take(message: ToMain): void {
    if ('change' in message) applyChange(message.change);
    else if (message.stop === 'heard') this.isListening = true;
    else this.endsByItself = true;
  }
}

/** The thread's module. From the sources tsx loads it, which registers itself in main threads alone. */
function workerUrl(): URL {
  const extension = extname(import.meta.url);
  const { href } = new URL(`./worker${extension}`, import.meta.url);
  if (extension !== '.ts') return new URL(href);
  const tsx = import.meta.resolve('tsx/esm/api');
  return new URL(
    `data:text/javascript,import { register } from '${tsx}'; register(); await import('${href}');`,
  );
}

/** As much as the main thread may have: Node's choice for this machine, or what NODE_OPTIONS says. */
function heapMegabytes(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / 2 ** 20);
}

function outOfMemory(): BonsaiError {
  const megabytes = heapMegabytes();
  return new BonsaiError(
    'too-large',
    'memory',
    `the command needs more than the ${megabytes} MB that Node gives it`,
    `if the machine has more: NODE_OPTIONS=--max-old-space-size=${2 * megabytes}; otherwise a smaller model, or fewer samples`,
  );
}
