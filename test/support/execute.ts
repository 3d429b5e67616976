/** Programs of this machine. */
import { execFile } from 'node:child_process';

/** Runs a program to its end. @throws Error with its standard error when it fails */
export function execute(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly input?: Uint8Array;
    readonly env?: NodeJS.ProcessEnv;
  } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settings = {
      cwd: options.cwd,
      env: options.env ?? process.env,
      encoding: 'buffer' as const,
      maxBuffer: 2 ** 30,
      // What takes longer hangs.
      timeout: 600_000,
    };
    const child = execFile(command, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command} ${args.join(' ')}\n${stderr.toString().slice(0, 8000)}`));
    });
    // A program that dies early closes its end; its exit status tells why.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? new Uint8Array());
  });
}
