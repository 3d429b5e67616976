/** bonsaic inspect MODEL: the contents of a model, and what it would need on targets. */
import { type Command, Option } from 'commander';
import { listTargets } from '../boards/target/index.js';
import { analysed } from '../compiler/index.js';
import { printModule } from '../compiler/ir/print.js';
import { readModelFile } from '../model-file.js';
import { estimates, inspectModel } from '../pipeline/inspect.js';
import type { CompileRequest } from '../pipeline/types.js';
import { load } from '../pipeline.js';
import { sayIfSlow } from '../progress.js';
import { describe, descriptionText } from '../report/description.js';
import { supportText } from '../report/support.js';
import { modelHelp, modelOf } from './model-argument.js';
import {
  type CompileFlags,
  compileOptions,
  noSuchPass,
  targetOf,
  withCompileOptions,
} from './options.js';
import { conclude, note, printResult, terminalColumns } from './output.js';

interface InspectFlags extends CompileFlags {
  readonly model?: string;
  readonly target?: string;
  readonly dump?: string;
  readonly why?: true;
  readonly json?: true;
}

export function addInspect(blank: Command): void {
  withCompileOptions(
    blank
      .argument('[model]', modelHelp)
      .addOption(
        new Option('--target <name>', 'estimate for this target only').choices(listTargets()),
      )
      .option('--dump <pass>', "print the module after this pass ('import' for before the first)")
      .option('--why', 'show the best dense kernel of each layer too (with --target)')
      .option('--json', 'one JSON document on stdout'),
  ).action((argument: string | undefined, flags: InspectFlags) => {
    const path = modelOf(argument, flags);
    const request = { bytes: readModelFile(path), path, options: compileOptions(flags) };
    if (flags.dump !== undefined) {
      dump(request, flags.dump);
      return;
    }
    inspect({ ...request, say: sayIfSlow(note) }, flags);
  });
}

/**
 * The table of operators comes first: it takes no plan. A float model is described too, since it can
 * be compressed. A model that no target takes ends with its error, as compile does.
 */
function inspect(request: Omit<CompileRequest, 'target'>, flags: InspectFlags): void {
  const { model, operators, fault, proven } = inspectModel(request);
  const width = terminalColumns();
  if (!flags.json) printResult(supportText(operators, width));
  if (proven === null || (fault !== null && fault.code !== 'float-model')) {
    conclude(flags.json, { model, operators }, null, fault);
    return;
  }
  const description = { ...describe(proven.source, model.bytes), proofs: proven.proofs };
  const names = flags.target === undefined ? listTargets() : [flags.target];
  const boards = names.map((name) => targetOf({ target: name }));
  const { targets, fault: refused } = estimates(request, boards, analysed(proven));
  const style = { width, why: flags.why === true };
  const text = () => `\n${descriptionText(description, targets, style)}`;
  conclude(flags.json, { ...description, operators, targets }, text, fault ?? refused);
}

function dump(request: Omit<CompileRequest, 'target'>, pass: string): void {
  const seen: string[] = [];
  let text: string | undefined;
  load({
    ...request,
    observe: (name, module) => {
      seen.push(name);
      if (name === pass) text = printModule(module);
    },
  });
  if (text === undefined) {
    throw noSuchPass(pass, seen);
  }
  printResult(text);
}
