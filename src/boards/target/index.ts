/**
 * Targets: folders of data under targets/. A board names its core (targets/cores: processor,
 * compiler, measured costs) and its family (firmware/port: the firmware's sources).
 *
 * An unknown or missing key is an error, so that a typing mistake never selects a default.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { countUnits, type Feature, type TargetTraits } from '../../compiler/ir/op.js';
import { BonsaiError } from '../../errors.js';
import { didYouMean } from '../../nearest.js';
import { packageFile } from '../../package.js';
import { flashSettings } from './flash.js';
import { codeSchema, costSchema, memorySchema, parseCosts } from './measured.js';

export { linkerScriptOf } from './linker-script.js';

const features = [
  'mul32',
  'swar',
  'thumb1',
  'rv32',
  'xtensa',
  'dsp',
  'dual',
  'mve',
  'fpu',
] as const satisfies readonly Feature[];
const flags = z.array(z.string());
const positive = z.number().positive();
const hexId = (digits: number) => z.string().regex(new RegExp(`^0x[0-9a-f]{${digits}}$`));

/** targets/cores/<core>/core.json: a processor and its compiler. */
const coreSchema = z.strictObject({
  /** For people: 'Cortex-M0+'. */
  name: z.string(),
  features: z.array(z.enum(features)),
  /** The unit of costs.json, and of the kernels' own estimates without it. */
  costUnit: z.enum(countUnits),
  /**
   * What TFLM with CMSIS-NN takes at the least, in `costUnit`: below each of its measured models
   * (bench/baseline.json). A goal that takes longer would be worse than an interpreter.
   */
  interpreter: z.strictObject({ perMac: positive, perSum: positive }).readonly().exactOptional(),
  /** The core whose measured costs and code sizes it borrows where it has none of its own. */
  measuredAs: z.string().exactOptional(),
  compiler: z.string(),
  /** The Debian package of the compiler; 'ESP-IDF' if that brings it. */
  compilerPackage: z.string(),
  /** Whether `npm run setup` leaves the compiler out: no board that one can buy needs it. */
  isCompilerOptional: z.literal(true).exactOptional(),
  /** Flags for every file and for linking. */
  flags,
  /** Flags for the firmware's own files. */
  runtimeFlags: flags,
  /** Flags for the model's file, by goal (--optimize). */
  kernelFlags: z.strictObject({ speed: flags, balanced: flags, size: flags }),
  linkFlags: flags,
});

const images = z.array(z.enum(['elf', 'bin', 'uf2']));

/** firmware/port/<family>/family.json: the sources of the firmware for its boards. */
const familySchema = z.strictObject({
  /** The folder below firmware/ with headers of the C library; null: the compiler's own. */
  libc: z.string().nullable(),
  /** Paths below firmware/: folders of headers, files to compile, files that those include. */
  includes: z.array(z.string()),
  sources: z.array(z.string()),
  headers: z.array(z.string()),
  /** Additional files and flags for --cores 2, which runs halves of steps on two cores. */
  secondCore: z
    .strictObject({
      sources: z.array(z.string()).nonempty(),
      headers: z.array(z.string()),
      linkFlags: flags,
    })
    .exactOptional(),
  /** The image formats that a build makes; none: sources alone, for a build of the user's own. */
  images,
  /** What builds a project: 'idf' is ESP-IDF's idf.py; absent: make, by the project's Makefile. */
  builder: z.literal('idf').exactOptional(),
});

const folder = z.string().regex(/^[a-z][a-z0-9]*([-_][a-z0-9]+)*$/);

