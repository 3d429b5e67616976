#!/usr/bin/env node
/** The process: its arguments, its exit status. */
import { reportError, reportStop, watchOutput } from './cli/output.js';
import { runCommand } from './cli/program.js';

const args = process.argv.slice(2);
const asked = { json: args.includes('--json') };
watchOutput();
// What fails outside of any promise: a child process that cannot be started, a stream that breaks.
process.on('uncaughtException', (error) => {
  process.exit(reportError(error, asked));
});
// What is to be undone at the end of the process is undone when it is stopped, too.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, (_: NodeJS.Signals, number: number) => {
    process.exit(reportStop(signal, number, asked));
  });
}
const status = await runCommand(args);
// A command that reports failures in its result sets the status itself.
if (status !== 0) process.exitCode = status;
