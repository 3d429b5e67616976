/** The C compiler and make. */
import { execFile } from 'node:child_process';
import { BonsaiError } from '../errors.js';
import type { Target } from '../target/index.js';

export interface Toolchain {
  /** As make takes it: a command, with arguments where the user gave some. */
  readonly command: string;
  /** For people and the report: 'arm-none-eabi-gcc 12.2.1'. */
  readonly name: string;
}

export interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A build that takes longer hangs. */
const timeoutMs = 600_000;

/**
 * Runs a program to its end with its output captured.
 *
 * @returns null when there is no such program
 */
export function runTool(
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<Output | null> {
  return new Promise((resolve, reject) => {
    // The linker's messages are read: they must not come in the user's language.
    const env = { ...process.env, LC_ALL: 'C' };
    const options = { cwd, env, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 };
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ status: 0, stdout, stderr });
      else if (error.code === 'ENOENT' || error.code === 'EACCES') resolve(null);
      else if (typeof error.code === 'number') resolve({ status: error.code, stdout, stderr });
      else reject(error);
    });
  });
}

/**
 * The compiler for a target, with its version.
 *
 * @param cc the user's choice; undefined: the target's
 * @throws BonsaiError 'toolchain' when it is not there or does not run
 */
export async function findToolchain(target: Target, cc: string | undefined): Promise<Toolchain> {
  const command = cc?.trim() || target.compiler;
  const [program = command, ...args] = command.split(/\s+/);
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
  return { command, name: `${program.replace(/^.*\//, '')} ${version[0]}` };
}
