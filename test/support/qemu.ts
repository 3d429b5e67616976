/** QEMU on this machine: is it there, and what of it runs. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { qemuCommand } from '../../src/device/qemu.js';

/** Says so where it is missing: a test that is skipped should not be skipped silently. */
export function hasQemu(): boolean {
  if (spawnSync(qemuCommand, ['--version']).status === 0) return true;
  console.log(`    ${qemuCommand} is missing: npm run setup`);
  return false;
}

/** The QEMUs whose command line names `file`, from /proc (Linux). */
export function qemusOf(file: string): { readonly pid: number; readonly runningThreads: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [command, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        if (!command?.endsWith(qemuCommand) || !args.includes(file)) return [];
        // After the name in parentheses: R when it runs, or waits for a processor to run on.
        const isRunning = (thread: string) =>
          readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(') ')[1]?.startsWith('R');
        const runningThreads = readdirSync(`/proc/${pid}/task`).filter(isRunning).length;
        return [{ pid: Number(pid), runningThreads }];
      } catch {
        return []; // it has just ended
      }
    });
}
