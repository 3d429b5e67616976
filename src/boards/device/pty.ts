/** A pseudo-terminal, by socat: Node has none. */
import { spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BonsaiError } from '../../errors.js';
import { owe, oweEnd } from '../../leaving.js';
import { makeTemporaryFolder } from '../build/temporary.js';

export interface Pty {
  write(bytes: Uint8Array): void;
  /** Called once if the pseudo-terminal ends by itself. */
  onLost(listener: (reason: string) => void): void;
  /** Called when a program sets 1200 baud, by which hosts ask for the boot loader over USB. */
  onTouch(listener: () => void): void;
  /** Removes the link. */
  close(): Promise<void>;
}

const pollMs = 10;
const startTimeoutMs = 60_000;
const touchBaud = '1200';
const terminalPath = /^\/dev\/pts\/\d+$/;

/**
 * @param link path of the symbolic link to the terminal; nothing may be there, except the dead link
 *   of a program that was killed
 * @param onData gets what programs write to the terminal
 * @throws BonsaiError 'toolchain' when socat is missing, 'usage' when the link cannot be made
 */
export async function openPty(link: string, onData: (bytes: Uint8Array) => void): Promise<Pty> {
  clearDeadLink(link);
  // socat gives some characters of a path a meaning and replaces what is there, so its own link has
  // a plain path.
  const folder = makeTemporaryFolder('pty');
  const ownLink = join(folder.path, 'terminal');
  const socat = spawn('socat', [`pty,raw,echo=0,link=${ownLink}`, 'stdio'], { detached: true });
  oweEnd(socat);
  let complaint = '';
  let lost: ((reason: string) => void) | null = null;
  let ended: string | null = null;
  let stopWatching = () => {};
  const closed = new Promise<void>((resolve) => {
    const end = (reason: string) => {
      ended = reason;
      lost?.(reason);
      resolve();
    };
    socat.once('error', ({ message }) => end(message));
    socat.once('close', () => end(`socat has ended: ${complaint}`));
  });
  socat.stderr.on('data', (text: Buffer) => {
    complaint = text.toString().trim().slice(-200);
  });
  socat.stdin.on('error', () => {});
  socat.stdout.on('data', (bytes: Buffer) => onData(new Uint8Array(bytes)));
  try {
    await appears(ownLink, () => ended);
    const terminal = readlinkSync(ownLink);
    // A terminal that nobody has open hangs up: this keeps it between two programs.
    const held = openSync(terminal, constants.O_RDWR | constants.O_NOCTTY);
    const settled = owe({ owes: 'unlink', path: link, target: terminal });
    try {
      makeLink(terminal, link, held);
    } catch (error) {
      settled();
      throw error;
    }
    return {
      write: (bytes) => void socat.stdin.write(bytes),
      onLost(listener) {
        lost = listener;
        if (ended !== null) listener(ended);
      },
      onTouch(listener) {
        stopWatching();
        stopWatching = watchSpeed(terminal, listener);
      },
      async close() {
        lost = null;
        stopWatching();
        closeSync(held);
        socat.kill();
        await closed;
        if (linkTarget(link) === terminal) rmSync(link, { force: true });
        settled();
      },
    };
  } catch (error) {
    socat.kill('SIGKILL');
    throw error;
  } finally {
    folder.remove();
  }
}

/** Asks for the terminal's speed five times a second, in one shell; it ends with the terminal. */
function watchSpeed(terminal: string, onTouch: () => void): () => void {
  const script = 'while sleep 0.2; do stty -F "$0" speed || exit; done';
  const shell = spawn('sh', ['-c', script, terminal], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  oweEnd(shell);
  let before = '';
  shell.on('error', () => {});
  shell.stdout.on('data', (text: Buffer) => {
    const speed = text.toString().trim().split('\n').at(-1) ?? '';
    if (speed === touchBaud && before !== touchBaud) onTouch();
    before = speed;
  });
  return () => void shell.kill();
}

/** @throws BonsaiError 'toolchain' when socat ends instead of making its terminal */
async function appears(link: string, reason: () => string | null): Promise<void> {
  for (let waited = 0; !existsSync(link); waited += pollMs) {
    const ended = reason();
    if (ended === null && waited <= startTimeoutMs) {
      await sleep(pollMs);
      continue;
    }
    const isMissing = ended?.includes('ENOENT') ?? false;
    const message = isMissing ? 'is not installed' : (ended ?? 'no terminal was made');
    throw new BonsaiError('toolchain', 'socat', message, 'apt-get install socat');
  }
}

/** Where a symbolic link points to; null if there is none. */
function linkTarget(link: string): string | null {
  const isLink = lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  return isLink ? readlinkSync(link) : null;
}

/** Removes the link that a killed program has left. @throws BonsaiError 'usage' for anything else */
function clearDeadLink(link: string): void {
  if (lstatSync(link, { throwIfNoEntry: false }) === undefined) return;
  const isTerminal = terminalPath.test(linkTarget(link) ?? '');
  if (isTerminal && !existsSync(link)) {
    rmSync(link);
    return;
  }
  throw isTerminal
    ? new BonsaiError(
        'usage',
        link,
        'is a terminal that a program has open',
        'end that program, or choose another path',
      )
    : new BonsaiError(
        'usage',
        link,
        'exists and is no link to a terminal',
        'choose a path where nothing is: bonsaic replaces no file',
      );
}

/** Another program may have made the link meanwhile, so this one never replaces any. */
function makeLink(terminal: string, link: string, held: number): void {
  try {
    symlinkSync(terminal, link);
  } catch (error) {
    closeSync(held);
    const { code, message } = error as NodeJS.ErrnoException;
    const said = new Map([
      ['EEXIST', 'exists already'],
      ['ENOENT', 'is in a folder that does not exist'],
      ['ENOTDIR', 'is in a folder that does not exist'],
      ['EACCES', 'is in a folder that you may not write'],
    ]);
    const hint = 'choose a path that does not exist, in a folder that you may write';
    throw new BonsaiError('usage', link, said.get(code ?? '') ?? message, hint);
  }
}
