/** The command line: collects the commands, one file each, and turns errors into exit statuses. */
import { Command, CommanderError } from 'commander';
import { version } from '../package.js';
import { printable } from '../printable.js';
import { addBuild } from './build.js';
import { addCompare } from './compare.js';
import { addCompile } from './compile.js';
import { addCompress } from './compress.js';
import { withConfig } from './config.js';
import { addDoctor } from './doctor.js';
import { addFlash } from './flash.js';
import { addInspect } from './inspect.js';
import { addLists } from './lists.js';
import { forgetDocument, reportError, reportUsage } from './output.js';
import { addPorts } from './ports.js';
import { addProfile } from './profile.js';
import { addPrune } from './prune.js';
import { addQuantize } from './quantize.js';
import { addRun } from './run.js';
import { addSensitivity } from './sensitivity.js';
import { addSimulate } from './simulate.js';
import { withSuggestions } from './suggestions.js';
import { addTune } from './tune.js';
import { addVerify } from './verify.js';

export function makeProgram(): Command {
  const program = new Command('bonsaic')
    .description('Compiles an INT8 neural network to verified, measured microcontroller firmware.')
    .version(version)
    .configureOutput({ outputError: (text, write) => write(printable(text)) })
    .showHelpAfterError('(bonsaic help COMMAND shows the options)');
  // Commands copy their parent's settings when they are created, so this comes first.
  withConfig(program.exitOverride());
  for (const add of [
    addRun,
    addInspect,
    addCompare,
    addCompress,
    addPrune,
    addQuantize,
    addSensitivity,
    addCompile,
    addBuild,
    addFlash,
    addProfile,
    addSimulate,
    addVerify,
    addLists,
    addPorts,
    addTune,
    addDoctor,
  ]) {
    add(program);
  }
  for (const command of program.commands) {
    // Its own help has no line of what it does otherwise.
    if (command.description() === '') command.description(command.summary());
    withSuggestions(command);
  }
  return program;
}

/** Runs a command line without the program's name. Returns the exit status. */
export async function runCommand(args: readonly string[]): Promise<number> {
  const asked = { json: args.includes('--json') };
  forgetDocument();
  try {
    await makeProgram().parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, asked);
    // Help and --version exit with 0.
    return error.exitCode === 0 ? 0 : reportUsage(error.message, asked);
  }
}
