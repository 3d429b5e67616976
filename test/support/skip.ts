/** Tests that this machine cannot run say why: the reporter counts them by that. */
import { spawnSync } from 'node:child_process';
import Mocha from 'mocha';

/** Skips a test, or in a hook all of its suite. The reporter reads the reason in the title. */
export function skip(context: Mocha.Context, reason: string): never {
  const runnable = context.runnable();
  const named = runnable instanceof Mocha.Hook ? runnable.parent : runnable;
  if (named !== undefined) named.title += ` [skipped: ${reason}]`;
  return context.skip();
}

/** Skips where a program of the PATH is missing. */
export function needs(context: Mocha.Context, program: string): void {
  const found = spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0;
  if (!found) skip(context, `${program} is missing: npm run setup`);
}
