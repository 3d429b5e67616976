/** Options that bonsaic.json may supply instead of the command line. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command, Option } from 'commander';
import { recoverOutput } from '../compress/output.js';
import { type Config, type ConfigKey, readConfig, usualConfig } from '../config.js';
import { BonsaiError } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { note } from './output.js';

/** A directory has the budgets with which it was compiled. */
const budgets: ReadonlySet<ConfigKey> = new Set(['maxFlash', 'maxRam']);

/** Options that the command line or bonsaic.json must supply. */
const needed = new WeakSet<Option>();

/** Like commander's makeOptionMandatory, but bonsaic.json may supply the option. */
export function required(option: Option): Option {
  needed.add(option);
  return option;
}

/** --config, for all commands. Missing options are reported after the file has been read. */
export function withConfig(program: Command): Command {
  return program
    .option('--config <file>', `defaults of options; without: ${usualConfig} in the working folder`)
    .configureHelp({ showGlobalOptions: true })
    .hook('preAction', (_, command) => {
      applyDefaults(command, program.opts<{ config?: string }>().config);
      for (const option of command.options) {
        if (!needed.has(option) || command.getOptionValue(option.attributeName()) !== undefined) {
          continue;
        }
        command.error(`error: required option '${option.flags}' not specified`);
      }
    });
}

/** The option that a key of the file stands for. */
export const optionNameOf = (key: string) => (key === 'goal' ? 'optimize' : key);

/** Applies the file's values to options that neither the user nor BONSAIC_CC has set. */
function applyDefaults(command: Command, given: string | undefined): void {
  const takesModel = command.registeredArguments.some((argument) => argument.name() === 'model');
  const options = new Map(command.options.map((option) => [option.attributeName(), option]));
  const file = given ?? (existsSync(usualConfig) ? usualConfig : undefined);
  if (file === undefined || (!takesModel && options.size === 0)) return;
  const taken: string[] = [];
  for (const [key, value] of Object.entries(readConfig(file)) as [ConfigKey, Config[ConfigKey]][]) {
    const name = optionNameOf(key);
    if (name === 'model' ? !takesModel || command.args.length > 0 : !options.has(name)) continue;
    if (!takesModel && budgets.has(key)) continue;
    if (!['default', undefined].includes(command.getOptionValueSource(name))) continue;
    const choices = options.get(name)?.argChoices;
    if (choices !== undefined && !choices.includes(String(value))) {
      const hint = `one of: ${choices.join(', ')}${didYouMean(String(value), choices)}`;
      throw new BonsaiError('usage', file, `"${key}": ${value} is not allowed here`, hint);
    }
    const text = typeof value === 'number' && choices !== undefined;
    command.setOptionValueWithSource(name, text ? String(value) : value, 'config');
    taken.push(`${key} ${value}`);
  }
  if (taken.length > 0) note(`defaults of ${file}: ${taken.join(', ')}`);
}

/** Help for a model argument. */
export const modelHelp = 'a .tflite file; without: that of bonsaic.json';

/** @throws BonsaiError 'usage' if neither the command line nor bonsaic.json names a model */
export function modelOf(argument: string | undefined, flags: { readonly model?: string }): string {
  const model = argument ?? flags.model;
  if (model !== undefined) {
    // A compression that was killed may have left its folder under another name.
    recoverOutput(dirname(model));
    return model;
  }
  const hint = `bonsaic COMMAND MODEL, or "model" in ${usualConfig}`;
  throw new BonsaiError('usage', 'command line', "missing argument 'model'", hint);
}
