/** bonsaic doctor: which tools this machine has, which are missing, and how to install them. */
import type { Command } from 'commander';
import { exitStatus } from '../errors.js';
import { textTable } from '../report/text-table.js';
import { checkTools, type ToolCheck } from '../report/tools.js';
import { printJson, printResult, terminalColumns } from './output.js';

export function addDoctor(cli: Command): void {
  cli
    .command('doctor')
    .summary('check this machine: compilers, simulators, serial ports')
    .option('--json', 'one JSON document on stdout')
    .action(async (flags: { json?: true }) => {
      const checks = await checkTools();
      if (flags.json) {
        printJson(checks);
      } else {
        const mark = (check: ToolCheck) => (check.ok ? 'ok' : check.needed ? 'MISSING' : 'missing');
        printResult(
          textTable(
            ['', 'what', 'found', 'what next'],
            checks.map((c) => [mark(c), c.what, c.found, c.ok ? '' : c.hint]),
            { width: terminalColumns() },
          ),
        );
      }
      if (checks.some((check) => check.needed && !check.ok)) {
        process.exitCode = exitStatus.toolchain;
      }
    });
}
