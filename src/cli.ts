#!/usr/bin/env node
/** The process: its arguments, its exit status. */
import { noteStop, reportError, watchOutput } from './cli/output.js';
import { runCommand } from './cli/program.js';

const args = process.argv.slice(2);
watchOutput();
// What fails outside of any promise: a child process that cannot be started, a stream that breaks.
process.on('uncaughtException', (error) => {
  process.exit(reportError(error, { json: args.includes('--json') }));
});
// What is to be undone at the end of the process is undone when it is stopped, too.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, (_: NodeJS.Signals, number: number) => {
    noteStop();
    process.exit(128 + number);
  });
}
const status = await runCommand(args);
// A command that reports failures in its result sets the status itself.
if (status !== 0) process.exitCode = status;
