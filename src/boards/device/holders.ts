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
  for (const own of [process.pid, ...makersOf(real, ids, proc)]) found.delete(own);
  return [...found].map((processId) => ({ processId, command: commandOf(processId, proc) }));
}

/** 'minicom -D /dev/ttyUSB0 (process 812)', …; '' for nobody. */
export function namesOf(holders: readonly Holder[]): string {
  return holders.map(({ processId, command }) => `${command} (process ${processId})`).join(', ');
}

/**
 * The programs behind a pseudo-terminal, /dev/pts/7: who has its other end, and who started that
 * (`bonsaic simulate` starts socat). They are the board, and take none of its bytes.
 */
function makersOf(real: string, ids: readonly string[], proc: string): number[] {
  const index = /\/pts\/(\d+)$/.exec(real)?.[1];
  if (index === undefined) return [];
  // 'tty-index' is in the kernel's text about an open /dev/ptmx (drivers/tty/pty.c).
  const ownsIt = new RegExp(`^tty-index:\\s*${index}$`, 'm');
  const makers = ids.filter((id) =>
    names(join(proc, id, 'fd')).some(
      (fd) =>
        basename(attempt(() => readlinkSync(join(proc, id, 'fd', fd))) ?? '') === 'ptmx' &&
        ownsIt.test(textOf(join(proc, id, 'fdinfo', fd))),
    ),
  );
  const parents = makers.map(
    (id) => /^PPid:\s*(\d+)$/m.exec(textOf(join(proc, id, 'status')))?.[1],
  );
  return [...makers, ...parents].map(Number);
}

/** Everyone may read /proc/locks: '1: FLOCK  ADVISORY  WRITE 812 00:05:443 0 EOF' (proc(5)). */
function lockersOf(real: string, proc: string): string[] {
  const inode = attempt(() => String(statSync(real).ino));
  const lines = textOf(join(proc, 'locks')).split('\n');
  return lines.flatMap((line) => {
    const [, , , , id, file] = line.split(/\s+/);
    return id !== undefined && Number(id) > 0 && file?.split(':')[2] === inode ? [id] : [];
  });
}

/** The program and its first arguments. */
export function commandOf(processId: number, proc: string): string {
  const text = textOf(join(proc, String(processId), 'cmdline'));
  const [program = '', ...rest] = text.split('\0').filter((word) => word !== '');
  const command = [basename(program), ...rest].join(' ');
  if (command === '') return 'a program';
  return command.length > longestCommand ? `${command.slice(0, longestCommand)}…` : command;
}

function names(folder: string): string[] {
  return attempt(() => readdirSync(folder)) ?? [];
}

function textOf(path: string): string {
  return attempt(() => readFileSync(path, 'utf8')) ?? '';
}

/** A process may end, or belong to someone else. */
function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
