/** Every command of the command line, stopped by a signal: how it ends, and what it leaves. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { makeRandom } from '../../src/compress/random.js';
import { cliPath } from './cli.js';
import { FloatNetwork } from './float-network.js';

export const stopSignals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
export type StopSignal = keyof typeof stopSignals;

/** What a shell sees: a process may end itself by the signal (docs/process.md, 'The process'). */
export function shellStatus(status: number | null, by: NodeJS.Signals | null): number | null {
  return status ?? (by !== null && by in stopSignals ? stopSignals[by as StopSignal] : null);
}

/** What a command needs beside it; made once, and copied for each run. */
export interface Given {
  readonly folder: string;
  /** int8, small enough for each run. */
  readonly model: string;
  readonly float: string;
  readonly data: string;
  /** Of `model`, for the board that QEMU simulates. */
  readonly project: string;
}

export interface StoppedCommand {
  readonly name: string;
  /** Arguments; `at` is a folder of the run's own, which holds a copy of `project` if it says so. */
  args(given: Given, at: string): readonly string[];
  readonly copiesProject?: true;
  /** Commands that promise a document with --json. */
  readonly hasJson?: true;
  /** Ctrl-C is its way to end: status 0 once it is at work. */
  readonly endsWithZero?: true;
  /** Programs that it needs. */
  readonly needs?: readonly string[];
}

const board = 'mps2-an385';
const into = (at: string) => ['-o', join(at, 'out')];
const learning = (given: Given, at: string) => [given.float, '--data', given.data, ...into(at)];

/** Every command. Each row works for a second or more. */
export const stoppedCommands: readonly StoppedCommand[] = [
  { name: 'inspect', args: ({ model }) => ['inspect', model], hasJson: true },
  {
    name: 'compile',
    args: ({ model }, at) => ['compile', model, '--target', board, ...into(at)],
    hasJson: true,
  },
  {
    name: 'build',
    args: (_, at) => ['build', join(at, 'project')],
    copiesProject: true,
    hasJson: true,
    needs: ['arm-none-eabi-gcc'],
  },
  {
    name: 'run',
    args: ({ model }) => ['run', model, '--target', board],
    ...{ hasJson: true, needs: ['arm-none-eabi-gcc', 'qemu-system-arm'] },
  },
  {
    name: 'verify',
    args: ({ model }) => ['verify', model],
    hasJson: true,
  },
  {
    name: 'profile',
    args: (_, at) => ['profile', join(at, 'project'), '--port', 'sim'],
    copiesProject: true,
    hasJson: true,
    needs: ['arm-none-eabi-gcc', 'qemu-system-arm'],
  },
  {
    name: 'flash',
    args: (_, at) => [
      ...['flash', join(at, 'image.bin'), '--foreign'],
      ...['--target', 'stm32g0b1', '--port', tty(at)],
    ],
    hasJson: true,
    needs: ['socat'],
  },
  {
    name: 'simulate',
    args: (_, at) => ['simulate', 'stm32g0b1', '--link', join(at, 'link')],
    endsWithZero: true,
    needs: ['socat'],
  },
  {
    name: 'compress',
    args: (given, at) => ['compress', ...learning(given, at), '--target', board],
    hasJson: true,
  },
  {
    name: 'quantize',
    args: (given, at) => ['quantize', ...learning(given, at)],
    hasJson: true,
  },
  {
    name: 'prune',
    args: (given, at) => ['prune', ...learning(given, at), '--target', board],
    hasJson: true,
  },
  {
    name: 'sensitivity',
    args: ({ float, data }) => ['sensitivity', float, '--data', data],
    hasJson: true,
  },
  { name: 'compare', args: ({ model }) => ['compare', model], hasJson: true },
  {
    name: 'tune',
    args: () => ['tune', '--target', board, '--port', 'sim'],
    ...{ hasJson: true, needs: ['arm-none-eabi-gcc', 'qemu-system-arm'] },
  },
  { name: 'doctor', args: () => ['doctor'], hasJson: true },
  { name: 'ports', args: () => ['ports'], hasJson: true },
  { name: 'targets', args: () => ['targets'], hasJson: true },
];

