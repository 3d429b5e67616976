/** Espressif's own client, where it is installed: PyPI's esptool. */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { skip } from './skip.js';

/** Where `scripts/setup.sh --tests` installs it. */
const installed = fileURLToPath(new URL('../../build/esptool/bin/esptool', import.meta.url));
const commands = [['esptool'], ['esptool.py'], ['python3', '-m', 'esptool'], [installed]];

/** Runs esptool. The simulated board is in this process, so nothing may block it. */
export type Esptool = (...args: string[]) => Promise<{ ok: boolean; output: string }>;

/** Skips the test or the suite where there is none. */
export function needsEsptool(context: Mocha.Context): Esptool {
  const found = commands.find(
    ([program = '', ...args]) => spawnSync(program, [...args, 'version']).status === 0,
  );
  if (found === undefined) skip(context, 'esptool is missing: scripts/setup.sh --tests');
  const [program = '', ...first] = found;
  return (...args) =>
    new Promise((resolve) => {
      execFile(program, [...first, ...args], (error, stdout, stderr) =>
        resolve({ ok: error === null, output: stdout + stderr }),
      );
    });
}
