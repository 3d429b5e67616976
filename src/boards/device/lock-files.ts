/**
 * Lock files by which other programs (minicom, uucp, ModemManager) keep a port for themselves
 * without the kernel's lock: LCK..ttyUSB0 with the id of their process (FHS 3.0, 5.9; HoneyDanBer
 * UUCP: ten characters and a line feed, or a binary int).
 */
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { commandOf, type Holder } from './holders.js';

export interface LockPlaces {
  readonly folders: readonly string[];
  readonly proc: string;
}

const lockPlaces: LockPlaces = { folders: ['/var/lock', '/run/lock'], proc: '/proc' };
/** No program's id takes more; longer files are something else. */
const mostBytes = 64;

export interface FileLock extends Holder {
  /** The lock file. */
  readonly file: string;
}

/**
 * The program that keeps `path` for itself by a lock file; null where there is none, or it is stale:
 * of a program that has ended, or whose id another program has now, which does not have the port.
 */
export function fileLockOf(path: string, places: LockPlaces = lockPlaces): FileLock | null {
  const real = attempt(() => realpathSync(path)) ?? path;
  const names = new Set([basename(real), basename(path)].map((name) => `LCK..${name}`));
  for (const folder of places.folders) {
    for (const name of names) {
      const file = join(folder, name);
      const processId = lockerIn(file);
      if (processId === null || processId === process.pid) continue;
      if (!holds(processId, real, places.proc)) continue;
      return { processId, command: commandOf(processId, places.proc), file };
    }
  }
  return null;
}

function lockerIn(file: string): number | null {
  const { size = 0 } = attempt(() => statSync(file)) ?? {};
  if (size === 0 || size > mostBytes) return null;
  const bytes = attempt(() => readFileSync(file));
  if (bytes === null) return null;
  const text = /^\s*(\d+)\s/.exec(`${bytes.toString('latin1')}\n`)?.[1];
  if (text !== undefined) return Number(text);
  return bytes.length === 4 ? bytes.readInt32LE() : null;
}

/** Whether the program runs and, as far as it lets us see, has the port open. */
function holds(processId: number, real: string, proc: string): boolean {
  if (!existsSync(join(proc, String(processId)))) return false;
  const folder = join(proc, String(processId), 'fd');
  const files = attempt(() => readdirSync(folder));
  // Another user's program shows none.
  if (files === null) return true;
  return files.some((fd) => attempt(() => readlinkSync(join(folder, fd))) === real);
}

/** A file may go, or belong to someone else. */
function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