/** targets/<board>/target.json. */
const boardSchema = z.strictObject({
  /** The folder's name. */
  name: folder,
  description: z.string(),
  /** The folder in targets/cores. */
  core: folder,
  /** The folder in firmware/port. */
  family: folder,
  /** The processor's clock in Hz; for a target that counts time, its ticks per second. */
  clockHz: z.int().positive(),
  /** null: unlimited. */
  flashBytes: z.int().positive().nullable(),
  ramBytes: z.int().positive().nullable(),
  /** A file below targets/; absent: made of `memory`, and without that the compiler's own. */
  linkerScript: z.string().exactOptional(),
  /** Where the memories begin, for a Cortex-M whose linker script is made of that and the sizes. */
  memory: z.strictObject({ of: z.string(), flash: hexId(8), ram: hexId(8) }).exactOptional(),
  /**
   * The address of a raw image, where that is what the board is flashed with or its UF2 is made of;
   * and the UF2 family id. Both are required for 'uf2' images.
   */
  flashAddress: hexId(8).exactOptional(),
  uf2FamilyId: hexId(8).exactOptional(),
  /** The image formats, where the board's boot loader takes others than its family's boards. */
  images: images.exactOptional(),
  /** The memories that can hold weights (see TargetTraits). */
  regions: z
    .strictObject({
      flash: z.strictObject({
        cacheBytes: z.int().positive(),
        lineBytes: z.int().positive(),
        missCycles: z.int().positive(),
      }),
      sram: z.strictObject({ reservedBytes: z.int().nonnegative() }),
    })
    .exactOptional(),
  /** ESP-IDF's name of the chip, for a family that it builds. */
  chip: z.string().exactOptional(),
  /** Baud rate of the UART. */
  baudRate: z.int().positive().exactOptional(),
  /** USB ids of the firmware. */
  usb: z.strictObject({ vendorId: hexId(4), productId: hexId(4) }).exactOptional(),
  /** Clock tree, pins and other settings for the family's port: C macro → value. */
  settings: z
    .record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.int().nonnegative().max(0xffffffff))
    .exactOptional(),
  /** A name listed in src/boards/device/index.ts; null, and absent: no simulator. */
  simulator: z.string().nullable().default(null),
  /** The machine, for a simulator of many boards. */
  machine: z.string().exactOptional(),
  /** In QEMU an instruction takes 2^icountShift ns of simulated time. */
  icountShift: z.int().min(0).max(10).exactOptional(),
  /** The ways in which bonsaic flashes the board, with their settings; none: it does not. */
  flashProtocols: z.array(flashSettings),
});

/** targets/chips/<chip>.json: what all boards with a chip share; a board's own keys replace its. */
const chipSchema = boardSchema.partial().omit({ name: true, description: true });

/** A board of QEMU without these could not be simulated. */
const checkedBoardSchema = boardSchema.refine(
  ({ simulator, machine, icountShift }) =>
    !simulator?.startsWith('qemu') || (machine !== undefined && icountShift !== undefined),
  { message: 'a simulator of QEMU needs machine and icountShift', path: ['simulator'] },
);

type Core = z.infer<typeof coreSchema>;
type Family = z.infer<typeof familySchema>;
type Board = z.infer<typeof boardSchema>;

/** The merged data of a board, its core and its family. */
export interface Target
  extends Readonly<Omit<Board, 'regions' | 'clockHz' | 'images'>>,
    Readonly<Family>,
    Readonly<Omit<Core, 'name' | 'features'>>,
    TargetTraits {
  readonly clockHz: number;
  readonly name: string;
  /** For people: 'Cortex-M0+'. */
  readonly coreName: string;
}

const coresFolder = 'cores';
const chipsFolder = 'chips';

