/**
 * Targets: folders under targets/, data only. A board names its core (targets/cores: processor,
 * compiler, measured costs) and its family (firmware/port: what the firmware is made of).
 *
 * An unknown or missing key is an error, so that a slip of the pen never becomes a default.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { BonsaiError } from '../errors.js';
import { countUnits, type Feature, type TargetTraits } from '../ir/op.js';

const root = new URL('../../', import.meta.url);

const features = ['mul32', 'thumb1', 'dsp', 'mve', 'fpu'] as const satisfies readonly Feature[];
const flags = z.array(z.string());
const hexId = (digits: number) => z.string().regex(new RegExp(`^0x[0-9a-f]{${digits}}$`));

/** targets/cores/<core>/core.json: a processor and its compiler. */
const coreSchema = z.strictObject({
  /** For people. */
  name: z.string(),
  features: z.array(z.enum(features)),
  /** What costs.json counts; without one, what kernels say themselves of their work. */
  costUnit: z.enum(countUnits),
  compiler: z.string(),
  /** The Debian package that has it. */
  compilerPackage: z.string(),
  /** For every file and for linking. */
  flags,
  /** For the firmware's own files. */
  runtimeFlags: flags,
  /** For the model's file, by --optimize. */
  kernelFlags: z.strictObject({ speed: flags, balanced: flags, size: flags }),
  linkFlags: flags,
});

/** firmware/port/<family>/family.json: what the firmware of its boards is made of. */
const familySchema = z.strictObject({
  /** The folder below firmware/ with the C library's headers; null: the compiler's own. */
  libc: z.string().nullable(),
  /** Below firmware/: folders of headers, files to compile, files that those include. */
  includes: z.array(z.string()).nonempty(),
  sources: z.array(z.string()).nonempty(),
  headers: z.array(z.string()),
  /** What a build takes besides, where --cores 2 has halves of steps run on two cores. */
  secondCore: z
    .strictObject({
      sources: z.array(z.string()).nonempty(),
      headers: z.array(z.string()),
      linkFlags: flags,
    })
    .exactOptional(),
  /** What a build makes. */
  images: z.array(z.enum(['elf', 'bin', 'uf2'])).nonempty(),
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
  /** The processor's clock; what counts time itself, ticks in a second. */
  clockHz: z.int().positive(),
  /** null: not limited. */
  flashBytes: z.int().positive().nullable(),
  ramBytes: z.int().positive().nullable(),
  /** Beside target.json; null: the compiler's own. */
  linkerScript: z.string().nullable(),
  /** Where a raw image begins, and its family as UF2: both where images say 'uf2'. */
  flashAddress: hexId(8).exactOptional(),
  uf2FamilyId: hexId(8).exactOptional(),
  /** Where weights can live: see TargetTraits. */
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
  /** Of the UART. */
  baudRate: z.int().positive().exactOptional(),
  /** What the board calls itself on USB. */
  usb: z.strictObject({ vendorId: hexId(4), productId: hexId(4) }).exactOptional(),
  /** What else the family's port must know of the board, clock tree and pins: C macro → value. */
  settings: z
    .record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.int().nonnegative().max(0xffffffff))
    .exactOptional(),
  /** One of those in src/device/index.ts; null: none. */
  simulator: z.string().nullable(),
  /** What a simulator of many boards is told to be. */
  machine: z.string().exactOptional(),
  /** In QEMU an instruction takes 2^icountShift ns of simulated time. */
  icountShift: z.int().min(0).max(10).exactOptional(),
  /** One of those in src/flash/index.ts; null: bonsaic does not flash the board. */
  flashProtocol: z.string().nullable(),
});

type Core = z.infer<typeof coreSchema>;
type Family = z.infer<typeof familySchema>;
type Board = z.infer<typeof boardSchema>;

/** What a board, its core and its family say. */
export interface Target
  extends Readonly<Omit<Board, 'regions' | 'clockHz'>>,
    Readonly<Family>,
    Readonly<Omit<Core, 'name' | 'features'>>,
    TargetTraits {
  readonly clockHz: number;
  readonly name: string;
  /** For people: 'Cortex-M0+'. */
  readonly coreName: string;
}

const coresFolder = 'cores';

/** Names of the targets, sorted. */
export function listTargets(): string[] {
  return readdirSync(new URL('targets/', root), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== coresFolder)
    .map((entry) => entry.name)
    .sort();
}

/**
 * @throws BonsaiError 'usage' when there is no such target, or its target.json says something that
 * it cannot
 */
export function loadTarget(name: string): Target {
  if (!listTargets().includes(name)) {
    throw new BonsaiError(
      'usage',
      `target ${name}`,
      'is not known',
      `one of: ${listTargets().join(', ')}`,
    );
  }
  const url = new URL(`targets/${name}/target.json`, root);
  const target = parseTarget(readFileSync(url, 'utf8'), fileURLToPath(url));
  const costs = measured(target, 'costs.json', costSchema) ?? target.costs;
  const code = measured(target, 'code.json', codeSchema);
  return { ...target, costs, ...(code === null ? {} : { code }) };
}

/** This machine, as one that the target's kernels were chosen for. */
export function twinOf(target: Target): Target {
  const { name, features, costs, costUnit, code, regions } = target;
  return {
    ...loadTarget('host'),
    ...{ name, features, costs, costUnit },
    ...(code === undefined ? {} : { code }),
    ...(regions === undefined ? {} : { regions }),
  };
}

