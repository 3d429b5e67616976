/** A device behind a pseudo-terminal (socat), which the host sees as a serial port. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Device } from '../../src/device/index.js';

export interface Pty {
  /** Path of the terminal, to open as a serial port. */
  readonly path: string;
  /** Simulates the removal of the cable. */
  unplug(): void;
}

/** Connects `device` to a new pseudo-terminal. */
export async function onPty(device: Device): Promise<Pty> {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-pty-'));
  const path = join(directory, 'tty');
  const socat = spawn('socat', [`pty,raw,echo=0,link=${path}`, 'stdio'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  socat.stdin.on('error', () => {});
  socat.stdout.on('data', (bytes: Buffer) => device.write(new Uint8Array(bytes)));
  device.onData((bytes) => socat.stdin.write(bytes));
  for (let waited = 0; !existsSync(path); waited += 10) {
    if (waited > 60_000) throw new Error('socat made no terminal');
    await sleep(10);
  }
  return {
    path,
    unplug() {
      socat.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