/** The terminal of the board that `flash` writes to. */
export const tty = (at: string) => join(at, 'tty');

/** Samples, models and a project. */
export async function givenFor(): Promise<Given> {
  const folder = mkdtempSync(join(tmpdir(), 'signals-given-'));
  const random = makeRandom(1);
  const side = 12;
  const network = new FloatNetwork([side, side, 4], 2).conv(16).conv(16).dense(4, 'none');
  const float = join(folder, 'float.tflite');
  writeFileSync(float, writeTflite(network.softmax().module()));
  const rows = Array.from({ length: 400 }, (_, i) =>
    [...Array.from({ length: side * side * 4 }, () => (random() - 0.5).toFixed(3)), i % 4].join(),
  );
  const names = Array.from({ length: side * side * 4 }, (_, i) => `f${i}`);
  const data = join(folder, 'data.csv');
  writeFileSync(data, [[...names, 'label'].join(), ...rows].join('\n'));
  const model = join(folder, 'model.tflite');
  copyFileSync('examples/activity/activity.tflite', model);
  const project = join(folder, 'project');
  await ended(start(['compile', model, '--target', board, '-o', project], process.env));
  return { folder, model, float, data, project };
}

/** How one run ended. */
export interface Stopped {
  readonly status: number | null;
  readonly killedBy: NodeJS.Signals | null;
  /** From the signal to the end of the process; null: it had ended before. */
  readonly endMs: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Paths and processes that were not there before. */
  readonly left: readonly string[];
}

