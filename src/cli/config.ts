/** Options that bonsaic.json may supply instead of the command line. */
import type { Command, Option } from 'commander';
import { usualConfig } from '../files.js';

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
    .hook('preAction', async (_, command) => {
      // Loaded by commands alone: help needs none of it.
      const { applyDefaults } = await import('./defaults.js');
      applyDefaults(command, program.opts<{ config?: string }>().config);
      for (const option of command.options) {
        if (!needed.has(option) || command.getOptionValue(option.attributeName()) !== undefined) {
          continue;
        }
        command.error(`error: required option '${option.flags}' not specified`);
      }
    });
}
