/** A pseudo-terminal, by socat: Node has none. */
import { spawn } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BonsaiError } from '../errors.js';

export interface Pty {
  write(bytes: Uint8Array): void;
  /** Called once if the pseudo-terminal ends by itself. */
  onLost(listener: (reason: string) => void): void;
  /** Removes the link. */
  close(): Promise<void>;
}

const pollMs = 10;
const startTimeoutMs = 60_000;

/**
 * @param link path of the symbolic link to the terminal, which must not exist
 * @param onData gets what programs write to the terminal
 * @throws BonsaiError 'toolchain' when socat is missing, 'usage' when the link cannot be made
 */
export async function openPty(link: string, onData: (bytes: Uint8Array) => void): Promise<Pty> {
  const socat = spawn('socat', [`pty,raw,echo=0,link=${link}`, 'stdio'], { detached: true });
  await new Promise<void>((resolve, reject) => {
    socat.once('spawn', resolve);
    socat.once('error', ({ message }) =>
      reject(new BonsaiError('toolchain', 'socat', message, 'apt-get install socat')),
    );
  });
  let complaint = '';
  let lost: ((reason: string) => void) | null = null;
  let ended: string | null = null;
  socat.stderr.on('data', (text: Buffer) => {
    complaint = text.toString().trim().slice(-200);
  });
  const closed = new Promise<void>((resolve) =>
    socat.once('close', () => {
      ended = `socat has ended: ${complaint}`;
      lost?.(ended);
      resolve();
    }),
  );
  socat.stdin.on('error', () => {});
  socat.stdout.on('data', (bytes: Buffer) => onData(new Uint8Array(bytes)));
  for (let waited = 0; !existsSync(link); waited += pollMs) {
    if (ended !== null || waited > startTimeoutMs) {
      socat.kill('SIGKILL');
      const hint = 'choose a path for the link that does not exist, in a folder that you may write';
      throw new BonsaiError('usage', link, complaint || 'no terminal was made', hint);
    }
    await sleep(pollMs);
  }
  // A terminal that nobody has open hangs up: this keeps it between two programs.
  const held = openSync(link, constants.O_RDWR | constants.O_NOCTTY);
  return {
    write: (bytes) => void socat.stdin.write(bytes),
    onLost(listener) {
      lost = listener;
      if (ended !== null) listener(ended);
    },
    async close() {
      lost = null;
      closeSync(held);
      socat.kill();
      await closed;
      rmSync(link, { force: true });
    },
  };
}
