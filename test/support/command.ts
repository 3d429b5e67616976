/** The command line in this process: no start of Node, and the compiler is warm. */
import { runCommand } from '../../src/cli/program.js';

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * From now on what this process writes is kept, as in a pipe, whatever terminal the tests have.
 *
 * @returns the text so far, and the end of that
 */
export function captureOutput() {
  const written = { stdout: '', stderr: '' };
  const ends = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const { write, isTTY, columns } = stream;
    const captured = (text: string | Uint8Array) => {
      written[name] += String(text);
      return true;
    };
    Object.assign(stream, { write: captured, isTTY: false, columns: undefined });
    return () => Object.assign(stream, { write, isTTY, columns });
  });
  const end = () => {
    for (const one of ends) one();
  };
  return { written, end };
}

/** Runs a command: its status and what it wrote. */
export async function runHere(args: readonly string[]): Promise<Ended> {
  const { written, end } = captureOutput();
  try {
    return { status: await runCommand(args), ...written };
  } finally {
    end();
  }
}
