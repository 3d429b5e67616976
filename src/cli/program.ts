/** The command line: collects the commands, one file each, and turns errors into exit statuses. */
import { Command, CommanderError } from 'commander';
import { version } from '../package.js';
import { printable } from '../printable.js';
import { withConfig } from './config.js';
import { forgetDocument, reportError, reportUsage } from './output.js';
import { withSuggestions } from './suggestions.js';

interface Entry {
  readonly name: string;
  readonly summary: string;
  /** Imports what gives the command its arguments, options and action. */
  readonly load: () => Promise<(blank: Command) => void>;
}

/** In the order of the help. */
export const entries: readonly Entry[] = [
  {
    name: 'run',
    summary: 'compile, build, flash, run, verify and profile',
    load: async () => (await import('./run.js')).addRun,
  },
  {
    name: 'inspect',
    summary: 'show operators, shapes, quantization, MACs, sparsity, and what targets would need',
    load: async () => (await import('./inspect.js')).addInspect,
  },
  {
    name: 'compare',
    summary: 'latency, flash and RAM of a model on several boards, in one table',
    load: async () => (await import('./compare.js')).addCompare,
  },
  {
    name: 'compress',
    summary:
      'make the smallest int8 model of a float one that keeps to budgets (PTQ, QAT, pruning, distillation)',
    load: async () => (await import('./compress.js')).addCompress,
  },
  {
    name: 'prune',
    summary: 'make an int8 model whose least weights are 0 (magnitude pruning, N:M), with training',
    load: async () => (await import('./prune.js')).addPrune,
  },
  {
    name: 'quantize',
    summary:
      'make an int8 or int16 model of a float one, from samples (post-training quantization, PTQ)',
    load: async () => (await import('./quantize.js')).addQuantize,
  },
  {
    name: 'sensitivity',
    summary: 'what a float model loses where one layer is pruned, in a table and a plot',
    load: async () => (await import('./sensitivity.js')).addSensitivity,
  },
  {
    name: 'compile',
    summary: 'generate C sources, a host client and a report',
    load: async () => (await import('./compile.js')).addCompile,
  },
  {
    name: 'build',
    summary: 'build the firmware image (.elf, .bin, .uf2) and report its size',
    load: async () => (await import('./build.js')).addBuild,
  },
  {
    name: 'flash',
    summary: 'write the firmware to a board, verify and start it',
    load: async () => (await import('./flash.js')).addFlash,
  },
  {
    name: 'profile',
    summary: 'run on the device: outputs, cycles per layer, memory',
    load: async () => (await import('./profile.js')).addProfile,
  },
  {
    name: 'simulate',
    summary: 'a simulated board in its boot loader on a pseudo-terminal, for any program',
    load: async () => (await import('./simulate.js')).addSimulate,
  },
  {
    name: 'verify',
    summary: 'check the generated C on this machine, layer by layer, with sanitizers on',
    load: async () => (await import('./verify.js')).addVerify,
  },
  {
    name: 'targets',
    summary: 'list the boards that bonsaic knows',
    load: async () => (await import('./lists.js')).addTargets,
  },
  {
    name: 'operators',
    summary: 'list the operators, their types and their kernels',
    load: async () => (await import('./lists.js')).addOperators,
  },
  {
    name: 'ports',
    summary:
      'list the serial ports and drives of boot loaders, the boards there, and the firmware on them',
    load: async () => (await import('./ports.js')).addPorts,
  },
  {
    name: 'tune',
    summary: 'measure the costs of kernels on a board; later compilations use them',
    load: async () => (await import('./tune.js')).addTune,
  },
  {
    name: 'doctor',
    summary: 'check this machine: compilers, simulators, serial ports',
    load: async () => (await import('./doctor.js')).addDoctor,
  },
];

/**
 * The command line, of whose commands those named are complete. The modules of others are not loaded: they
 * take half a second.
 */
export async function makeProgram(named: readonly string[]): Promise<Command> {
  const program = new Command('bonsaic')
    .description('Compiles an INT8 neural network to verified, measured microcontroller firmware.')
    .version(version)
    .configureOutput({ outputError: (text, write) => write(printable(text)) })
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .showHelpAfterError('(bonsaic help COMMAND shows the options)');
  // Commands copy their parent's settings when they are created, so this comes first.
  withConfig(program.exitOverride());
  for (const { name, summary, load } of entries) {
    const command = program.command(name).summary(summary);
    if (!named.includes(name)) continue;
    (await load())(command);
    // Its own help has no line of what it does otherwise.
    if (command.description() === '') command.description(summary);
    withSuggestions(command);
  }
  return program;
}

/** Runs a command line without the program's name. Returns the exit status. */
export async function runCommand(args: readonly string[]): Promise<number> {
  const asked = { json: args.includes('--json') };
  forgetDocument();
  try {
    // A name may also be another word of the command line: then its command is loaded for nothing.
    await (await makeProgram(args)).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, asked);
    // Help and --version exit with 0.
    return error.exitCode === 0 ? 0 : reportUsage(error.message, asked);
  }
}
