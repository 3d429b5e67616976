/** Commands that are killed, or whose disk is full: what they leave, and what the next run makes of it. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { recoverProject } from '../../src/boards/build/project.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { recoverOutput } from '../../src/compress/output.js';
import { cliPath } from './cli.js';
import { FloatNetwork } from './float-network.js';
import { processesOf } from './signals.js';

export interface Interrupted {
  readonly name: string;
  /** Commands whose results are there before. */
  readonly before: readonly string[];
  /** Is interrupted, then runs again. */
  readonly command: string;
  /** What a reader does on its way to the folder. */
  readonly recover: (folder: string) => void;
  /** Of `command`: what a version does not have, as objects and checkpoints. */
  readonly derived: RegExp;
  /** The new version is whole before the work on it begins, which may fail. */
  readonly writesFirst?: true;
  /** Files whose contents differ from run to run, as measured times; they are there or not. */
  readonly varying?: RegExp;
}

const trains = '--data data.csv --backend wasm --seed 1';
const projects = { recover: recoverProject, derived: /^out\/build(\/|$)/ };
const results = { recover: recoverOutput, derived: /^small\/checkpoint(\/|$)/ };
const host = '--target host';
/** The linker does not notice that its map is cut. */
const map = /\.map$/;

export const interrupted: readonly Interrupted[] = [
  {
    name: 'compile',
    before: [`compile int8.tflite ${host} -o out --optimize size`],
    command: `compile int8.tflite ${host} -o out`,
    ...projects,
  },
  {
    name: 'build',
    before: [`compile int8.tflite ${host} -o out`],
    command: 'build out',
    ...projects,
    varying: map,
  },
  {
    name: 'run -o',
    before: [`compile int8.tflite ${host} -o out --optimize size`],
    command: `run int8.tflite ${host} -o out`,
    ...projects,
    // Sources without a report are whole: it follows when the model has run.
    derived: /^out\/(build(\/|$)|report\.)/,
    writesFirst: true,
    varying: new RegExp(`${map.source}|^out/report\\.(json|txt)$`),
  },
  {
    name: 'quantize',
    before: [`quantize net.tflite ${trains} -o small --target host --optimize size`],
    command: `quantize net.tflite ${trains} -o small --target host`,
    ...results,
  },
  {
    name: 'prune',
    before: [`quantize net.tflite ${trains} -o small --target host`],
    command: `prune net.tflite ${trains} -o small --share 50 --epochs 2`,
    ...results,
  },
  {
    name: 'compress',
    before: [`quantize net.tflite ${trains} -o small --target host`],
    command: `compress net.tflite ${trains} -o small --epochs 1 --target host`,
    ...results,
  },
  {
    name: 'tune',
    before: [`tune ${host} --port sim`],
    command: `tune ${host} --port sim`,
    recover: () => {},
    derived: /^$/,
    varying: /costs\.json$/,
  },
];

/** A folder with models, samples, a cache and a place for temporary files of its own. */
export function makeRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'interrupted-'));
  for (const name of ['tmp', 'cache']) mkdirSync(join(root, name));
  copyFileSync('examples/activity/activity.tflite', join(root, 'int8.tflite'));
  const network = new FloatNetwork([8], 2).dense(12).dense(3, 'none').softmax();
  writeFileSync(join(root, 'net.tflite'), writeTflite(network.module()));
  const rows = Array.from({ length: 120 }, (_, i) =>
    [...Array.from({ length: 8 }, (_, k) => Math.sin(i * 7 + k * k)), i % 3].join(','),
  );
  writeFileSync(join(root, 'data.csv'), `a,b,c,d,e,f,g,h,label\n${rows.join('\n')}\n`);
  return root;
}

const environment = (root: string) => ({
  ...process.env,
  TMPDIR: join(root, 'tmp'),
  XDG_CACHE_HOME: join(root, 'cache'),
});

export interface Ran {
  readonly status: number | null;
  readonly stderr: string;
}

export function runIn(root: string, command: string, more: Record<string, string> = {}): Ran {
  const { status, stderr } = spawnSync(process.execPath, [cliPath, ...command.split(' ')], {
    cwd: root,
    env: { ...environment(root), ...more },
    encoding: 'utf8',
  });
  return { status, stderr };
}

