/** bonsaic flash DIR|IMAGE --port P: write, verify, start. */
import { statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { readManifest } from '../boards/build/directory.js';
import { findImage, flashableImage } from '../boards/build/index.js';
import { isSimulated, placeOf } from '../boards/device/index.js';
import { isProbe } from '../boards/device/link.js';
import { type FlashResult, hasSimulatedLoader } from '../boards/flash/index.js';
import { flashPortFor } from '../boards/profile/ports.js';
import { listTargets, loadTarget, type Target } from '../boards/target/index.js';
import { BonsaiError } from '../errors.js';
import { build } from '../pipeline/directory.js';
import { flashImage } from '../pipeline/flash.js';
import type { Job } from '../pipeline/types.js';
import { required } from './config.js';
import { type JobFlags, jobOf, withBudgets, withCompiler } from './options.js';
import { printJson, printResult } from './output.js';

interface Flags extends JobFlags {
  readonly port: string;
  readonly target?: string;
  readonly foreign?: true;
  readonly json?: true;
}

export function addFlash(blank: Command): void {
  const command = blank
    .argument('<dir-or-image>', 'a directory written by compile, or an image file')
    .addOption(
      required(
        new Option(
          '--port <port>',
          'sim (the simulated board), sim:usb, a serial port, the folder of a boot loader’s drive, auto (the one that fits), usb or usb:SERIAL (a boot loader there), probe (a debug probe), socket://HOST:PORT, rfc2217://HOST:PORT',
        ),
      ),
    )
    .addOption(
      new Option('--target <name>', 'the board, when an image is given').choices(listTargets()),
    )
    .option(
      '--foreign',
      'take an image that bonsaic did not build, or that was changed since, as it is',
    )
    .option('--json', 'one JSON document on stdout');
  withBudgets(withCompiler(command), { measured: false, compiled: true }).action(
    async (path: string, flags: Flags) => {
      const { json, foreign = false } = flags;
      const job = jobOf(flags);
      const { image, target } = await imageOf(path, flags, job);
      const port = await flashPortFor(flags.port, target);
      const result = await flashImage(image, target, { ...job, port, foreign });
      if (json) printJson({ target: target.name, port, image, ...result });
      else printResult(`${image}: ${outcomeText(result, port, target)}`);
    },
  );
}

/** A simulator has no flash that lasts: it loads the image when it runs. */
function outcomeText(result: FlashResult, port: string, target: Target): string {
  const { bytes, written, unchanged } = result;
  if (unchanged)
    return `${port} has these ${bytes} bytes already: nothing written, verified, started`;
  if (!isSimulated(port)) return `${bytes} bytes written to ${port}, verified, started`;
  const place = placeOf(port, target);
  const passed = written ? `pass ${place}’s boot loader, verified and started` : 'fit';
  return `${bytes} bytes ${passed}; ${place} loads the image when it runs: bonsaic profile DIR --port ${port}`;
}

async function imageOf(
  path: string,
  flags: Flags,
  job: Job,
): Promise<{ image: string; target: Target }> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new BonsaiError('usage', path, 'does not exist', 'check the path');
  if (stats.isDirectory()) {
    checkDirectory(path, flags);
    const { built, target, fault } = await build(path, job);
    if (fault !== null) throw fault;
    const isChecked = isSimulated(flags.port) && !hasSimulatedLoader(target);
    if (isProbe(flags.port)) return { image: built.elf, target };
    const image = isChecked ? findImage(built) : flashableImage(built);
    return { image, target };
  }
  if (flags.target === undefined) {
    throw new BonsaiError('usage', path, 'is an image: for which board?', 'add --target');
  }
  return { image: path, target: loadTarget(flags.target) };
}

/** @throws BonsaiError for what no build of the directory can help */
function checkDirectory(path: string, { target, port }: Flags): void {
  const compiled = readManifest(path).plan.target;
  if (target !== undefined && target !== compiled) {
    throw new BonsaiError(
      'usage',
      `--target ${target}`,
      `${path} was compiled for ${compiled}`,
      `leave --target out, or compile for it: bonsaic compile MODEL --target ${target} -o DIR`,
    );
  }
  placeOf(port, loadTarget(compiled));
}
