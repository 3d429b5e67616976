#!/usr/bin/env node
/** The command line. One file a command in cli/; here they meet, and errors become exit statuses. */
import { Command, CommanderError } from 'commander';
import { addBuild } from './cli/build.js';
import { addCompile } from './cli/compile.js';
import { withConfig } from './cli/config.js';
import { addDoctor } from './cli/doctor.js';
import { addFlash } from './cli/flash.js';
import { addInspect } from './cli/inspect.js';
import { addLists } from './cli/lists.js';
import { reportError, reportUsage } from './cli/output.js';
import { addProfile, addRun } from './cli/run.js';
import { addTune } from './cli/tune.js';
import { addVerify } from './cli/verify.js';
import { version } from './version.js';

function makeProgram(): Command {
  const program = new Command('bonsaic')
    .description('Compiles an INT8 neural network to verified, measured microcontroller firmware.')
    .version(version)
    .showHelpAfterError('(bonsaic help COMMAND shows the options)');
  // Commands copy the settings of their parent when they are made: before any is added.
  withConfig(program.exitOverride());
  for (const add of [
    addRun,
    addInspect,
    addCompile,
    addBuild,
    addFlash,
    addProfile,
    addVerify,
    addLists,
    addTune,
    addDoctor,
  ]) {
    add(program);
  }
  return program;
}

const asked = { json: process.argv.includes('--json') };
try {
  await makeProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) process.exitCode = reportError(error, asked);
  // Help and --version end with 0.
  else if (error.exitCode !== 0) process.exitCode = reportUsage(error.message, asked);
}
