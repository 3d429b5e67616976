/** A device behind a pseudo-terminal, which the host sees as a serial port. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Device } from '../../src/boards/device/index.js';
import { openPty } from '../../src/boards/device/pty.js';

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
  const pty = await openPty(path, (bytes) => device.write(bytes));
  device.onData((bytes) => pty.write(bytes));
  return {
    path,
    unplug() {
      void pty.close().then(() => rmSync(directory, { recursive: true, force: true }));
    },
  };
}
