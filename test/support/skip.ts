/** Skips tests that this machine cannot run; the reporter counts them by reason. */
import { spawnSync } from 'node:child_process';
import Mocha from 'mocha';
import { simulators } from '../../src/boards/device/index.js';
import type { Target } from '../../src/boards/target/index.js';

/** Skips a test, or in a hook the whole suite. The reporter reads the reason from the title. */
export function skip(context: Mocha.Context, reason: string): never {
  const runnable = context.runnable();
  const named = runnable instanceof Mocha.Hook ? runnable.parent : runnable;
  if (named !== undefined) named.title += ` [skipped: ${reason}]`;
  return context.skip();
}

/** Skips if a program is not in the PATH. */
export function needs(context: Mocha.Context, program: string): void {
  const found = spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0;
  if (!found) skip(context, `${program} is missing: scripts/setup.sh --tests`);
}

/** Skips if the compiler of a target or the program of its simulator is not in the PATH. */
export function needsSimulator(context: Mocha.Context, target: Target): void {
  needs(context, target.compiler);
  const { program = null } = simulators.get(target.simulator ?? '') ?? {};
  if (program !== null) needs(context, program.command);
}
