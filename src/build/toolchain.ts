/** The C compiler and make. */
import { type ExecFileException, execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { join, split } from 'shlex';
import { BonsaiError } from '../errors.js';
import type { Target } from '../target/index.js';

export interface Toolchain {
  /** The program, then the arguments that the user gave with it. */
  readonly command: readonly string[];
  /** For people and the report: 'arm-none-eabi-gcc 12.2.1'. */
  readonly name: string;
  /** All that it says of its version: another one makes other code. */
  readonly version: string;
}

export interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A build that takes longer hangs. */
const timeoutMs = 600_000;
const mostOutputBytes = 64 * 1024 * 1024;

/**
 * Runs a program to its end with its output captured.
 *
 * @returns null when there is no such program
 * @throws BonsaiError 'toolchain' when it cannot be run, is killed, does not end or never stops talking
 */
export function runTool(
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<Output | null> {
  return new Promise((resolve, reject) => {
    // The linker's messages are read: they must not come in the user's language.
    const env = { ...process.env, LC_ALL: 'C' };
    const options = { cwd, env, timeout: timeoutMs, maxBuffer: mostOutputBytes };
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ status: 0, stdout, stderr });
      else if (typeof error.code === 'number') resolve({ status: error.code, stdout, stderr });
      else if (error.code === 'ENOENT' && existsSync(cwd ?? '.')) resolve(null);
      else reject(notRun(program, error));
    });
  });
}

/** Why a program has not come to its own end. */
function notRun(program: string, error: ExecFileException): BonsaiError {
  const { code, signal, killed = false, message } = error;
  const refuse = (what: string, hint: string) => new BonsaiError('toolchain', program, what, hint);
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return refuse(`says more than ${mostOutputBytes} bytes`, 'run make in the directory to see it');
  }
  // Node kills what takes too long.
  if (killed)
    return refuse(`has not ended after ${timeoutMs / 1000} s`, 'try again on a free machine');
  if (signal) return refuse(`was killed by ${signal}`, 'is there memory enough? Try again');
  if (code === 'EACCES') return refuse('may not be run', 'check its permissions');
  return refuse(`cannot be run: ${message}`, 'check the program and the directory');
}

/**
 * The compiler for a target, with its version.
 *
 * @param cc the user's choice, a program and arguments as a shell would split them; undefined: the
 *   target's
 * @throws BonsaiError 'toolchain' when it is not there or does not run; 'usage' when `cc` has no
 *   end or more than one line
 */
export async function findToolchain(target: Target, cc: string | undefined): Promise<Toolchain> {
  const words = cc === undefined ? [] : wordsOf(cc);
  const command = words.length > 0 ? words : [target.compiler];
  const [program = target.compiler, ...args] = command;
  const output = await runTool(program, [...args, '--version']);
  if (output === null) {
    throw new BonsaiError(
      'toolchain',
      program,
      'is not installed',
      cc === undefined
        ? `apt-get install ${target.compilerPackage}, or npm run setup`
        : `--cc names the compiler; without it: ${target.compiler}`,
    );
  }
  const version = /\d+\.\d+(\.\d+)?/.exec(
    output.stdout.split('\n')[0]?.replace(/\([^)]*\)/g, '') ?? '',
  );
  if (output.status !== 0 || version === null) {
    throw new BonsaiError(
      'toolchain',
      program,
      'does not say its version: is it a C compiler?',
      `without --cc: ${target.compiler}`,
    );
  }
  const name = `${basename(gccOf(command) ?? program)} ${version[0]}`;
  return { command, name, version: output.stdout };
}

/** 'ccache "/opt/my tools/gcc"' → its two words. Nothing in it is expanded or run. */
function wordsOf(cc: string): readonly string[] {
  const hint = 'write a program and its arguments; quote what has spaces';
  // A recipe of make ends with its line.
  if (/\p{Cc}/u.test(cc.trim())) {
    throw new BonsaiError('usage', '--cc', 'has more than one line, or control characters', hint);
  }
  try {
    const [program = '', ...args] = split(cc);
    // make runs in another directory.
    return program === '' ? [] : [program.includes('/') ? resolve(program) : program, ...args];
  } catch (error) {
    throw new BonsaiError('usage', '--cc', `${cc}: ${(error as Error).message}`, hint);
  }
}

const gccName = /gcc(-[\d.]+)?$/;

/** The GCC in a command that may begin with a wrapper such as ccache. */
function gccOf(command: readonly string[]): string | undefined {
  return command.find((word) => gccName.test(word));
}

/** The objcopy that belongs to a compiler; to the target's where it is no GCC. */
export function objcopyOf(command: readonly string[], target: Target): string {
  return (gccOf(command) ?? target.compiler).replace(gccName, 'objcopy');
}

/** Words as the value of a variable of make, of which recipes make these words again. */
export function makeText(words: readonly string[]): string {
  return join(words).replaceAll('$', () => '$$');
}
