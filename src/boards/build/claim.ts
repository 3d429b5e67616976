/**
 * Locks on output directories: one process at a time changes one (writes sources, builds), and as
 * many as like use what is built there.
 */
import { linkSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isAlive, namesIn, removeIfAllowed } from '../../durable.js';
import { BonsaiError } from '../../errors.js';
import { makeFolders } from '../../files.js';
import { owe, pause } from '../../leaving.js';

/** How long to wait for another process: for one that changes the directory, when nothing else does. */
const patienceMs = 10_000;
/** For one that builds, where this process has nothing else to do either. */
const buildPatienceMs = 600_000;
const pollMs = 50;

/** What this process holds of a place. */
interface Held {
  /** Number of claims. */
  claims: number;
  isUsed: boolean;
  /** Takes its lock off what is owed at the end of the process. */
  lockSettled: () => void;
  /** As well, its mark of use. */
  useSettled: () => void;
}

const nothingHeld = (): Held => ({
  ...{ claims: 0, isUsed: false },
  ...{ lockSettled: () => {}, useSettled: () => {} },
});

const held = new Map<string, Held>();

/** What another process does with a place. */
interface Other {
  readonly pid: number;
  readonly does: 'changes' | 'uses';
}

// A symbolic link is created atomically, with the process id as its target.
const lockOf = (place: string) => join(dirname(place), `.${basename(place)}.bonsaic-lock`);
const useOf = (place: string, pid = process.pid) => `${lockOf(place)}-${pid}`;

/**
 * Waits until no other process changes or uses `place`, then locks it for changes. The lock of a
 * process that was killed is ignored.
 *
 * @param place the directory's real path. There is no lock where nothing can be written beside it.
 * @returns a function that releases the lock
 * @throws BonsaiError 'usage' when another process keeps it for 10 s
 */
export function claim(place: string): () => void {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const other = tryClaim(place);
    if (other === null) return releaseOf(place);
    if (waitedMs >= patienceMs) throw refusal(place, other);
    pause(pollMs);
  }
}

/** As claim, until the process ends, or uses what it has built. */
export function claimUntilUse(place: string): void {
  const release = claim(place);
  untilUse.set(place, [...(untilUse.get(place) ?? []), release]);
}

/**
 * Uses what is built in `place` until the process ends: nobody changes it meanwhile.
 *
 * @param isBuilt whether it has to be built no more
 * @param build   called while no other process changes or uses it, unless another has built it
 * @throws BonsaiError 'usage' when others use it, and it would have to be built again
 */
export async function useBuilt(
  place: string,
  isBuilt: () => boolean,
  build: () => Promise<void>,
): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    let other = tryUse(place);
    if (other === null && isBuilt()) return;
    if (other === null) {
      endUse(place);
      other = tryClaim(place);
    }
    if (other === null) {
      const release = releaseOf(place);
      try {
        if (!isBuilt()) await build();
        startUse(place);
      } finally {
        release();
        releaseUntilUse(place);
      }
      return;
    }
    const limitMs = other.does === 'changes' ? buildPatienceMs : patienceMs;
    if (waitedMs >= limitMs) throw refusal(place, other);
    await setTimeout(pollMs);
  }
}

function refusal(place: string, { pid, does }: Other): BonsaiError {
  const link = does === 'changes' ? lockOf(place) : useOf(place, pid);
  return new BonsaiError(
    'usage',
    place,
    does === 'changes' ? `process ${pid} writes or builds it` : `process ${pid} runs what it has`,
    `wait until it has ended; if it is not bonsaic, remove ${link}`,
  );
}

/** Releases that wait for the use of the place, or for the end of the process, which owes its locks. */
const untilUse = new Map<string, (() => void)[]>();

/** The end of the process removes a link of this process. */
const oweLink = (path: string) => owe({ owes: 'unlink', path, target: String(process.pid) });

function releaseUntilUse(place: string): void {
  for (const release of untilUse.get(place) ?? []) release();
  untilUse.delete(place);
}

