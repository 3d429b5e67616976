/** A board in QEMU. Its link is a pseudo-terminal, opened like a board's serial port. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { BonsaiError } from '../../errors.js';
import { installHint } from '../build/install.js';
import { type Device, Listeners } from './device.js';
import { openLink } from './open-link.js';

/** A program that simulates the machines of one architecture. */
export interface QemuSystem {
  readonly command: string;
  readonly aptPackage: string;
  /** Whether `npm run setup` leaves it out: no board that one can buy needs it. */
  readonly isOptional: boolean;
  /** Options that load an image and start at its entry. */
  load(image: string): readonly string[];
  /** Options that connect the firmware's link with the character device 'link'. */
  readonly link: readonly string[];
}

export const qemuCommand = 'qemu-system-arm';

export const qemuArm: QemuSystem = {
  command: qemuCommand,
  aptPackage: 'qemu-system-arm',
  isOptional: false,
  load: (image) => ['-kernel', image],
  // Its UARTs take a byte at a time; a queue of semihosting takes what is there.
  link: ['-serial', 'none', '-semihosting-config', 'enable=on,target=native,chardev=link'],
};

/** Its option -kernel wants a Linux boot image, and the default cores have register windows. */
export const qemuXtensa: QemuSystem = {
  command: 'qemu-system-xtensa',
  aptPackage: 'qemu-system-misc',
  isOptional: true,
  load: (image) => ['-cpu', 'lx106', '-device', `loader,file=${image},cpu-num=0`],
  link: ['-serial', 'chardev:link'],
};

export interface QemuOptions {
  readonly system: QemuSystem;
  readonly name: string;
  /** A machine that the system's `-machine help` lists. */
  readonly machine: string;
  /** An instruction takes 2^icountShift ns of simulated time. */
  readonly icountShift: number;
  /** A plugin for QEMU's option -plugin; bench/qemu has one. */
  readonly plugin?: string;
}

/** Characters from the end of QEMU's stderr to report when it dies. */
const complaintTail = 400;
/** How long QEMU may take to start. */
const startTimeoutMs = 120_000;
/**
 * Delay before a lost terminal or a restart is reported: QEMU gives the reason shortly after its
 * terminal closes, and the last bytes before a restart may still be on their way.
 */
const lastWordsMs = 500;

/**
 * Starts QEMU with the processor halted, opens the terminal, then starts the processor, so that no
 * byte of the firmware is lost.
 *
 * @param image path of an ELF file
 * @throws BonsaiError 'device' when the image is missing, 'toolchain' when QEMU is missing
 */
export async function openQemu(image: string, options: QemuOptions): Promise<Device> {
  const { system, name, machine, icountShift, plugin } = options;
  await access(image).catch((error: Error) => {
    throw new BonsaiError(
      'device',
      image,
      `cannot read the firmware image: ${error.message}`,
      'build it first: bonsaic build DIR',
    );
  });
  const qemu = await start(system, [
    ...['-machine', machine, ...system.load(image), '-icount', `shift=${icountShift}`],
    ...['-display', 'none', '-monitor', 'none', '-qmp', 'stdio', '-S'],
    ...['-chardev', 'pty,id=link', ...system.link],
    // A restart stops the board, since it has no boot loader to enter.
    ...['-no-reboot', '-no-shutdown'],
    ...(plugin === undefined ? [] : ['-plugin', plugin]),
  ]);
  try {
    const terminal = await qemu.terminal();
    const serial = await openLink(terminal);
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
      simulation: `QEMU ${machine}: counts instructions; neither cycles nor wait states of memory`,
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
  /** Path of the link's terminal. @throws BonsaiError 'device' when QEMU does not start */
  terminal(): Promise<string>;
  run(): void;
  onRestart(listener: () => void): void;
  kill(): Promise<void>;
  /** Resolves with the reason, for people. */
  readonly ended: Promise<string>;
}

async function start(system: QemuSystem, args: readonly string[]): Promise<Qemu> {
  const { command, aptPackage, isOptional } = system;
  // Detached, so that Ctrl-C reaches bonsaic alone; QEMU ends with bonsaic.
  const child = spawn(command, args, { stdio: 'pipe', detached: true });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(
        new BonsaiError(
          'toolchain',
          command,
          `the simulator cannot be started: ${error.message}`,
          `${installHint(aptPackage, isOptional)}${isOptional ? '' : '; with a board: --port /dev/ttyUSB0'}`,
        ),
      ),
    );
  });
  const watcher = killWhenOrphaned(child);
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    complaint = (complaint + text.toString()).slice(-complaintTail);
  });
  // EPIPE after QEMU has died; `ended` reports the reason.
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
        command,
        `the simulator did not start: ${found.reason}`,
        'QEMU 7.2 or newer is needed; bonsaic doctor shows the installed version',
      );
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The terminal in the answer to query-chardev, 'pty:/dev/pts/3'; null for other lines. */
function terminalIn(line: string): string | null {
  return /"filename": ?"pty:([^"]+)"/.exec(line)?.[1] ?? null;
}

/**
 * A process that kills `child` when bonsaic ends. It waits for the end of its input, a pipe from
 * bonsaic, which closes however bonsaic ends, even by SIGKILL.
 */
function killWhenOrphaned({ pid }: ChildProcessWithoutNullStreams) {
  const script = 'read -r line; kill -9 "$1"';
  const watcher = spawn('sh', ['-c', script, 'sh', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // A missing shell or watcher is no reason to stop a measurement.
  watcher.on('error', () => {});
  watcher.stdin.on('error', () => {});
  return watcher;
}
