/** A Cortex-M board in QEMU: its UART is a terminal, opened as a board's serial port is. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { BonsaiError } from '../errors.js';
import { type Device, Listeners } from './device.js';
import { openSerial } from './serial.js';

export interface QemuOptions {
  readonly name: string;
  /** As `qemu-system-arm -machine help` lists them. */
  readonly machine: string;
  /** An instruction takes 2^icountShift ns of simulated time. */
  readonly icountShift: number;
  /** A plugin of its translator, as QEMU's option -plugin takes it: bench/ has one. */
  readonly plugin?: string;
}

export const qemuCommand = 'qemu-system-arm';
/** The Debian package that has it. */
export const qemuPackage = 'qemu-system-arm';

/** Of what QEMU says before it dies, the last so many characters are reported. */
const complaintTail = 400;
/** Time that QEMU gets to start. */
const startTimeoutMs = 120_000;
/**
 * A terminal that closes is the end of QEMU, which says why a moment later; a board that restarts
 * has sent its last bytes a moment before.
 */
const lastWordsMs = 500;

/**
 * Starts QEMU with its processor halted, opens the terminal, then lets it run: nothing that the
 * firmware sends is lost.
 *
 * @param image path of an ELF file
 * @throws BonsaiError 'device' when there is no image, 'toolchain' when there is no QEMU
 */
export async function openQemu(image: string, options: QemuOptions): Promise<Device> {
  const { name, machine, icountShift, plugin } = options;
  await access(image).catch((error: Error) => {
    throw new BonsaiError(
      'device',
      image,
      `cannot read the firmware image: ${error.message}`,
      'build it first: bonsaic build DIR',
    );
  });
  const qemu = await start([
    ...['-machine', machine, '-kernel', image, '-icount', `shift=${icountShift}`],
    ...['-display', 'none', '-monitor', 'none', '-serial', 'pty', '-qmp', 'stdio', '-S'],
    // A board that restarts stops: there is no boot loader that it could be in.
    ...['-no-reboot', '-no-shutdown'],
    ...(plugin === undefined ? [] : ['-plugin', plugin]),
  ]);
  try {
    const terminal = await qemu.terminal();
    const serial = await openSerial(terminal);
    const listeners = new Listeners();
    serial.onData((bytes) => listeners.emitData(bytes));
    const loseSoon = (reason: string) =>
      setTimeout(() => listeners.emitLost(reason), lastWordsMs).unref();
    serial.onLost(loseSoon);
    qemu.onRestart(() => loseSoon('the board has restarted'));
    void qemu.ended.then((reason) => listeners.emitLost(reason));
    qemu.run();
    return {
      name,
      simulation: `QEMU ${machine}: instructions are counted; neither cycles nor wait states of memory`,
      write: (bytes) => serial.write(bytes),
      onData: (listener) => listeners.onData(listener),
      onLost: (listener) => listeners.onLost(listener),
      async close() {
        await serial.close();
        await qemu.kill();
      },
    };
  } catch (error) {
    await qemu.kill();
    throw error;
  }
}

interface Qemu {
  /** Path of the terminal that is the UART. @throws BonsaiError 'device' when QEMU does not start */
  terminal(): Promise<string>;
  run(): void;
  onRestart(listener: () => void): void;
  kill(): Promise<void>;
  /** Why, for people. */
  readonly ended: Promise<string>;
}

async function start(args: readonly string[]): Promise<Qemu> {
  // Detached, Ctrl-C in a terminal reaches bonsaic alone, whose end is QEMU's.
  const child = spawn(qemuCommand, args, { stdio: 'pipe', detached: true });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(
        new BonsaiError(
          'toolchain',
          qemuCommand,
          `the simulator cannot be started: ${error.message}`,
          `apt-get install ${qemuPackage}, or npm run setup; with a board: --port /dev/ttyUSB0`,
        ),
      ),
    );
  });
  const watcher = killWhenOrphaned(child);
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    complaint = (complaint + text.toString()).slice(-complaintTail);
  });
  // Writing to a QEMU that has just died: its end says it better than EPIPE.
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout });
  const ended = new Promise<string>((resolve) =>
    child.once('close', (status, signal) => {
      watcher.kill('SIGKILL');
      lines.close();
      const how =
        signal !== null ? `QEMU was killed by ${signal}` : `QEMU ended with status ${status}`;
      resolve([how, complaint.trim()].filter(Boolean).join(': '));
    }),
  );
  const send = (execute: string) => child.stdin.write(`${JSON.stringify({ execute })}\n`);

  return {
    ended,
    run: () => void send('cont'),
    onRestart(listener) {
      lines.on('line', (line) => {
        if (/"event": ?"SHUTDOWN"/.test(line)) listener();
      });
    },
    async terminal() {
      const timer = setTimeout(() => child.kill('SIGKILL'), startTimeoutMs);
      const path = new Promise<string>((resolve) =>
        lines.on('line', (line) => {
          const terminal = terminalIn(line);
          if (terminal !== null) resolve(terminal);
        }),
      );
      send('qmp_capabilities');
      send('query-chardev');
      const found = await Promise.race([path, ended.then((reason) => ({ reason }))]);
      clearTimeout(timer);
      if (typeof found === 'string') return found;
      throw new BonsaiError(
        'device',
        qemuCommand,
        `the simulator did not start: ${found.reason}`,
        'QEMU 7.2 or newer is needed; bonsaic doctor shows what there is',
      );
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The answer to query-chardev names a terminal 'pty:/dev/pts/3'. Other lines are none of ours. */
function terminalIn(line: string): string | null {
  return /"filename": ?"pty:([^"]+)"/.exec(line)?.[1] ?? null;
}

/**
 * A process that outlives bonsaic just long enough to kill `child`: its input ends however
 * bonsaic does, by SIGKILL too.
 */
function killWhenOrphaned({ pid }: ChildProcessWithoutNullStreams) {
  const script = 'read -r line; kill -9 "$1"';
  const watcher = spawn('sh', ['-c', script, 'sh', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Without a shell, or when it is gone first, nobody watches: that stops no measurement.
  watcher.on('error', () => {});
  watcher.stdin.on('error', () => {});
  return watcher;
}
