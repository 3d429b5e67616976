/** bonsaic flash DIR|IMAGE --port P: write, verify, start. */
import { statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { buildProject, findImage } from '../build/index.js';
import { BonsaiError } from '../errors.js';
import { flash } from '../flash/index.js';
import { listTargets, loadTarget, type Target } from '../target/index.js';
import { withCompiler } from './options.js';
import { bar, makeProgress, printJson, printResult } from './output.js';
import { readManifest } from './project.js';

interface Flags {
  readonly port: string;
  readonly target?: string;
  readonly cc?: string;
  readonly json?: true;
}

export function addFlash(program: Command): void {
  withCompiler(
    program
      .command('flash')
      .argument('<dir-or-image>', 'a directory written by compile, or an image file')
      .summary('write the firmware to a board, verify and start it')
      .requiredOption('--port <port>', 'sim (the simulated board), or the serial port of the board')
      .addOption(
        new Option('--target <name>', 'the board, when an image is given').choices(listTargets()),
      )
      .option('--json', 'one JSON document on stdout'),
  ).action(async (path: string, flags: Flags) => {
    const progress = makeProgress(flags.json);
    const { image, target } = await imageOf(path, flags);
    const result = await progress(`Flash ${target.name} over ${flags.port}`, (say) =>
      flash(image, flags.port, target, (done, total) => say(bar(done, total))),
    );
    if (flags.json) printJson({ target: target.name, port: flags.port, image, ...result });
    else printResult(`${image}: ${result.bytes} bytes written to ${flags.port}, verified, started`);
  });
}

async function imageOf(path: string, flags: Flags): Promise<{ image: string; target: Target }> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new BonsaiError('usage', path, 'does not exist', 'check the path');
  if (stats.isDirectory()) {
    const manifest = readManifest(path);
    const target = loadTarget(manifest.plan.target);
    const built = await makeProgress(flags.json)(`Build for ${target.name}`, () =>
      buildProject(path, { target, manifest, cc: flags.cc }),
    );
    return { image: findImage(built), target };
  }
  if (flags.target === undefined) {
    throw new BonsaiError('usage', path, 'is an image: for which board?', 'add --target');
  }
  return { image: path, target: loadTarget(flags.target) };
}
