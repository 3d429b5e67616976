/** Firmware compiled for this machine: the same command loop over stdin and stdout. */
import { spawn } from 'node:child_process';
import { resolve as resolvePath } from 'node:path';
import { BonsaiError } from '../../errors.js';
import { oweEnd } from '../../leaving.js';
import { type Device, Listeners } from './device.js';

/** Characters from the end of stderr to report when the program dies. */
const stderrTail = 400;

/** @throws BonsaiError 'device' when the program cannot be started */
export async function openProcess(executable: string, name = 'sim'): Promise<Device> {
  // Detached, so that Ctrl-C reaches bonsaic alone.
  const child = spawn(resolvePath(executable), [], { stdio: 'pipe', detached: true });
  oweEnd(child);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(
        new BonsaiError(
          'device',
          executable,
          `cannot start the program: ${error.message}`,
          'build it first: bonsaic build DIR',
        ),
      ),
    );
  });
  const listeners = new Listeners();
  let closing = false;
  let complaint = '';
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.stdout.on('data', (bytes: Buffer) => listeners.emitData(new Uint8Array(bytes)));
  child.stderr.on('data', (text: Buffer) => {
    complaint = (complaint + text.toString()).slice(-stderrTail);
  });
  child.once('close', (status, signal) => {
    if (closing) return;
    const how = signal === null ? `ended with status ${status}` : `was killed by ${signal}`;
    const why = complaint.trim();
    listeners.emitLost(`the program ${how}${why ? `: ${why}` : ''}`);
  });
  // EPIPE after the program has died; 'close' above reports the reason.
  child.stdin.on('error', () => {});
  return {
    name,
    simulation: 'native code on this machine: its counts say nothing about a microcontroller',
    write(bytes) {
      if (child.stdin.writable) child.stdin.write(bytes);
    },
    onData: (listener) => listeners.onData(listener),
    onLost: (listener) => listeners.onLost(listener),
    async close() {
      closing = true;
      // The end of input ends the command loop; a program that hangs is killed after 1 s.
      child.stdin.end();
      const impatience = setTimeout(() => child.kill('SIGKILL'), 1000);
      await exited;
      clearTimeout(impatience);
    },
  };
}
