/** The report as files of an output directory. */
import { join } from 'node:path';
import { writeWhole } from '../durable.js';
import { type BonsaiError, refusalOf } from '../errors.js';
import type { Report } from './index.js';
import { reportText } from './text.js';

/** Name of the file → its text. */
export function reportFiles(report: Report): Map<string, string> {
  return new Map([
    ['report.txt', `${reportText(report, { why: true })}\n`],
    ['report.json', `${JSON.stringify(report, null, 2)}\n`],
  ]);
}

/**
 * Replaces the report of `compile` by a more complete one, each file atomically.
 *
 * @returns why it cannot be written, as on a full disk: what was measured is told first; null: it is
 */
export function saveReport(directory: string, report: Report): BonsaiError | null {
  return refusalOf(() => {
    for (const [name, text] of reportFiles(report)) {
      writeWhole(join(directory, name), text);
    }
  });
}
