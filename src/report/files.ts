/** The report as files of an output directory. */
import { join } from 'node:path';
import { writeWhole } from '../durable.js';
import type { Report } from './index.js';
import { reportText } from './text.js';

/** Name of the file → its text. */
export function reportFiles(report: Report): Map<string, string> {
  return new Map([
    ['report.txt', `${reportText(report, { why: true })}\n`],
    ['report.json', `${JSON.stringify(report, null, 2)}\n`],
  ]);
}

/** Replaces the report of `compile` by a more complete one, each file atomically. */
export function saveReport(directory: string, report: Report): void {
  for (const [name, text] of reportFiles(report)) writeWhole(join(directory, name), text);
}