/** Locks a place for changes. @returns what prevents it */
function tryClaim(place: string): Other | null {
  const own = held.get(place) ?? nothingHeld();
  if (own.claims === 0) {
    const settled = oweLink(lockOf(place));
    const changer = take(lockOf(place));
    const user = changer === null ? otherUser(place) : null;
    if (user !== null) rmSync(lockOf(place), { force: true });
    if (changer !== null || user !== null) settled();
    if (changer !== null) return { pid: changer, does: 'changes' };
    if (user !== null) return { pid: user, does: 'uses' };
    own.lockSettled = settled;
  }
  own.claims++;
  held.set(place, own);
  return null;
}

function releaseOf(place: string): () => void {
  return () => {
    const own = held.get(place);
    if (own === undefined) return;
    own.claims--;
    if (own.claims > 0) return;
    if (!own.isUsed) held.delete(place);
    rmSync(lockOf(place), { force: true });
    own.lockSettled();
  };
}

/** Starts to use a place. @returns what prevents it */
function tryUse(place: string): Other | null {
  const own = held.get(place);
  if (own?.isUsed || (own?.claims ?? 0) > 0) return null;
  // First the own mark, then the other's: whoever changes it looks in the other order.
  startUse(place);
  const changer = holderOf(lockOf(place));
  if (changer === null || !isAlive(changer)) return null;
  endUse(place);
  return { pid: changer, does: 'changes' };
}

function startUse(place: string): void {
  const own = held.get(place) ?? nothingHeld();
  own.useSettled();
  own.useSettled = oweLink(useOf(place));
  own.isUsed = true;
  held.set(place, own);
  try {
    symlinkSync(String(process.pid), useOf(place));
  } catch {
    // It is there, or nothing can be written there.
  }
}

function endUse(place: string): void {
  const own = held.get(place);
  if (!own?.isUsed) return;
  own.isUsed = false;
  if (own.claims === 0) held.delete(place);
  rmSync(useOf(place), { force: true });
  own.useSettled();
}

/** Another process that uses the place; marks of those that were killed are removed. */
function otherUser(place: string): number | null {
  const prefix = `${basename(lockOf(place))}-`;
  for (const name of namesIn(dirname(place))) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number(name.slice(prefix.length).replace(/^stale-/, ''));
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (isAlive(pid)) return pid;
    removeIfAllowed(join(dirname(place), name));
  }
  return null;
}

/** Removes the locks and marks that killed processes have left on a place. */
export function removeDeadMarks(place: string): void {
  otherUser(place);
  const lock = lockOf(place);
  const holder = holderOf(lock);
  const isOwn = (held.get(place)?.claims ?? 0) > 0;
  if (holder !== null && !isOwn && !isOther(holder)) removeStale(lock, holder);
}

/**
 * Whether another process has a lock that this one has not claimed. With this process's id it was left
 * by an earlier process of the same id.
 */
const isOther = (holder: number) => holder !== process.pid && isAlive(holder);

/** Creates the lock. @returns the process that has it; null: this one, or there are no locks there */
function take(lock: string): number | null {
  for (;;) {
    try {
      makeFolders(dirname(lock));
      symlinkSync(String(process.pid), lock);
      return null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return null;
    }
    const holder = holderOf(lock);
    if (holder === null) continue;
    if (isOther(holder)) return holder;
    removeStale(lock, holder);
  }
}

/**
 * Removes a lock that a process has left. Of two that find it, one may come when the other has its own
 * lock there already: it looks again at what it has taken away, and puts that back.
 */
export function removeStale(lock: string, holder: number): void {
  const mine = `${lock}-stale-${process.pid}`;
  try {
    renameSync(lock, mine);
    if (holderOf(mine) !== holder) linkSync(mine, lock);
  } catch {
    // Another process has removed it, or has taken the place meanwhile.
  }
  removeIfAllowed(mine);
}

/** The process id in a lock; null if the lock was released in the meantime. */
function holderOf(lock: string): number | null {
  try {
    return Number(readlinkSync(lock)) || 0;
  } catch {
    return null;
  }
}
