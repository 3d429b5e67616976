/** Builds firmware images by make, and measures them. */
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Manifest } from '../../compiler/codegen/manifest.js';
import { writeWhole } from '../../durable.js';
import { BonsaiError } from '../../errors.js';
import { readInput } from '../../files.js';
import { requireFirmware } from '../target/firmware.js';
import type { Target } from '../target/index.js';
import { type Elf, isElf, loadedBytes, readElf } from './elf.js';
import { findIdf, isIdfRam, runIdf, textOf } from './idf.js';
import { stamp } from './image-record.js';
import { seal } from './image-seal.js';
import { appFiles, appFolder, requireSources, useProject } from './project.js';
import { type ImageSizes, measureImage } from './size.js';
import { changesIn, holds, isAsListed, namesOf, statesOf, sumsFile, sumsOf } from './sums.js';
import { findToolchain, makeText, objcopyOf, runTool, type Toolchain } from './toolchain.js';
import { makeUf2 } from './uf2.js';

export type { ImageSizes } from './size.js';

export interface BuildOptions {
  readonly target: Target;
  readonly manifest: Manifest;
  /** The user's compiler; undefined: the target's. */
  readonly cc?: string | undefined;
  /** Whether to build with the address and undefined-behaviour sanitizers. */
  readonly sanitize?: boolean;
}

export interface BuildResult {
  /** Paths of the images; null for a format that the target does not have. */
  readonly elf: string;
  readonly bin: string | null;
  readonly uf2: string | null;
  /** The one for a board or a simulator. */
  readonly image: string;
  /** The paths above that are not null. */
  readonly images: readonly string[];
  /** 'arm-none-eabi-gcc 12.2.1' */
  readonly toolchain: string;
  readonly sizes: ImageSizes;
}

/** Compiler flags of `verify`. */
export const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover', '-g'];

/** The Makefile's output folder. */
const buildFolder = 'build';

/** Lines of a failed build to show, from the first error on. */
const errorLines = 12;

/**
 * Builds the project in `directory` by its own Makefile.
 *
 * @throws BonsaiError 'usage' when the target is sources alone;
 *   'toolchain' with the tool's output when a tool is missing or the build fails;
 *   'over-budget' when the image does not fit the target's memory
 */
export async function buildProject(directory: string, options: BuildOptions): Promise<BuildResult> {
  const { target, manifest, cc, sanitize = false } = options;
  requireFirmware(target, directory);
  const image = (extension: (typeof target.images)[number]) =>
    join(directory, buildFolder, `${manifest.plan.model.name}.${extension}`);
  const has = (extension: (typeof target.images)[number]) => target.images.includes(extension);
  const elf = image('elf');
  const images = {
    elf,
    bin: has('bin') ? image('bin') : null,
    uf2: has('uf2') ? image('uf2') : null,
  };
  const toolchain =
    target.builder === 'idf'
      ? await buildByIdf(directory, { target, cc }, images)
      : await buildByMake(directory, { target, cc }, images, sanitize ? sanitizers : []);
  requireUnchanged(directory, manifest);
  const sections = sectionsOf(elf);
  const { bin, uf2 } = images;
  const rawBytes = bin === null ? null : statSync(bin).size;
  return {
    elf,
    bin,
    uf2,
    // What has an address in flash is written there as it is; QEMU loads an executable.
    image: uf2 ?? (target.flashAddress === undefined ? null : bin) ?? elf,
    images: pathsOf(images),
    toolchain: toolchain.name,
    sizes: measureImage(
      sections,
      rawBytes,
      manifest,
      target.builder === 'idf' ? isIdfRam : undefined,
    ),
  };
}

/** @throws BonsaiError 'toolchain' when the linker's output cannot be read */
function sectionsOf(path: string): Elf {
  try {
    return readElf(readFileSync(path));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const hint = 'remove it and build again; with --cc: does the linker make ELF files?';
    throw new BonsaiError('toolchain', path, `is not an image: ${error.message}`, hint);
  }
}

/** Paths of the images; null for a format that the target does not have. */
type Images = Pick<BuildResult, 'elf' | 'bin' | 'uf2'>;

const linkedOf = ({ elf, bin }: Images) => (bin === null ? [elf] : [elf, bin]);