/** Where what was measured of a board's core is kept, below the package's root. */
export function coreFolder({ core }: Pick<Board, 'core'>): string {
  return `targets/${coresFolder}/${core}`;
}

/** What was measured of a board, or else of its core; null: neither was. */
function measured<T>(
  board: Pick<Board, 'name' | 'core'>,
  file: string,
  schema: z.ZodType<T>,
): T | null {
  for (const place of [`targets/${board.name}`, coreFolder(board)]) {
    const url = new URL(`${place}/${file}`, root);
    if (existsSync(url)) return parseCosts(schema, readFileSync(url, 'utf8'), fileURLToPath(url));
  }
  return null;
}

function readData<T>(schema: z.ZodType<T>, path: string): T {
  const url = new URL(path, root);
  if (!existsSync(url)) {
    throw new BonsaiError('usage', path, 'is not there', 'targets/rp2040 shows what a board needs');
  }
  return parseData(schema, readFileSync(url, 'utf8'), fileURLToPath(url));
}

/** @throws BonsaiError 'usage' where board and family do not fit */
function assemble(board: Board, core: Core, family: Family, where: string): Target {
  const { name: coreName, features, ...compiler } = core;
  const isAddressed = board.flashAddress !== undefined && board.uf2FamilyId !== undefined;
  if (family.images.includes('uf2') && !isAddressed) {
    const message = `its family makes UF2: flashAddress and uf2FamilyId are needed`;
    throw new BonsaiError('usage', where, message, 'targets/rp2040/target.json has both');
  }
  return { ...board, ...family, ...compiler, coreName, features: new Set(features), costs: {} };
}

/**
 * Checks the text of a target.json.
 *
 * @param where the file, for errors
 * @throws BonsaiError 'usage' with every key that is unknown, missing or wrong, and where its core
 *   or family is not there
 */
export function parseTarget(text: string, where: string): Target {
  const board = parseData(boardSchema, text, where);
  const core = readData(coreSchema, `${coreFolder(board)}/core.json`);
  const family = readData(familySchema, `firmware/port/${board.family}/family.json`);
  return assemble(board, core, family, where);
}

function parseData<T>(schema: z.ZodType<T>, text: string, where: string): T {
  const hint = 'targets/rp2040 and targets/cores/cortex-m0plus show every key';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new BonsaiError('usage', where, `is not JSON: ${(error as Error).message}`, hint);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(
    ({ path, message }) => `${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`,
  );
  throw new BonsaiError('usage', where, issues.join('; '), hint);
}

/** Template → term of work → what one of it costs. */
const kernelCosts = z.record(z.string(), z.record(z.string(), z.number().nonnegative()));
const costSchema = z.strictObject({
  speed: kernelCosts,
  balanced: kernelCosts,
  size: kernelCosts.exactOptional(),
});

const codeSizes = z.strictObject({
  runtimeBytes: z.number(),
  stepBytes: z.number(),
  kernels: z.record(z.string(), z.number()),
});
const codeSchema = z.strictObject({ speed: codeSizes, balanced: codeSizes, size: codeSizes });

/** Costs as `bonsaic tune` keeps them: a board may count what its simulator does not. */
export const measuredCosts = z.strictObject({ costUnit: z.enum(countUnits), costs: costSchema });

/**
 * Checks the text of a file of costs.
 *
 * @throws BonsaiError 'usage' when it is not one
 */
export function parseCosts<T>(schema: z.ZodType<T>, text: string, where: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new BonsaiError('usage', where, 'is no table of costs', 'measure it again: bonsaic tune');
  }
}

/**
 * The firmware of a target as a project holds it: path below the project's firmware/ → text. The
 * linker script is among them, under its own name.
 */
export function firmwareSources(target: Target, cores = 1): Map<string, string> {
  const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
  const { sources: core = [], headers = [] } = (cores > 1 ? target.secondCore : undefined) ?? {};
  const files = [...target.sources, ...core, ...target.headers, ...headers];
  const texts = new Map(files.map((path) => [path, read(`firmware/${path}`)]));
  if (target.linkerScript !== null) {
    texts.set(target.linkerScript, read(`targets/${target.name}/${target.linkerScript}`));
  }
  return texts;
}

/** @throws BonsaiError 'usage' when the target has fewer cores */
export function requireCores(target: Target, cores: number): void {
  if (cores === 1 || target.secondCore !== undefined) return;
  throw new BonsaiError('usage', `--cores ${cores}`, `${target.name} has one core`, 'leave it out');
}

/**
 * What every file of a project is compiled and linked with, in a folder that has firmware/: the
 * C library's headers come with it, since not every compiler has any.
 */
export function compilerFlags({ flags, libc }: Target): string[] {
  return libc === null ? [...flags] : [...flags, `-Ifirmware/${libc}`];
}

/** What the target says to firmware/include/port.h and its port, as C macros. */
export function firmwareMacros(target: Target): Map<string, string> {
  const macros = new Map([
    ['TARGET_NAME', target.name],
    ['CLOCK_HZ', `${target.clockHz}u`],
  ]);
  // A board that no QEMU has counts cycles.
  macros.set('ICOUNT_SHIFT', `${target.icountShift ?? 0}`);
  for (const [name, value] of Object.entries(target.settings ?? {})) macros.set(name, `${value}u`);
  if (target.baudRate !== undefined) macros.set('BAUD_RATE', `${target.baudRate}u`);
  if (target.usb !== undefined) {
    macros.set('USB_VENDOR_ID', `${target.usb.vendorId}u`);
    macros.set('USB_PRODUCT_ID', `${target.usb.productId}u`);
  }
  return macros;
}
