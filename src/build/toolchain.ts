/** Runs the C compiler and make. */
import { type ExecFileException, execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { join, split } from 'shlex';
import { BonsaiError } from '../errors.js';
import type { Target } from '../target/index.js';

export interface Toolchain {
  /** The program and the arguments that the user gave with it. */
  readonly command: readonly string[];
  /** For people and the report: 'arm-none-eabi-gcc 12.2.1'. */
  readonly name: string;
  /** The output of --version; a build depends on it. */
  readonly version: string;
}

export interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A build that takes longer is assumed to hang. */
const timeoutMs = 600_000;
const mostOutputBytes = 64 * 1024 * 1024;

/**
 * Runs a program to its end with its output captured.
 *
 * @returns null when the program does not exist
 * @throws BonsaiError 'toolchain' when it cannot be run, is killed, takes too long or prints too
 * much
 */
export function runTool(
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<Output | null> {
  return new Promise((resolve, reject) => {
    // The linker's messages are parsed, so they must not be translated.
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

/** The error for a program that did not exit by itself. */
function notRun(program: string, error: ExecFileException): BonsaiError {
  const { code, signal, killed = false, message } = error;
  const refuse = (what: string, hint: string) => new BonsaiError('toolchain', program, what, hint);
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return refuse(
      `prints more than ${mostOutputBytes} bytes`,
      'run make in the directory to see it',
    );
  }
  // Node kills a program after the time-out.
  if (killed)
    return refuse(`did not end within ${timeoutMs / 1000} s`, 'try again on a free machine');
  if (signal)
    return refuse(`was killed by ${signal}`, 'check that enough memory is free, then try again');
  if (code === 'EACCES') return refuse('may not be run', 'check its permissions');
  return refuse(`cannot be run: ${message}`, 'check the program and the directory');
}

/**
 * How to install a Debian package.
 *
 * @param isOptional whether `npm run setup` installs it for tests alone
 */
export const installHint = (aptPackage: string, isOptional = false) =>
  `apt-get install ${aptPackage}, or npm run setup${isOptional ? ' -- --tests' : ''}`;

/**
 * The compiler for a target, with its version.
 *
 * @param cc the user's compiler, split into words as by a shell; undefined: the target's
 * @throws BonsaiError 'toolchain' when it does not exist or does not run; 'usage' when `cc` has an
 * unclosed quote or more than one line
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
        ? installHint(target.compilerPackage, target.isCompilerOptional)
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
      'does not print a version: is it a C compiler?',
      `without --cc: ${target.compiler}`,
    );
  }
  const name = `${basename(gccOf(command) ?? program)} ${version[0]}`;
  return { command, name, version: output.stdout };
}

/** 'ccache "/opt/my tools/gcc"' → its two words. Nothing is expanded or run. */
function wordsOf(cc: string): readonly string[] {
  const hint = 'write a program and its arguments; quote words with spaces';
  // A line break would end the recipe in the Makefile.
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

/** The GCC in a command, which may begin with a wrapper such as ccache. */
function gccOf(command: readonly string[]): string | undefined {
  return command.find((word) => gccName.test(word));
}

/** The objcopy of a GCC; for another compiler, that of the target's GCC. */
export function objcopyOf(command: readonly string[], target: Target): string {
  return (gccOf(command) ?? target.compiler).replace(gccName, 'objcopy');
}

/** Quotes words as the value of a make variable, so that a recipe sees the same words. */
export function makeText(words: readonly string[]): string {
  return join(words).replaceAll('$', () => '$$');
}
