/** Locks on output directories, so that one process at a time works in each. */
import { readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BonsaiError } from '../errors.js';
import { makeFolders } from '../files.js';

/** How long to wait for another process. */
const patienceMs = 10_000;
const pollMs = 50;

/** Lock → number of claims of this process. */
const held = new Map<string, number>();

/**
 * Waits until no other process works in `place`, then locks it. The lock of a process that was
 * killed is ignored.
 *
 * @param place the directory's real path. There is no lock where nothing can be written beside it.
 * @returns a function that releases the lock
 * @throws BonsaiError 'usage' when another process keeps the lock for 10 s
 */
export function claim(place: string): () => void {
  // A symbolic link is created atomically, with the process id as its target.
  const lock = join(dirname(place), `.${basename(place)}.bonsaic-lock`);
  const already = held.get(lock) ?? 0;
  if (already === 0 && !take(lock, place)) return () => {};
  held.set(lock, already + 1);
  return () => {
    const left = (held.get(lock) ?? 1) - 1;
    if (left > 0) held.set(lock, left);
    else if (held.delete(lock)) rmSync(lock, { force: true });
  };
}

const atExit: (() => void)[] = [];

/** As claim, until the process ends. */
export function claimUntilExit(place: string): void {
  if (atExit.length === 0) process.once('exit', () => atExit.forEach((release) => void release()));
  atExit.push(claim(place));
}

function take(lock: string, place: string): boolean {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    try {
      makeFolders(dirname(lock));
      symlinkSync(String(process.pid), lock);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
    const holder = holderOf(lock);
    if (holder === null) continue;
    // This process's id without a claim of its own: left by an earlier process with the same id.
    if (holder === process.pid || !isAlive(holder)) {
      removeStale(lock);
      continue;
    }
    if (waitedMs >= patienceMs) {
      throw new BonsaiError(
        'usage',
        place,
        `process ${holder} works in it`,
        `wait until it has ended; if it is not bonsaic, remove ${lock}`,
      );
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pollMs);
  }
}

/** Renames the lock first: of two processes that find it, only one succeeds. */
function removeStale(lock: string): void {
  const mine = `${lock}-${process.pid}`;
  try {
    renameSync(lock, mine);
    rmSync(mine, { force: true });
  } catch {
    // Another process has removed it.
  }
}

/** The process id in a lock; null if the lock was released in the meantime. */
function holderOf(lock: string): number | null {
  try {
    return Number(readlinkSync(lock)) || 0;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