function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  terminal = false,
): ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  const command = [process.execPath, cliPath, ...args];
  const quoted = command.map((word) => `'${word}'`).join(' ');
  const [program = '', ...rest] = terminal
    ? ['script', '--quiet', '--return', '--flush', '--command', `exec ${quoted}`, '/dev/null']
    : command;
  return spawn(program, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

function ended(child: ChildProcess): Promise<{ status: number | null; by: NodeJS.Signals | null }> {
  return new Promise((resolve) => child.once('exit', (status, by) => resolve({ status, by })));
}

/** Processes of a run: all inherit its TMPDIR. */
export function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TMPDIR=${folder}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Time for a process that was told to end, such as one that waits for the end of bonsaic. */
const lastChildMs = 3000;

async function remainingOf(folder: string): Promise<string[]> {
  for (let waitedMs = 0; ; waitedMs += 50) {
    const pids = processesOf(folder);
    if (pids.length === 0) return [];
    if (waitedMs >= lastChildMs) {
      return pids.map((pid) => {
        try {
          return `process ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
        } catch {
          return `process ${pid}`;
        }
      });
    }
    await sleep(50);
  }
}

/** What no command may leave: temporary files, locks, halves of new versions. */
const litter = /bonsaic-(lock|new|old)|\.new$|\.fresh$/;

interface Attempt {
  readonly signal: StopSignal;
  /** From the start of the process. */
  readonly afterMs: number;
  readonly json?: boolean;
  /** stdout and stderr are one terminal. */
  readonly terminal?: boolean;
}

/** Runs a command and sends it a signal; with `afterMs` Infinity: none. */
export async function stopAt(
  command: StoppedCommand,
  given: Given,
  { signal, afterMs, json = false, terminal = false }: Attempt,
): Promise<Stopped> {
  const at = mkdtempSync(join(tmpdir(), 'signals-run-'));
  const temporary = join(at, 'tmp');
  mkdirSync(temporary);
  if (command.copiesProject) copyProject(given.project, join(at, 'project'));
  if (command.name === 'flash') writeFileSync(join(at, 'image.bin'), imageBytes());
  const own = command.name === 'flash' ? await listen(at) : null;
  const before = namesIn(at);
  const env = { ...process.env, TMPDIR: temporary, XDG_CACHE_HOME: join(at, 'cache') };
  const args = [...command.args(given, at), ...(json ? ['--json'] : [])];
  const child = start(args, env, terminal);
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (bytes: Buffer) => {
      text[name] += bytes;
    });
  }
  const closed = new Promise((resolve) => child.once('close', resolve));
  const end = ended(child);
  if (Number.isFinite(afterMs)) await Promise.race([sleep(afterMs), end]);
  const isOver = child.exitCode !== null || child.signalCode !== null;
  const sentMs = performance.now();
  if (Number.isFinite(afterMs) && !isOver) {
    const target = terminal ? childOf(child.pid ?? 0) : child.pid;
    if (target !== undefined) process.kill(target, signal);
  }
  const { status, by: killedBy } = await end;
  const endMs = isOver || !Number.isFinite(afterMs) ? null : performance.now() - sentMs;
  await closed;
  own?.kill('SIGKILL');
  const left = [
    ...(await remainingOf(temporary)),
    ...readdirSync(temporary).map((name) => `tmp/${name}`),
    ...namesIn(at).filter((name) => litter.test(name) && !before.includes(name)),
  ];
  rmSync(at, { recursive: true, force: true });
  return { status, killedBy, endMs, ...text, left };
}

const namesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => !name.startsWith('tmp'),
  );

function copyProject(from: string, to: string): void {
  for (const name of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    if (readdirIfFolder(join(from, name))) mkdirSync(join(to, name), { recursive: true });
    else {
      mkdirSync(join(to, name, '..'), { recursive: true });
      copyFileSync(join(from, name), join(to, name));
    }
  }
}

function readdirIfFolder(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** A terminal at which nobody answers. */
async function listen(at: string): Promise<ChildProcess> {
  const socat = spawn('socat', [`pty,raw,echo=0,link=${tty(at)}`, 'exec:sleep 600'], {
    stdio: 'ignore',
  });
  while (!existsSync(tty(at)) && socat.exitCode === null) await sleep(10);
  return socat;
}

/** An image of an STM32: a stack pointer in RAM, a reset vector in flash. */
function imageBytes(): Uint8Array {
  const words = new Uint32Array(1024);
  words.set([0x20001000, 0x08000101]);
  return new Uint8Array(words.buffer);
}

/** The command that `script` runs; undefined: not yet. */
function childOf(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const [first] = children.trim().split(' ');
  return first === undefined || first === '' ? undefined : Number(first);
}

/** Whether the terminal's cursor is shown after this output. */
export function showsCursor(output: string): boolean {
  return output.lastIndexOf('\x1b[?25l') <= output.lastIndexOf('\x1b[?25h');
}

/** Whether the signal came before Node ran the first line: the kernel ends the process. */
export const isBeforeFirstLine = ({ killedBy, stdout, stderr }: Stopped) =>
  killedBy !== null && stdout === '' && stderr === '';

/** What is wrong with how a command has ended; '' nothing. */
export function faultOf(command: StoppedCommand, attempt: Attempt, stopped: Stopped): string {
  const { signal, json = false } = attempt;
  const expected = stopSignals[signal];
  const { killedBy, stdout, endMs, left } = stopped;
  const status = shellStatus(stopped.status, killedBy);
  if (left.length > 0) return `left ${left.join(', ')}`;
  if (attempt.terminal && !showsCursor(stdout)) return 'the cursor is hidden';
  if (endMs === null || isBeforeFirstLine(stopped)) return '';
  // At its end, the signal may find that all is done.
  const isDone = status === 0 || (command.name === 'flash' && status === 5);
  const isStopped = status === expected;
  if (!isStopped && !isDone) return `status ${status}, ${killedBy}: ${stopped.stderr.slice(-300)}`;
  if (!json) return '';
  try {
    const { error } = JSON.parse(stdout);
    if (!isStopped || error === undefined) return '';
    // An error of its own may have been told before the signal.
    const isRight = error.exit === status && (error.code === 'stopped' || command.name === 'flash');
    return isRight ? '' : `document ${JSON.stringify(error)}`;
  } catch (error) {
    return `stdout is no document: ${(error as Error).message}: ${stdout.slice(0, 200)}`;
  }
}
