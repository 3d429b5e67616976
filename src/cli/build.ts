/** bonsaic build DIR: the firmware image, and its size by part. */
import type { Command } from 'commander';
import { build } from '../pipeline/directory.js';
import { budgetsOf, memoryNote } from '../report/budgets.js';
import {
  type JobFlags,
  jobOf,
  type ShowFlags,
  shownReport,
  withBudgets,
  withCompiler,
  withReport,
} from './options.js';
import { conclude, note } from './output.js';

interface Flags extends JobFlags, ShowFlags {}

export function addBuild(blank: Command): void {
  const command = blank.argument('<dir>', 'a directory written by compile');
  withBudgets(withReport(withCompiler(command)), { measured: false, compiled: true }).action(
    async (directory: string, flags: Flags) => {
      const { report, built, fault } = await build(directory, jobOf(flags));
      const { images } = built;
      const large = fault === null ? memoryNote(report, budgetsOf(flags)) : null;
      if (large !== null) note(large);
      const text = () => [shownReport(report, flags), '', ...images].join('\n');
      conclude(flags.json, { ...report, images }, text, fault);
    },
  );
}
