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
// Imported only now: what is imported above is loaded before the first line runs.
const { supervise } = await import('./cli/supervise.js');
await supervise(process.argv.slice(2), signals);
