/** bonsaic profile DIR: the firmware on a board, checked bit for bit and measured. */
import type { Command } from 'commander';
import { profile } from '../pipeline.js';
import { required } from './config.js';
import {
  concludeReport,
  type DeviceFlags,
  deviceJobOf,
  withBudgets,
  withCompiler,
  withDevice,
  withReport,
  withVectors,
} from './options.js';

export function addProfile(program: Command): void {
  const command = withVectors(
    program
      .command('profile')
      .argument('<dir>', 'a directory written by compile')
      .summary('run on the device: outputs, cycles per layer, memory'),
  );
  withBudgets(withCompiler(withReport(withDevice(command, required))), {
    measured: true,
    compiled: true,
  }).action(async (directory: string, flags: DeviceFlags & { readonly port: string }) => {
    concludeReport(await profile(directory, deviceJobOf(flags)), flags);
  });
}
