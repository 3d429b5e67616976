/**
 * bonsaic tune: measures the costs of kernels on a board, and keeps them for later compilations.
 */
import { type Command, Option } from 'commander';
import { placeOf } from '../boards/device/index.js';
import { portFor } from '../boards/profile/ports.js';
import { listTargets, loadTarget } from '../boards/target/index.js';
import { forgetCosts, type Scope, saveCosts, scopes } from '../boards/target/kept.js';
import { costTable, tune } from '../boards/tune/index.js';
import { textTable } from '../report/text-table.js';
import { withCompiler } from './options.js';
import { makeProgress, printJson, printResult, terminalColumns } from './output.js';

interface TuneFlags {
  readonly target?: string;
  readonly port?: string;
  readonly cc?: string;
  readonly for: Scope;
  readonly forget?: true;
  readonly json?: true;
}

export function addTune(blank: Command): void {
  withCompiler(blank)
    .addOption(new Option('--target <name>', 'the board').choices(listTargets()))
    .option('--port <port>', 'sim (the simulated board), a serial port, or auto')
    .addOption(
      new Option('--for <whom>', 'core: for all boards with its core; board: for it alone, first')
        .choices(scopes)
        .default('core'),
    )
    .option('--forget', 'go back to the costs that come with bonsaic, of one target or of all')
    .option('--json', 'one JSON document on stdout')
    .action((flags: TuneFlags, command: Command) => {
      const { target, port } = flags;
      if (flags.forget) return forget(flags);
      if (target === undefined || port === undefined) {
        return command.error('error: --target and --port are needed, or --forget');
      }
      return measure(target, port, flags);
    });
}

function forget({ target, json }: TuneFlags): void {
  const targets = target === undefined ? listTargets() : [target];
  const forgotten = [...new Set(targets.map(loadTarget).flatMap(forgetCosts))];
  if (json) printJson({ targets, forgotten });
  else printResult(`${targets.join(', ')}: kernels are chosen by the costs that come with bonsaic`);
}

async function measure(name: string, asked: string, flags: TuneFlags): Promise<void> {
  const { cc, json, for: scope } = flags;
  const target = loadTarget(name);
  // If nothing simulates the board, a build cannot help.
  placeOf(asked, target);
  const port = await portFor(asked, target);
  const { unit, kernels } = await makeProgress()(
    `Measure the kernels of ${name} on ${port}`,
    (say) => tune({ target, port, cc, observe: say }),
  );
  const path = saveCosts(target, scope, { costUnit: unit, costs: costTable(kernels) });
  if (json) {
    printJson({
      target: name,
      core: target.core,
      for: scope,
      device: port,
      unit,
      kernels,
      cache: path,
    });
    return;
  }
  const owner = scope === 'core' ? `every board with a ${target.coreName}` : name;
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
  printResult(
    `${textTable(head, rows, { width: terminalColumns() })}\n\nkept for ${owner} in ${path}`,
  );
}
