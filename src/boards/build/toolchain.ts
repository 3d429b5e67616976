/** Runs the C compiler and make. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { join, split } from 'shlex';
import { BonsaiError } from '../../errors.js';
import { oweEnd } from '../../leaving.js';
import type { Target } from '../target/index.js';
import { installHint } from './install.js';
import { makeTemporaryFolder } from './temporary.js';

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
 * @param cwd the folder that it works in; undefined: it has no work, it only answers
 * @returns null when the program does not exist
 * @throws BonsaiError 'toolchain' when it cannot be run, is killed, takes too long or prints too
 * much
 */
export async function runTool(
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<Output | null> {
  if (cwd === undefined) return outcomeOf(program, started(program, args, {}), cwd);
  // A compiler that is killed leaves its temporary files.
  const temporary = makeTemporaryFolder('tools');
  try {
    return await outcomeOf(program, started(program, args, { TMPDIR: temporary.path }, cwd), cwd);
  } finally {
    temporary.remove();
  }
}

function started(
  program: string,
  args: readonly string[],
  variables: NodeJS.ProcessEnv,
  cwd?: string,
): ChildProcessWithoutNullStreams {
  // The linker's messages are parsed, so they must not be translated.
  const env = { ...process.env, ...variables, LC_ALL: 'C' };
  // Detached, so that Ctrl-C reaches bonsaic alone, and what the program has started ends with it.
  const child = spawn(program, args, { cwd, env, stdio: 'pipe', detached: true });
  oweEnd(child);
  child.stdin.on('error', () => {});
  child.stdin.end();
  return child;
}

function outcomeOf(
  program: string,
  child: ChildProcessWithoutNullStreams,
  cwd: string | undefined,
): Promise<Output | null> {
  return new Promise((resolve, reject) => {
    const said = { stdout: '', stderr: '' };
    const giveUp = (what: string, hint: string) => {
      endGroup(child);
      reject(new BonsaiError('toolchain', program, what, hint));
    };
    const timer = setTimeout(
      () => giveUp(`did not end within ${timeoutMs / 1000} s`, 'try again on a free machine'),
      timeoutMs,
    );
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
        if (said[name].length <= mostOutputBytes) return;
        said[name] = '';
        giveUp(`prints more than ${mostOutputBytes} bytes`, 'run make in the directory to see it');
      });
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT' && existsSync(cwd ?? '.')) resolve(null);
      else reject(notRun(program, error));
    });
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      if (status !== null) resolve({ status, ...said });
      else giveUp(`was killed by ${signal}`, 'check that enough memory is free, then try again');
    });
  });
}

/** Ends a program and what it has started. */
function endGroup({ pid }: ChildProcessWithoutNullStreams): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** The error for a program that could not be started. */
function notRun(program: string, { code, message }: NodeJS.ErrnoException): BonsaiError {
  const refuse = (what: string, hint: string) => new BonsaiError('toolchain', program, what, hint);
  if (code === 'EACCES') return refuse('may not be run', 'check its permissions');
  return refuse(`cannot be run: ${message}`, 'check the program and the directory');
}

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
