/** bonsaic compare MODEL: what a model needs on several boards. */
import { type Command, InvalidArgumentError } from 'commander';
import { isLibrary, requireFirmware } from '../boards/target/firmware.js';
import { listTargets, loadTarget } from '../boards/target/index.js';
import { readModelFile } from '../model-file.js';
import { didYouMean } from '../nearest.js';
import { compare } from '../pipeline/compare.js';
import { boardsFault, compareText, ranked } from '../report/compare.js';
import { modelHelp, modelOf } from './model-argument.js';
import {
  type CompileFlags,
  compileOptions,
  type DeviceFlags,
  deviceJobOf,
  targetOf,
  withBudgets,
  withCompileOptions,
  withCompiler,
  withXip,
} from './options.js';
import { conclude, terminalColumns } from './output.js';

interface CompareFlags extends Omit<CompileFlags, 'xip'>, DeviceFlags {
  readonly model?: string;
  readonly targets?: readonly string[];
}

export function addCompare(blank: Command): void {
  const command = blank
    .argument('[model]', modelHelp)
    .option('--targets <a,b,…>', 'these boards, in this order of trying (default: all)', names)
    .option('--vectors <file>', 'inputs and expected outputs (JSON); without: one random input')
    .option('--json', 'one JSON document on stdout');
  const compared = withXip(withCompiler(withCompileOptions(command)));
  withBudgets(compared, { measured: true }).action(
    async (argument: string | undefined, flags: CompareFlags) => {
      const path = modelOf(argument, flags);
      // Nothing is built if one of the targets has no image.
      for (const name of flags.targets ?? []) {
        requireFirmware(loadTarget(name), `--targets ${name}`);
      }
      const request = { bytes: readModelFile(path), path, options: compileOptions(flags) };
      const targets = (flags.targets ?? boardNames()).map((name) => targetOf({ target: name }));
      const boards = await compare(request, targets, deviceJobOf({ ...flags, port: 'sim' }));
      const rows = ranked(boards);
      const text = () => compareText(rows, terminalColumns());
      conclude(flags.json, { model: path, boards: rows }, text, boardsFault(path, boards));
    },
  );
}

/** Every board: neither this machine nor targets that have sources but no board. */
const boardNames = () =>
  listTargets().filter((name) => name !== 'host' && !isLibrary(loadTarget(name)));

function names(text: string): readonly string[] {
  const given = text.split(',').map((name) => name.trim());
  const unknown = given.find((name) => !listTargets().includes(name));
  if (unknown === undefined) return [...new Set(given)];
  throw new InvalidArgumentError(
    `"${unknown}" is none of: ${listTargets().join(', ')}${didYouMean(unknown, listTargets()) || '.'}`,
  );
}
