/** bonsaic verify MODEL: the generated C on this machine against the reference evaluator. */
import type { Command } from 'commander';
import { modelHelp, modelOf } from './config.js';
import { withCompileOptions, withCompiler, withReport } from './options.js';
import { type RunFlags, runOn } from './run.js';

export function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .argument('[model]', modelHelp)
    .summary('check the generated C on this machine, layer by layer, with sanitizers on')
    .option('--vectors <file>', 'inputs and expected outputs (JSON); without: 4 seeded inputs');
  withReport(withCompiler(withCompileOptions(command))).action(
    (path: string | undefined, flags: Omit<RunFlags, 'target' | 'port' | 'xip'>) =>
      runOn(
        modelOf(path, flags),
        { ...flags, target: 'host', port: 'sim', xip: 'ideal' },
        { sanitize: true },
      ),
  );
}
