/** What bonsaic.json gives a command: values of options, its model. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type Config, type ConfigKey, readConfig } from '../config.js';
import { BonsaiError } from '../errors.js';
import { usualConfig } from '../files.js';
import { didYouMean } from '../nearest.js';
import { note } from './output.js';

/** A directory has the budgets with which it was compiled. */
const budgets: ReadonlySet<ConfigKey> = new Set(['maxFlash', 'maxRam']);

/** The option that a key of the file stands for. */
export const optionNameOf = (key: string) => (key === 'goal' ? 'optimize' : key);

/** Applies the file's values to options that neither the user nor BONSAIC_CC has set. */
export function applyDefaults(command: Command, given: string | undefined): void {
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
