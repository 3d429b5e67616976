/** `bonsaic flash` as a process, killed at random moments, on a simulated board in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildProject, flashableImage } from '../../src/build/index.js';
import { firmwareFiles, writeProject } from '../../src/build/project.js';
import { emit } from '../../src/codegen/emit.js';
import { readUf2 } from '../../src/device/uf2.js';
import { contentOf } from '../../src/flash/uf2/image.js';
import { loadTarget, type Target } from '../../src/target/index.js';
import { cliPath } from './cli.js';
import { chainModule } from './fake-board.js';
import { Random } from './module.js';
import { simplePlan } from './plan.js';

/** One for each protocol on a line or a drive; those on USB have no process of their own to flash. */
export const killableBoards = [
  'stm32f405',
  'stm32g0b1',
  'esp32c3',
  'nrf52840-dongle',
  'rp2040',
] as const;

/** What became of the kills of one board. */
export interface KillRow {
  /** Kills when the board still had all of the image before, a part of each, or all of the new one. */
  before: number;
  during: number;
  behind: number;
  /** Flashes after a kill that ended with status 0 and the whole image in the flash. */
  next: number;
  /** What the others said. */
  readonly errors: Set<string>;
}

/** Hang guard of a command. */
const mostFlashMs = 120_000;

interface Built {
  readonly path: string;
  /** What the flash has of it. */
  readonly content: Uint8Array;
}

/** Two images that differ, so that each flash writes. */
async function imagesOf(target: Target, folder: string): Promise<readonly [Built, Built]> {
  const made = [16, 700].map(async (elements): Promise<Built> => {
    const module = chainModule(elements);
    const plan = simplePlan(module);
    const named = { ...plan, plan: { ...plan.plan, target: target.name } };
    const { files, manifest } = emit(module, named, target);
    const directory = join(folder, String(elements));
    writeProject(directory, new Map([...files, ...firmwareFiles(target)]));
    const path = flashableImage(await buildProject(directory, { target, manifest }));
    const bytes = readFileSync(path);
    return { path, content: path.endsWith('.uf2') ? contentOf(readUf2(bytes, null, path)) : bytes };
  });
  return (await Promise.all(made)) as unknown as readonly [Built, Built];
}

interface Board {
  readonly port: string;
  readonly flash: () => Buffer;
  stop(): Promise<void>;
}

/** `bonsaic simulate` in its own process, ready to be flashed. */
async function startBoard(target: Target, folder: string): Promise<Board> {
  const port = join(folder, 'tty');
  const child = spawn(process.execPath, [cliPath, 'simulate', target.name, '--link', port]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      said += text;
    });
  }
  const end = ended(child);
  for (let tries = 0; !said.includes('Ctrl-C ends it') && tries < 600; tries++) await sleep(100);
  return {
    port,
    flash: () => readFileSync(`${port}.flash`),
    stop: async () => {
      child.kill('SIGTERM');
      await end;
    },
  };
}

interface End {
  readonly status: number | null;
  readonly said: string;
}

/** @param mostMs hang guard; undefined: it ends when it is told to */
function ended(child: ChildProcess, mostMs?: number): Promise<End> {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text: Buffer) => {
      said += text;
    });
  }
  const guard = mostMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), mostMs);
  return new Promise((resolve) => {
    child.once('close', (status) => {
      clearTimeout(guard);
      resolve({ status, said });
    });
  });
}

/** Resolves with the first word of its progress. */
const begun = (child: ChildProcess) =>
  new Promise<void>((resolve) => child.stderr?.once('data', () => resolve()));

const flashing = (target: Target, image: Built, port: string) =>
  spawn(process.execPath, [
    ...[cliPath, 'flash', image.path, '--target', target.name, '--port', port],
  ]);

const begins = (flash: Buffer, { content }: Built) =>
  Buffer.compare(flash.subarray(0, content.length), content) === 0;

/**
 * Kills `bonsaic flash` that many times, and flashes again after each.
 *
 * @throws Error when the board cannot be flashed at all
 */
export async function killRow(name: string, kills: number, seed: number): Promise<KillRow> {
  const target = loadTarget(name);
  const random = new Random(seed);
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-kills-'));
  const row: KillRow = { before: 0, during: 0, behind: 0, next: 0, errors: new Set() };
  let board: Board | null = null;
  try {
    let [old, fresh] = await imagesOf(target, folder);
    // Only an image that runs leads back to the boot loader by itself.
    const again = async () => {
      if (target.simulator !== null && board !== null) return board;
      await board?.stop();
      return startBoard(target, folder);
    };
    const whole = async (image: Built) => {
      const begin = performance.now();
      const { status, said } = await ended(flashing(target, image, board?.port ?? ''), mostFlashMs);
      return { status, said, ms: performance.now() - begin };
    };
    board = await again();
    const first = await whole(old);
    if (first.status !== 0) throw new Error(`${name}: ${first.said}`);
    let usualMs = first.ms;
    for (let i = 0; i < kills; i++) {
      board = await again();
      const child = flashing(target, fresh, board.port);
      const end = ended(child, mostFlashMs);
      // Every second one as soon as it talks to the board, since most of the time is the start of Node.
      if (i % 2 === 1) await Promise.race([end, begun(child)]);
      const mostMs = i % 2 === 1 ? usualMs / 2 : usualMs;
      await Promise.race([end, sleep(random.integer(0, Math.floor(mostMs)))]);
      child.kill('SIGKILL');
      await end;
      // The board saves its flash a moment after the last byte.
      await sleep(400);
      const flash = board.flash();
      if (begins(flash, fresh)) row.behind++;
      else if (begins(flash, old)) row.before++;
      else row.during++;
      if (begins(flash, fresh)) board = await again();
      const { status, said, ms } = await whole(fresh);
      await sleep(400);
      if (status === 0 && begins(board.flash(), fresh)) row.next++;
      else row.errors.add(said.split('\n').find((line) => line.startsWith('error')) ?? 'WRONG');
      usualMs = ms;
      [old, fresh] = [fresh, old];
    }
    return row;
  } finally {
    await board?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