/** Names of the targets, sorted. */
export function listTargets(): string[] {
  return readdirSync(packageFile('targets'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && ![coresFolder, chipsFolder].includes(entry.name))
    .map((entry) => entry.name)
    .sort();
}

const loaded = new Map<string, Target>();

/** For a program that has written data of targets. */
export function forgetTargets(): void {
  loaded.clear();
}

/**
 * The data of a target, read once until `forgetTargets`.
 *
 * @throws BonsaiError 'usage' when there is no such target, or its target.json is invalid
 */
export function loadTarget(name: string): Target {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  if (!listTargets().includes(name)) {
    throw new BonsaiError(
      'usage',
      `target ${name}`,
      'is not known',
      `one of: ${listTargets().join(', ')}${didYouMean(name, listTargets())}`,
    );
  }
  const path = packageFile(`targets/${name}/target.json`);
  const target = parseTarget(readFileSync(path, 'utf8'), path);
  const costs = measured(target, 'costs.json', costSchema) ?? target.costs;
  const code = measured(target, 'code.json', codeSchema);
  const firmware = measured(target, 'memory.json', memorySchema);
  const whole = {
    ...{ ...target, costs },
    ...(code === null ? {} : { code }),
    ...(firmware === null ? {} : { firmware }),
  };
  loaded.set(name, whole);
  return whole;
}

/** The host with the target's features and costs, so that it gets the target's kernels. */
export function twinOf(target: Target): Target {
  const { name, features, costs, costUnit, interpreter, code, regions } = target;
  return {
    ...loadTarget('host'),
    ...{ name, features, costs, costUnit },
    ...(interpreter === undefined ? {} : { interpreter }),
    ...(code === undefined ? {} : { code }),
    ...(regions === undefined ? {} : { regions }),
  };
}

/** The folder with the measurements of a board's core, relative to the package's root. */
export function coreFolder({ core }: Pick<Board, 'core'>): string {
  return `targets/${coresFolder}/${core}`;
}

/** Measurements of a board, else of its core or of the one it borrows from; null if none. */
function measured<T>(
  { name, core, measuredAs = core }: Pick<Target, 'name' | 'core' | 'measuredAs'>,
  file: string,
  schema: z.ZodType<T>,
): T | null {
  for (const place of [`targets/${name}`, coreFolder({ core }), coreFolder({ core: measuredAs })]) {
    const path = packageFile(`${place}/${file}`);
    if (existsSync(path)) return parseCosts(schema, readFileSync(path, 'utf8'), path);
  }
  return null;
}

function readData<T>(schema: z.ZodType<T>, file: string): T {
  const path = packageFile(file);
  if (!existsSync(path)) {
    throw new BonsaiError(
      'usage',
      file,
      'does not exist',
      'targets/rp2040 shows what a board needs',
    );
  }
  return parseData(schema, readFileSync(path, 'utf8'), path);
}

/** @throws BonsaiError 'usage' where the board lacks a key that its family requires */
function assemble(board: Board, core: Core, family: Family, where: string): Target {
  const { name: coreName, features, ...compiler } = core;
  const isAddressed = board.flashAddress !== undefined && board.uf2FamilyId !== undefined;
  const { images = family.images } = board;
  if (images.includes('uf2') && !isAddressed) {
    const message = `its images are UF2: flashAddress and uf2FamilyId are needed`;
    throw new BonsaiError('usage', where, message, 'targets/rp2040/target.json has both');
  }
  const { chip, flashAddress, flashBytes } = board;
  if (family.builder === 'idf' && !(chip && flashAddress && flashBytes)) {
    const message = 'ESP-IDF builds its family: chip, flashAddress and flashBytes are needed';
    throw new BonsaiError('usage', where, message, 'another board of the family has all three');
  }
  const merged = { ...board, ...family, images, ...compiler, coreName };
  return { ...merged, features: new Set(features), costs: {} };
}

/**
 * Checks the text of a target.json.
 *
 * @param where the file, for errors
 * @throws BonsaiError 'usage' that lists every unknown, missing or wrong key, or for a core or
 * family that does not exist
 */
export function parseTarget(text: string, where: string): Target {
  const board = check(checkedBoardSchema, extended(parseJson(text, where), where), where);
  const core = readData(coreSchema, `${coreFolder(board)}/core.json`);
  const family = readData(familySchema, `firmware/port/${board.family}/family.json`);
  return assemble(board, core, family, where);
}

/** The data of a board with those of the chip that it `extends`; settings join one by one. */
function extended(board: unknown, where: string): unknown {
  const schema = z.looseObject({ extends: folder.exactOptional() });
  const { extends: chip, ...own } = check(schema, board, where);
  if (chip === undefined) return board;
  const shared = readData(chipSchema, `targets/${chipsFolder}/${chip}.json`);
  const settings = { ...shared.settings, ...(own.settings as object | undefined) };
  return { ...shared, ...own, ...(Object.keys(settings).length > 0 ? { settings } : {}) };
}

const example = 'targets/rp2040, targets/chips and targets/cores/cortex-m0plus show every key';

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BonsaiError('usage', where, `is not JSON: ${(error as Error).message}`, example);
  }
}

function parseData<T>(schema: z.ZodType<T>, text: string, where: string): T {
  return check(schema, parseJson(text, where), where);
}

/** @throws BonsaiError 'usage' that lists every unknown, missing or wrong key */
function check<T>(schema: z.ZodType<T>, json: unknown, where: string): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(
    ({ path, message }) => `${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`,
  );
  throw new BonsaiError('usage', where, issues.join('; '), example);
}
