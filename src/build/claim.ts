/** One process at a time works in an output directory. */
import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BonsaiError } from '../errors.js';

/** Time that another process gets to end its work. */
const patienceMs = 10_000;
const pollMs = 50;

/** Directories that this process works in, and how often it has said so. */
const held = new Map<string, number>();

/**
 * Waits until no other process works in `place`, then keeps others out. A process that was killed
 * keeps nobody out.
 *
 * @param place its real path; where nothing can be written beside it, nobody is kept out
 * @returns what gives it free again
 * @throws BonsaiError 'usage' when another process does not end its work
 */
export function claim(place: string): () => void {
  // A link is made in one step, with the process's number in it.
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
      mkdirSync(dirname(lock), { recursive: true });
      symlinkSync(String(process.pid), lock);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
    const holder = holderOf(lock);
    if (holder === null) continue;
    // Its own number, but not its own claim: of a process before it.
    if (holder === process.pid || !isAlive(holder)) {
      removeStale(lock);
      continue;
    }
    if (waitedMs >= patienceMs) {
      throw new BonsaiError(
        'usage',
        place,
        `process ${holder} works in it`,
        `wait until it has ended; if it is no bonsaic, remove ${lock}`,
      );
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pollMs);
  }
}

/** Of two processes that find the same one only one can move it away. */
function removeStale(lock: string): void {
  const mine = `${lock}-${process.pid}`;
  try {
    renameSync(lock, mine);
    rmSync(mine, { force: true });
  } catch {
    // The other one was faster.
  }
}

/** null: given free in the meantime. */
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
