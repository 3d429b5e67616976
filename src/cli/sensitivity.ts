/** bonsaic sensitivity MODEL: what each layer's pruning would lose. */
import { type Command, InvalidArgumentError } from 'commander';
import { isPattern, patternForms } from '../compress/prune/patterns.js';
import { sensitivityText } from '../compress/prune/text.js';
import { modelSensitivity } from '../compress/sensitivity-model.js';
import {
  type CompressionFlags,
  goneShare,
  list,
  materialsOf,
  warn,
  withMaterials,
} from './compression.js';
import { modelHelp, modelOf } from './model-argument.js';
import { conclude, makeProgress, terminalColumns } from './output.js';

interface SensitivityFlags extends CompressionFlags {
  readonly patterns: readonly string[];
  readonly shares?: readonly number[];
}

export function addSensitivity(blank: Command): void {
  const command = blank
    .argument('[model]', modelHelp)
    .option('--patterns <a,b,…>', patternForms, patterns, ['unstructured'])
    .option('--shares <a,b,…>', 'percent of the weights (default: 30,50,70,80,90,95)', shares);
  withMaterials(command).action(async (argument: string | undefined, flags: SensitivityFlags) => {
    const path = modelOf(argument, flags);
    const request = {
      ...materialsOf(path, flags),
      patterns: flags.patterns,
      shares: flags.shares ?? null,
    };
    const found = await modelSensitivity(request, makeProgress(), warn);
    conclude(flags.json, found, () => sensitivityText(found, terminalColumns()), null);
  });
}

function patterns(text: string): readonly string[] {
  const names = list(text);
  const unknown = names.find((name) => !isPattern(name));
  if (unknown === undefined) return names;
  throw new InvalidArgumentError(`"${unknown}" is none of ${patternForms}.`);
}

function shares(text: string): readonly number[] {
  return list(text).map(goneShare);
}
