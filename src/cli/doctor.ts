/** bonsaic doctor: which tools this machine has, which are missing, and how to install them. */
import type { Command } from 'commander';
import { exitStatus } from '../errors.js';
import { textTable } from '../report/text-table.js';
import { checkTools, grouped, type ToolCheck } from '../report/tools.js';
import { printJson, printResult, terminalColumns } from './output.js';

export function addDoctor(blank: Command): void {
  blank.option('--json', 'one JSON document on stdout').action(async (flags: { json?: true }) => {
    const checks = await checkTools();
    if (flags.json) {
      printJson(checks);
    } else {
      printResult(doctorText(checks, terminalColumns()));
    }
    if (checks.some((check) => check.needed && !check.ok)) {
      process.exitCode = exitStatus.toolchain;
    }
  });
}

/** The table, and below it what to do: commands stand on lines of their own, whatever the width. */
export function doctorText(all: readonly ToolCheck[], width: number): string {
  const checks = grouped(all);
  const mark = ({ ok, needed }: ToolCheck) => (ok ? 'ok' : needed ? 'MISSING' : 'missing');
  const rows = checks.map((check) => [mark(check), check.what, check.found]);
  const hints = new Map<string, string[]>();
  for (const { ok, what, hint } of checks) {
    if (ok || hint === '') continue;
    const [name = what] = what.split(' (');
    hints.set(hint, [...(hints.get(hint) ?? []), name]);
  }
  const next = [...hints].map(([hint, names]) =>
    [`${[...new Set(names)].join(', ')}:`, ...hint.split('\n')].join('\n  '),
  );
  const table = textTable(['', 'what', 'found'], rows, { width });
  return [table, ...(next.length === 0 ? [] : ['', 'what next', ...next])].join('\n');
}
