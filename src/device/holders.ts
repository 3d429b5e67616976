/** Which programs have a port open: /proc tells on Linux; elsewhere nobody is found. */
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

export interface Holder {
  readonly processId: number;
  /** The program and its first arguments. */
  readonly command: string;
}

const longestCommand = 60;

/**
 * The programs that have `path` open, without this one. Of other users' programs only those that
 * have locked the port are found.
 *
 * @param proc /proc; tests give a folder of their own
 */
export function holdersOf(path: string, proc = '/proc'): Holder[] {
  const real = attempt(() => realpathSync(path));
  if (real === null) return [];
  const ids = names(proc).filter((name) => /^\d+$/.test(name));
  const open = ids.filter((id) =>
    names(join(proc, id, 'fd')).some(
      (fd) => attempt(() => readlinkSync(join(proc, id, 'fd', fd))) === real,
    ),
  );
  const found = new Set([...open, ...lockersOf(real, proc)].map(Number));
  found.delete(process.pid);
  return [...found].map((processId) => ({ processId, command: commandOf(processId, proc) }));
}

/** 'minicom -D /dev/ttyUSB0 (process 812)', …; '' for nobody. */
export function namesOf(holders: readonly Holder[]): string {
  return holders.map(({ processId, command }) => `${command} (process ${processId})`).join(', ');
}

/** Everyone may read /proc/locks: '1: FLOCK  ADVISORY  WRITE 812 00:05:443 0 EOF' (proc(5)). */
function lockersOf(real: string, proc: string): string[] {
  const inode = attempt(() => String(statSync(real).ino));
  const lines = attempt(() => readFileSync(join(proc, 'locks'), 'utf8'))?.split('\n') ?? [];
  return lines.flatMap((line) => {
    const [, , , , id, file] = line.split(/\s+/);
    return id !== undefined && Number(id) > 0 && file?.split(':')[2] === inode ? [id] : [];
  });
}

function commandOf(processId: number, proc: string): string {
  const text = attempt(() => readFileSync(join(proc, String(processId), 'cmdline'), 'utf8')) ?? '';
  const [program = '', ...rest] = text.split('\0').filter((word) => word !== '');
  const command = [basename(program), ...rest].join(' ');
  if (command === '') return 'a program';
  return command.length > longestCommand ? `${command.slice(0, longestCommand)}…` : command;
}

function names(folder: string): string[] {
  return attempt(() => readdirSync(folder)) ?? [];
}

/** A process may end, or belong to someone else. */
function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