/** @throws BonsaiError 'toolchain' when the build has ended without error, and without an image */
function requireMade(images: Images, { command }: Toolchain, { compiler }: Target): void {
  const missing = linkedOf(images).find((path) => !existsSync(path));
  if (missing === undefined) return;
  const hint = `give a C compiler: --cc; without it: ${compiler}`;
  throw new BonsaiError('toolchain', command.join(' '), `has not made ${missing}`, hint);
}

/** Another process may have compiled into the directory since its manifest was read. */
function requireUnchanged(directory: string, { tag }: Manifest): void {
  const path = join(directory, 'bonsai.json');
  if (!existsSync(path)) return;
  const found = /"tag": *"(\w+)"/.exec(new TextDecoder().decode(readInput(path, 'manifest')));
  if (found === null || found[1] === tag) return;
  const hint = 'run the command again';
  throw new BonsaiError('usage', directory, 'was compiled again by another process', hint);
}

/**
 * The length and the CRC-32 of the image into its record, in both linked files in the order in which
 * make takes them for built, and the UF2 file; checksums of all beside them.
 */
function finishImages(images: Images, { flashAddress, uf2FamilyId }: Target): void {
  sectionsOf(images.elf);
  const linked = linkedOf(images);
  const files = linked.map((path) => readFileSync(path));
  const stamped = stamp(flashBytesOf(files.at(-1) ?? new Uint8Array()), files);
  for (const [i, path] of linked.entries()) {
    const file = stamped[i] as Uint8Array;
    writeWhole(path, path === images.elf ? seal(file) : file);
  }
  if (images.uf2 !== null) {
    const raw = stamped.at(-1) ?? new Uint8Array();
    writeWhole(images.uf2, makeUf2(raw, Number(flashAddress), Number(uf2FamilyId)));
  }
  noteSums(images);
}

const pathsOf = ({ elf, bin, uf2 }: Images) => [elf, bin, uf2].filter((path) => path !== null);

/** Keeps the checksums of the images beside them, for `flash` and `sha256sum -c`. */
function noteSums(images: Images): void {
  const files = pathsOf(images).map((path) => [basename(path), readFileSync(path)] as const);
  writeWhole(join(dirname(images.elf), sumsFile), sumsOf(new Map(files)));
}

/** The bytes of the flash that a linked file has. */
function flashBytesOf(file: Uint8Array): Uint8Array {
  return isElf(file) ? loadedBytes(file) : file;
}

/** Whether the images are there, as this build has made them. */
function areWhole(images: Images): boolean {
  return pathsOf(images).every((path) => isAsListed(dirname(path), basename(path)));
}

/** The image for a simulator. */
export function findImage({ image }: BuildResult): string {
  return image;
}

/** The image that a board is flashed with: the bytes of its flash, where they have a format. */
export function flashableImage({ elf, bin, uf2 }: BuildResult): string {
  return uf2 ?? bin ?? elf;
}

type Tools = Pick<BuildOptions, 'target' | 'cc'>;

/** Runs make with the target's compiler or the user's. Returns the compiler. */
async function buildByMake(
  directory: string,
  { target, cc }: Tools,
  images: Images,
  flags: readonly string[],
): Promise<Toolchain> {
  const toolchain = await findToolchain(target, cc);
  const command = [...toolchain.command, ...flags];
  const build = async () => {
    const jobs = `-j${availableParallelism()}`;
    const objcopy = makeText([objcopyOf(command, target)]);
    const variables = [`CC=${makeText(command)}`, `OBJCOPY=${objcopy}`];
    const output = await runTool('make', [jobs, ...variables], directory);
    if (output === null) {
      throw new BonsaiError('toolchain', 'make', 'is not installed', 'apt-get install make');
    }
    if (output.status !== 0) throw buildError('make', directory, output.stderr, target);
    requireMade(images, toolchain, target);
    finishImages(images, target);
  };
  const isWhole = () => areWhole(images);
  await renew(directory, { ...toolchain, command }, { build, isWhole, isKept: false });
  return toolchain;
}

/** Runs idf.py build, which finds out itself what the user's settings change. Returns ESP-IDF. */
async function buildByIdf(
  directory: string,
  { target, cc }: Tools,
  images: Images,
): Promise<Toolchain> {
  const toolchain = await findIdf(target, cc);
  const build = async () => {
    const output = await runIdf(directory, target, ['build']);
    if (output.status !== 0) throw buildError('idf.py', directory, textOf(output), target);
    requireMade(images, toolchain, target);
    noteSums(images);
  };
  await renew(directory, toolchain, { build, isWhole: () => false, isKept: true });
  return toolchain;
}

