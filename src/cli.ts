#!/usr/bin/env node
/** The process. It hears signals from its first line on; cli/supervise.ts does the rest. */
import type { Heard, Signals } from './cli/supervise.js';

const signals: Signals = { heard: null, tell: () => {} };
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, (_: NodeJS.Signals, number: number) => {
    const heard: Heard = { signal, number };
    signals.heard ??= heard;
    signals.tell(heard);
  });
}
const args = process.argv.slice(2);
const helps = ['help', '--help', '-h', '--version', '-V'];
// Imported only now: what is imported above is loaded before the first line runs.
if (args.every((arg) => helps.includes(arg))) {
  // At once, without the thread that commands run in.
  const [{ runCommand }, { watchOutput }] = await Promise.all([
    import('./cli/program.js'),
    import('./cli/output.js'),
  ]);
  watchOutput();
  const status = await runCommand(args);
  if (status !== 0) process.exitCode = status;
} else {
  const { supervise } = await import('./cli/supervise.js');
  await supervise(args, signals);
}
