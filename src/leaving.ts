/**
 * What the process owes when it ends, however it ends: paths to remove, processes to end, a cursor to
 * show. One list, which every part of bonsaic adds to before it does what has to be undone.
 *
 * The command line works in a thread of its own (cli/worker.ts). There each change of the list is
 * sent to the main thread (`mirrorTo`), which settles it when that thread has ended or must end. Where
 * there is no such thread (tests, bench/), the list is settled by the end of the process.
 */
import type { ChildProcess } from 'node:child_process';
import { readlinkSync, rmSync } from 'node:fs';

/** What a command leaves behind that ends now, like an error. */
export interface Left {
  readonly where: string;
  readonly message: string;
  readonly hint: string;
}

/** What is to be done at the end, unless it was settled before. */
export type Debt =
  /** Remove a file or a folder. */
  | { readonly owes: 'removal'; readonly path: string }
  /** Remove a symbolic link if it still has this target: others may make one of the same name. */
  | { readonly owes: 'unlink'; readonly path: string; readonly target: string }
  /** End a process and its children: it leads a process group. */
  | { readonly owes: 'end'; readonly pid: number }
  /** Show the cursor of the terminal on stderr. */
  | { readonly owes: 'cursor' };

/** A change of the list, or of what is told at the end. */
export type Change =
  | { readonly id: number; readonly debt: Debt | null }
  | { readonly left: Left | null }
  | { readonly document: PrintedDocument | null };

/** What --json has on standard output. */
export interface PrintedDocument {
  /** The status that its error names; null: it has no error. */
  readonly exit: number | null;
}

export const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const debts = new Map<number, Debt>();
let left: Left | null = null;
let document: PrintedDocument | null = null;
let lastId = 0;
let send: ((change: Change) => void) | null = null;

/** From now on another thread settles what this one owes. */
export function mirrorTo(sendChange: (change: Change) => void): void {
  send = sendChange;
}

/** Takes a change that another thread has sent. */
export function applyChange(change: Change): void {
  if ('left' in change) left = change.left;
  else if ('document' in change) document = change.document;
  else if (change.debt !== null) debts.set(change.id, change.debt);
  else debts.delete(change.id);
}

function make(change: Change): void {
  applyChange(change);
  if (send !== null) send(change);
  else watchProcess();
}

/**
 * Adds to the list. Call it before what has to be undone, so that no moment lies between.
 *
 * @returns a function that takes it off the list: it is done, or was not needed
 */
export function owe(debt: Debt): () => void {
  const id = ++lastId;
  make({ id, debt });
  return () => make({ id, debt: null });
}

/** Ends `child`, which was started with `detached`, unless it ends before. */
export function oweEnd(child: ChildProcess): void {
  if (child.pid === undefined) return;
  const settled = owe({ owes: 'end', pid: child.pid });
  child.once('exit', settled);
}

/** Sets what is told of a command that a signal ends; null: nothing. */
export function tellIfStopped(what: Left | null): void {
  make({ left: what });
}

export const leftBehind = () => left;

/** --json promises one document: a second must not follow. */
export function setPrintedDocument(printed: PrintedDocument | null): void {
  make({ document: printed });
}

export const printedDocument = () => document;

/** Time between the request to end and the end of processes that are owed. */
const endGraceMs = 100;

/** Does all that is owed, at once. What cannot be done is left: the process ends. */
export function settle(): void {
  const all = [...debts.values()];
  debts.clear();
  const ends = all.flatMap((debt) => (debt.owes === 'end' ? [debt.pid] : []));
  for (const pid of ends) signalGroup(pid, 'SIGTERM');
  if (ends.length > 0) pause(endGraceMs);
  for (const pid of ends) signalGroup(pid, 'SIGKILL');
  for (const debt of all) {
    try {
      settleOne(debt);
    } catch {
      // It is gone, or may not be touched any more.
    }
  }
}

function settleOne(debt: Debt): void {
  if (debt.owes === 'removal') {
    // A process that was ended just now may still write there.
    rmSync(debt.path, { recursive: true, force: true, maxRetries: 3 });
  } else if (debt.owes === 'unlink') {
    if (readlinkSync(debt.path) === debt.target) rmSync(debt.path, { force: true });
  } else if (debt.owes === 'cursor') process.stderr.write('\x1b[?25h');
}

function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

/** Waits with the thread at rest. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Takes the request to end in place of an end at once; null: the process ends. */
let takeStop: (() => void) | null = null;

/** From now on a signal calls `listener`, and the process ends by itself. */
export function onStop(listener: () => void): void {
  takeStop = listener;
  if (send === null) watchProcess();
}

/** Asks what runs to end. @returns whether it ends by itself */
export function requestStop(): boolean {
  takeStop?.();
  return takeStop !== null;
}

let isWatching = false;

/** Where no other thread does: a signal without a listener ends a process without its 'exit'. */
function watchProcess(): void {
  const isOwing = debts.size > 0 || takeStop !== null;
  if (isOwing === isWatching) return;
  isWatching = isOwing;
  const change = isOwing ? 'on' : 'off';
  process[change]('exit', settle);
  for (const signal of stopSignals) process[change](signal, stopHere);
}

function stopHere(_: NodeJS.Signals, number: number): void {
  if (!requestStop()) process.exit(128 + number);
}
