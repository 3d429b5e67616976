/** Finds QEMU processes on this machine. */
import { readdirSync, readFileSync } from 'node:fs';

/** The QEMUs whose command line names `file`, from /proc (Linux). */
export function qemusOf(file: string): { readonly pid: number; readonly runningThreads: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [command, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        const names = args.some((arg) => arg === file || arg.includes(`file=${file},`));
        if (!/qemu-system-\w+$/.test(command ?? '') || !names) return [];
        // The state follows the name in parentheses: R if it runs or waits for a processor.
        const isRunning = (thread: string) =>
          readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(') ')[1]?.startsWith('R');
        const runningThreads = readdirSync(`/proc/${pid}/task`).filter(isRunning).length;
        return [{ pid: Number(pid), runningThreads }];
      } catch {
        return []; // it has just ended
      }
    });
}
