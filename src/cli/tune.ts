/** bonsaic tune: what kernels cost on a board, measured, and kept for later compilations. */
import type { Command } from 'commander';
import { table } from '../report/text.js';
import { loadTarget } from '../target/index.js';
import { costTable, tune } from '../tune/index.js';
import { forgetCosts, saveCosts } from './costs.js';
import { withCompiler, withTarget } from './options.js';
import { makeProgress, printJson, printResult } from './output.js';

interface TuneFlags {
  readonly target: string;
  readonly port?: string;
  readonly cc?: string;
  readonly forget?: true;
  readonly json?: true;
}

export function addTune(program: Command): void {
  withCompiler(withTarget(program.command('tune')))
    .summary('measure on a board what kernels cost; later compilations choose by it')
    .option('--port <port>', 'sim (the simulated board), or a serial port')
    .option('--forget', 'go back to the costs that come with bonsaic')
    .option('--json', 'one JSON document on stdout')
    .action((flags: TuneFlags, command: Command) => {
      if (flags.forget) return forget(flags);
      if (flags.port === undefined) command.error('error: --port or --forget is needed');
      return measure(flags, flags.port as string);
    });
}

function forget({ target, json }: TuneFlags): void {
  const path = forgetCosts(target);
  if (json) printJson({ target, forgotten: path });
  else printResult(`${target}: kernels are chosen by the costs that come with bonsaic`);
}

async function measure({ target: name, cc, json }: TuneFlags, port: string): Promise<void> {
  const target = loadTarget(name);
  const { unit, kernels } = await makeProgress(json)(
    `Measure the kernels of ${name} on ${port}`,
    (say) => tune({ target, port, cc, observe: say }),
  );
  const path = saveCosts(name, { costUnit: unit, costs: costTable(kernels) });
  if (json) {
    printJson({ target: name, device: port, unit, kernels, cache: path });
    return;
  }
  const rows = kernels.map(({ template, optimize, layers, worstError, costs }) => [
    template,
    optimize,
    String(layers),
    `${(100 * worstError).toFixed(0)} %`,
    Object.entries(costs)
      .map(([term, cost]) => `${term} ${cost}`)
      .join(', '),
  ]);
  const head = ['kernel', 'for', 'layers', 'off by', `${unit} for one of each`];
  printResult(`${table(head, rows)}\n\nkept in ${path}`);
}
