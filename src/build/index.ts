/** Firmware images: make, the compiler, and what came out. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from '../codegen/manifest.js';
import { BonsaiError } from '../errors.js';
import type { Target } from '../target/index.js';
import { type Elf, readElf } from './elf.js';
import { stateOf } from './project.js';
import { type ImageSizes, measureImage } from './size.js';
import { findToolchain, makeText, objcopyOf, runTool, type Toolchain } from './toolchain.js';
import { makeUf2 } from './uf2.js';

export type { ImageSizes } from './size.js';

export interface BuildOptions {
  readonly target: Target;
  readonly manifest: Manifest;
  /** The user's compiler; undefined: the target's. */
  readonly cc?: string | undefined;
  /** With the address and undefined-behaviour sanitizers, where the target has them. */
  readonly sanitize?: boolean;
}

export interface BuildResult {
  /** Paths. */
  readonly elf: string;
  readonly bin: string | null;
  readonly uf2: string | null;
  /** All of these that there are. */
  readonly images: readonly string[];
  /** 'arm-none-eabi-gcc 12.2.1' */
  readonly toolchain: string;
  readonly sizes: ImageSizes;
}

/** What `verify` builds with. */
export const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover', '-g'];

/** Where the Makefile puts what it makes. */
const buildFolder = 'build';

/** Lines of a failed build that are shown: the first is the one that counts. */
const errorLines = 12;

/**
 * Builds the project in `directory` by its own Makefile.
 *
 * @throws BonsaiError 'toolchain' when a tool is missing or the build fails, with what it said;
 *   'over-budget' when the image does not fit the target's memory
 */
export async function buildProject(directory: string, options: BuildOptions): Promise<BuildResult> {
  const { target, manifest, cc, sanitize = false } = options;
  const toolchain = await findToolchain(target, cc);
  const command = [...toolchain.command, ...(sanitize ? sanitizers : [])];
  await make(directory, { ...toolchain, command }, target);

  const image = (extension: (typeof target.images)[number]) =>
    join(directory, buildFolder, `${manifest.plan.model.name}.${extension}`);
  const has = (extension: (typeof target.images)[number]) => target.images.includes(extension);
  const elf = image('elf');
  const bin = has('bin') ? image('bin') : null;
  const uf2 = has('uf2') ? image('uf2') : null;
  const missing = [elf, bin].find((path) => path !== null && !existsSync(path));
  if (missing !== undefined) {
    const hint = `give a C compiler: --cc; without it: ${target.compiler}`;
    throw new BonsaiError(
      'toolchain',
      toolchain.command.join(' '),
      `has not made ${missing}`,
      hint,
    );
  }
  const raw = bin === null ? null : readFileSync(bin);
  if (raw !== null && uf2 !== null) {
    writeFileSync(uf2, makeUf2(raw, Number(target.flashAddress), Number(target.uf2FamilyId)));
  }
  return {
    elf,
    bin,
    uf2,
    images: [elf, bin, uf2].filter((path) => path !== null),
    toolchain: toolchain.name,
    sizes: measureImage(sectionsOf(elf), raw?.length ?? null, manifest),
  };
}

/** @throws BonsaiError 'toolchain' when the linker's file is none that can be read */
function sectionsOf(path: string): Elf {
  try {
    return readElf(readFileSync(path));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const hint = 'remove it and build again; with --cc: does the linker make ELF files?';
    throw new BonsaiError('toolchain', path, `is no image: ${error.message}`, hint);
  }
}

/** The image that a board or a simulator is given. */
export function findImage(built: BuildResult): string {
  return built.uf2 ?? built.elf;
}

/**
 * Runs make. What another compiler, another version of it, other sources or a failed build have left
 * is built again: times of files do not tell that a source came back from a copy.
 */
async function make(directory: string, toolchain: Toolchain, target: Target): Promise<void> {
  const { command, version } = toolchain;
  const compiler = makeText(command);
  const stamp = join(directory, buildFolder, 'made-of.txt');
  const madeOf = `${compiler}\n${version}\n${stateOf(directory)}`;
  const current = existsSync(stamp) && readFileSync(stamp, 'utf8') === madeOf;
  rmSync(current ? stamp : join(directory, buildFolder), { recursive: true, force: true });
  const jobs = `-j${availableParallelism()}`;
  const objcopy = makeText([objcopyOf(command, target)]);
  const variables = [`CC=${compiler}`, `OBJCOPY=${objcopy}`];
  const output = await runTool('make', [jobs, ...variables], directory);
  if (output === null) {
    throw new BonsaiError('toolchain', 'make', 'is not installed', 'apt-get install make');
  }
  if (output.status !== 0) throw buildError(directory, output.stderr, target);
  writeFileSync(stamp, madeOf);
}

/** What of make's output says why: too much for the board's memory, or anything else. */
function buildError(directory: string, stderr: string, target: Target): BonsaiError {
  const overflow = /region `(\w+)' overflowed by (\d+) bytes/.exec(stderr);
  const stack = /less than .* is left for the stack/.exec(stderr);
  if (overflow !== null || stack !== null) {
    return new BonsaiError(
      'over-budget',
      directory,
      overflow === null
        ? `does not fit ${target.name}: ${stack?.[0]}`
        : `does not fit ${target.name}: ${overflow[2]} bytes of ${overflow[1]} too much`,
      'use a smaller model, or --optimize size',
    );
  }
  const [, hint] = mishaps.find(([said]) => said.test(stderr)) ?? [];
  const lines = stderr.trim().split('\n');
  const first = Math.max(
    0,
    lines.findIndex((line) => /error|undefined reference|cannot |\*\*\* /i.test(line)),
  );
  return new BonsaiError(
    'toolchain',
    directory,
    `make failed:\n${lines.slice(first, first + errorLines).join('\n')}`,
    hint ?? 'with the default compiler this is a bug in bonsaic: please report it',
  );
}

/** What make and compilers say of a machine or a directory that is not as it should be. */
const mishaps: readonly (readonly [said: RegExp, hint: string])[] = [
  [/No space left on device|Disk quota exceeded/, 'free some space on the disk, then try again'],
  [/Read-only file system|Permission denied/, 'check that the directory may be written to'],
  [
    /\b(Killed|Terminated|Segmentation fault|Out of memory|out of memory)\b|Cannot allocate memory/,
    'is there memory enough? Try again',
  ],
  [
    /No rule to make target|no makefile found|No targets|No such file or directory/,
    'files of the directory are missing: compile again',
  ],
  [/missing separator|recipe commences before/, 'the Makefile is damaged: compile again'],
];