/** Runs a command that is killed after a time. @returns whether it was over before */
export async function killedIn(root: string, command: string, afterMs: number): Promise<boolean> {
  const child = spawn(process.execPath, [cliPath, ...command.split(' ')], {
    cwd: root,
    env: environment(root),
    stdio: 'ignore',
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  const [status] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  // A compiler that it has started may go on for a moment, and then removes its temporary files.
  while (processesOf(join(root, 'tmp')).length > 0) await sleep(10);
  return status !== null;
}

/** Path → what is there. */
export type Snapshot = ReadonlyMap<string, string>;

/** All that lies in a folder, but for what varies. */
export function snapshot(root: string, { varying }: Pick<Interrupted, 'varying'>): Snapshot {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  const rows = entries.map((entry): [string, string] => {
    const file = join(entry.parentPath, entry.name);
    const path = file.slice(root.length + 1);
    if (entry.isSymbolicLink()) return [path, `link to ${readlinkSync(file)}`];
    if (entry.isDirectory()) return [path, 'folder'];
    if (varying?.test(path)) return [path, 'file'];
    return [path, createHash('sha256').update(readFileSync(file)).digest('hex')];
  });
  return new Map(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What differs, one line each; none: nothing. */
export function differences(found: Snapshot, wanted: Snapshot): string[] {
  const paths = new Set([...found.keys(), ...wanted.keys()]);
  return [...paths].flatMap((path) => {
    const [is, was] = [found.get(path), wanted.get(path)];
    if (is === was) return [];
    return [`${path} ${is === undefined ? 'is lost' : was === undefined ? 'is left' : 'differs'}`];
  });
}

/** A snapshot without what belongs to no version. */
export function versionOf(all: Snapshot, { derived }: Interrupted): Snapshot {
  const isOf = (path: string) => /^(out|small|cache)(\/|$)/.test(path) && !derived.test(path);
  return new Map([...all].filter(([path]) => isOf(path)));
}

/** Trials of one command: the state before it, and the state after it where nothing interrupts. */
export interface Trials {
  readonly case: Interrupted;
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly durationMs: number;
  /** A fresh folder in the state before. */
  fresh(): string;
  remove(): void;
}

export function trialsOf(one: Interrupted): Trials {
  const template = makeRoot();
  const root = join(template, '..', `${template.split('/').at(-1)}-trial`);
  const fresh = () => {
    rmSync(root, { recursive: true, force: true });
    cpSync(template, root, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    return root;
  };
  // In the folder of the trials, whose path some files may have.
  for (const command of one.before) {
    fresh();
    must(root, command);
    rmSync(template, { recursive: true });
    cpSync(root, template, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  }
  const before = snapshot(fresh(), one);
  const started = performance.now();
  must(root, one.command);
  const durationMs = performance.now() - started;
  const after = snapshot(root, one);
  must(fresh(), one.command);
  const unsteady = differences(snapshot(root, one), after);
  if (unsteady.length > 0) throw new Error(`${one.name} varies: ${unsteady.join(', ')}`);
  const remove = () => {
    for (const folder of [root, template]) rmSync(folder, { recursive: true, force: true });
  };
  return { case: one, before, after, durationMs, fresh, remove };
}

function must(root: string, command: string): void {
  const { status, stderr } = runIn(root, command);
  if (status !== 0) throw new Error(`${command}: ${status}\n${stderr}`);
}

/** Runs the command again, to its end. @returns what is wrong then */
export function faultsOfNext({ case: one, after }: Trials, root: string): string[] {
  const { status, stderr } = runIn(root, one.command);
  if (status !== 0) return [`the next run ended with ${status}: ${stderr.trim().slice(-300)}`];
  return differences(snapshot(root, one), after).map((what) => `after the next run ${what}`);
}

/** What is wrong after a kill, for a reader and for the next run. */
export function faultsOfKill(trials: Trials, root: string): string[] {
  const { case: one, before, after } = trials;
  one.recover(join(root, 'out'));
  one.recover(join(root, 'small'));
  const found = versionOf(snapshot(root, one), one);
  const isOne = [before, after].some(
    (state) => differences(found, versionOf(state, one)).length === 0,
  );
  const torn = isOne
    ? []
    : [`neither old nor new: ${differences(found, versionOf(before, one)).join(', ')}`];
  return [...torn, ...faultsOfNext(trials, root)];
}

/** The library that makes disks full, built. */
export function buildFullDisk(folder: string): string {
  const library = join(folder, 'full-disk.so');
  const flags = ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library];
  const built = spawnSync('gcc', [...flags, 'test/support/full-disk.c', '-ldl'], {
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(built.stderr);
  return library;
}

export interface FullDisk {
  readonly library: string;
  /** A file for the count, outside of the trials. */
  readonly counter: string;
  /** The folder in the trial that is full. */
  readonly below: string;
}

/**
 * Runs the command on a disk that is full at its n-th call that takes room.
 *
 * @param n     from 1; 0: never
 * @param calls how many fail from there on; 0: all
 * @returns what is wrong, and the calls that it made
 */
export function fullAt(
  trials: Trials,
  { library, counter, below }: FullDisk,
  n: number,
  calls: number,
): { readonly status: number | null; readonly faults: string[]; readonly calls: number } {
  const { case: one, before, after } = trials;
  const root = trials.fresh();
  writeFileSync(counter, new Uint8Array(8));
  const { status, stderr } = runIn(root, one.command, {
    LD_PRELOAD: library,
    FULL_BELOW: join(root, below),
    FULL_COUNTER: counter,
    FULL_AT: String(n),
    FULL_CALLS: String(calls),
    UV_USE_IO_URING: '0',
  });
  const found = snapshot(root, one);
  const faults: string[] = [];
  const isOver = differences(found, after).length === 0;
  if (status === 0) {
    if (!isOver) faults.push(`status 0, yet ${differences(found, after).join(', ')}`);
  } else {
    if (status !== 1 && status !== 4) faults.push(`status ${status}: ${stderr.trim().slice(-300)}`);
    const version = versionOf(found, one);
    const isNew =
      one.writesFirst === true && differences(version, versionOf(after, one)).length === 0;
    const lost = isNew ? [] : differences(version, versionOf(before, one));
    if (lost.length > 0 && !isOver) faults.push(`not the old version: ${lost.join(', ')}`);
    const litter = [...found.keys()].filter((path) => /bonsaic-|\.new$/.test(path));
    if (litter.length > 0) faults.push(`left behind: ${litter.join(', ')}`);
    // From the same state the next run does the same as an undisturbed one.
    if (differences(found, before).length > 0) faults.push(...faultsOfNext(trials, root));
  }
  const made = Number(readFileSync(counter).readBigInt64LE());
  return { status, faults, calls: made };
}
