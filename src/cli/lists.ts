/** bonsaic targets, operators: lists. */

import type { Command } from 'commander';
import { kernelsOf } from '../kernels/index.js';
import { operators } from '../ops/index.js';
import { textTable } from '../report/text-table.js';
import { listTargets, loadTarget } from '../target/index.js';
import { printJson, printResult, terminalColumns } from './output.js';

interface Flags {
  readonly json?: true;
}

/** A command without arguments that prints rows. */
function addList(
  program: Command,
  name: string,
  summary: string,
  rows: () => Promise<readonly Record<string, unknown>[]> | readonly Record<string, unknown>[],
  empty: string,
): void {
  program
    .command(name)
    .summary(summary)
    .option('--json', 'one JSON document on stdout')
    .action(async (flags: Flags) => {
      const found = await rows();
      if (flags.json) {
        printJson(found);
        return;
      }
      const header = Object.keys(found[0] ?? {});
      const cell = (value: unknown) =>
        Array.isArray(value) ? value.join(', ') : value === null ? '' : String(value);
      printResult(
        found.length === 0
          ? empty
          : textTable(
              header,
              found.map((row) => header.map((column) => cell(row[column]))),
              { width: terminalColumns() },
            ),
      );
    });
}

export function addLists(program: Command): void {
  addList(program, 'targets', 'list the boards that bonsaic knows', targetRows, 'no targets');
  addList(
    program,
    'operators',
    'list the operators and their kernels',
    () =>
      [...operators.values()].map((op) => ({
        operator: op.name,
        kernels: kernelsOf({ op: op.name }).variants.map((variant) => variant.template),
      })),
    'no operators',
  );
}

function targetRows() {
  return listTargets().map((name) => {
    const {
      description,
      coreName: core,
      clockHz,
      flashBytes,
      ramBytes,
      simulator,
    } = loadTarget(name);
    return { target: name, description, core, clockHz, flashBytes, ramBytes, simulator };
  });
}
