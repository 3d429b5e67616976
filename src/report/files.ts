/** The report as the files that stand in an output directory. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from './index.js';
import { reportText } from './text.js';

/** Name of the file → its text. */
export function reportFiles(report: Report): Map<string, string> {
  return new Map([
    ['report.txt', `${reportText(report, { why: true })}\n`],
    ['report.json', `${JSON.stringify(report, null, 2)}\n`],
  ]);
}

/** Replaces the report that `compile` wrote by one that knows more, each file in one step. */
export function saveReport(directory: string, report: Report): void {
  for (const [name, text] of reportFiles(report)) {
    const fresh = join(directory, 'build', name);
    writeFileSync(fresh, text);
    renameSync(fresh, join(directory, name));
  }
}