interface Build {
  readonly build: () => Promise<void>;
  /** Whether all images are there and whole. */
  readonly isWhole: () => boolean;
  /** Whether the folder of a build that is current is kept if the build runs again. */
  readonly isKept: boolean;
}

/**
 * Builds, unless the same compiler, of the same version, has built the same sources: a stamp records
 * these, since make compares modification times, which do not change when a source is restored from
 * a copy. It also would keep an image that was damaged.
 */
async function renew(
  directory: string,
  { command, version }: Toolchain,
  { build, isWhole, isKept }: Build,
): Promise<void> {
  requireSources(directory);
  const stamp = join(directory, buildFolder, 'made-of.txt');
  const madeOf = () =>
    `${makeText(command)}\n${version}\n${statesOf(directory, appFiles(directory))}`;
  const isCurrent = () => existsSync(stamp) && holds(dirname(stamp), basename(stamp), madeOf());
  const buildAll = async () => {
    const kept = isKept && isCurrent();
    rmSync(kept ? stamp : join(directory, buildFolder), { recursive: true, force: true });
    const made = madeOf();
    await build();
    writeWhole(stamp, made);
  };
  await useProject(directory, () => isCurrent() && isWhole(), buildAll);
}

/** What a linker or ESP-IDF says of an image that exceeds the board's memory, in our words. */
const overflows: readonly (readonly [said: RegExp, what: (match: RegExpExecArray) => string])[] = [
  [
    /region `(\w+)' overflowed by (\d+) bytes/,
    ([, region, bytes]) => `${bytes} bytes of ${region} too much`,
  ],
  [/less than .* is left for the stack/, ([all]) => all],
  [
    /too small for binary[\s\S]*?\(overflow (0x[0-9a-f]+)\)/,
    ([, bytes]) => `${Number(bytes)} bytes of flash too much`,
  ],
];

/** The error for a failed build: the image exceeds the board's memory, or anything else. */
function buildError(tool: string, directory: string, said: string, target: Target): BonsaiError {
  for (const [pattern, what] of overflows) {
    const match = pattern.exec(said);
    if (match === null) continue;
    const message = `does not fit ${target.name}: ${what(match)}`;
    const iram = match[1]?.startsWith('iram')
      ? 'leave the kernels in flash (idf.py menuconfig), '
      : '';
    const hint = `${iram}use a smaller model, or --optimize size; bonsaic compare MODEL shows the boards that it fits`;
    return new BonsaiError('over-budget', directory, message, hint);
  }
  const lines = said.trim().split('\n');
  const first = Math.max(
    0,
    lines.findIndex((line) => /error|undefined reference|cannot |\*\*\* /i.test(line)),
  );
  return new BonsaiError(
    'toolchain',
    directory,
    `${tool} failed:\n${lines.slice(first, first + errorLines).join('\n')}`,
    hintFor(said, directory),
  );
}

/** What to do about a failed build; whose file it is decides who is asked. */
function hintFor(said: string, directory: string): string {
  const { edited, missing } = changesIn(directory);
  if (missing.length > 0) {
    return `files of the directory are missing (${namesOf(missing)}): compile again`;
  }
  const [, hint] = mishaps.find(([pattern]) => pattern.test(said)) ?? [];
  if (hint !== undefined) return hint;
  const own = appFiles(directory);
  if (edited.length > 0) return `changed since compile wrote the folder: ${namesOf(edited)}`;
  if (own.length > 0) return `your own code is built too: ${namesOf(own)}`;
  return 'with the default compiler this is a bug in bonsaic: please report it';
}

/** Output of make and compilers that points at the machine or the directory, with hints. */
const mishaps: readonly (readonly [said: RegExp, hint: string])[] = [
  [/No space left on device|Disk quota exceeded/, 'free some space on the disk, then try again'],
  [/Read-only file system|Permission denied/, 'check that the directory may be written to'],
  [
    /\b(Killed|Terminated|Segmentation fault|Out of memory|out of memory)\b|Cannot allocate memory/,
    'check that enough memory is free, then try again',
  ],
  [
    /multiple definition of [`']main'/,
    `a main() of your own belongs in ${appFolder}/main.c, in place of firmware/src/main.c`,
  ],
  [
    /environment variable IDF_TARGET|in the environment/,
    'unset IDF_TARGET: it is for another chip',
  ],
  [
    /missing separator|recipe commences before/,
    'the Makefile is damaged: compile again with --force',
  ],
];
