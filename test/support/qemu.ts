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
export function qemusOf(file: string): { readonly pid: number; readonly cpuMs: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [command, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        if (!command?.endsWith(qemuCommand) || !args.includes(file)) return [];
        // After the name in parentheses: user and system time are fields 14 and 15, in 10 ms.
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
        return [{ pid: Number(pid), cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 }];
      } catch {
        return []; // it has just ended
      }
    });
}
