/**
 * `bonsaic flash` as a process, killed while it talks to a simulated board in a process of its own: at a random byte of
 * those that cross the line or that it writes to the drive.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildProject, flashableImage } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { readUf2 } from '../../src/boards/device/uf2.js';
import { contentOf } from '../../src/boards/flash/uf2/image.js';
import { emit } from '../../src/boards/project/emit.js';
import { loadTarget, type Target } from '../../src/boards/target/index.js';
import { cliPath } from './cli.js';
import { CountedLine, type Strike } from './counted-line.js';
import { chainModule } from './fake-board.js';
import { Random } from './module.js';
import { simplePlan } from './plan.js';

/** One for each protocol on a line or a drive, and how the host reaches it. Those on USB need a real host. */
const ways = {
  stm32f405: 'terminal',
  stm32g0b1: 'terminal',
  esp32c3: 'terminal',
  'nrf52840-dongle': 'terminal',
  // On a terminal bonsaic first looks for its drive.
  'nrf52840-uf2': 'TCP',
  rp2040: 'drive',
} as const;

export type KillableBoard = keyof typeof ways;
export const killableBoards = Object.keys(ways) as KillableBoard[];

/** What became of the kills of one board. */
export interface KillRow {
  /** Kills when the flash was as before, had changed, or had all of the new image. */
  before: number;
  during: number;
  behind: number;
  /** Flashes that had ended before they were killed: they do not count. */
  over: number;
  /** Flashes after a kill that ended with status 0 and the whole image in the flash. */
  next: number;
  /** The kills of the others, and what they said. */
  readonly errors: string[];
}

/** Hang guard of a command. */
const mostFlashMs = 120_000;
/** Twice as long as the board waits before it saves its flash. */
const settleMs = 400;
const [elements, edgeBytes] = [20_000, 500];
const preload = fileURLToPath(new URL('kill-at-byte.mjs', import.meta.url));

interface Built {
  readonly path: string;
  /** What the flash has of it. */
  readonly content: Uint8Array;
}

/** Two images that differ nearly everywhere, so that each flash writes all of one. */
async function imagesOf(target: Target, folder: string): Promise<readonly [Built, Built]> {
  const made = [1, 2].map(async (seed): Promise<Built> => {
    const random = new Random(seed);
    const module = chainModule(elements + seed, () => random.integer(-128, 127));
    const plan = simplePlan(module);
    const named = { ...plan, plan: { ...plan.plan, target: target.name } };
    const { files, manifest } = emit(module, named, target);
    const directory = join(folder, String(seed));
    writeProject(directory, new Map([...files, ...firmwareFiles(target)]));
    const path = flashableImage(await buildProject(directory, { target, manifest }));
    const bytes = readFileSync(path);
    if (target.name === 'nrf52840-uf2')
      return nameless(contentOf(readUf2(bytes, null, path)), path);
    return { path, content: path.endsWith('.uf2') ? contentOf(readUf2(bytes, null, path)) : bytes };
  });
  return (await Promise.all(made)) as unknown as readonly [Built, Built];
}

/** As firmware of others: bonsaic asks its own for its build, and no simulator runs it. */
function nameless(content: Uint8Array, beside: string): Built {
  const path = `${beside}.bin`;
  const bytes = Buffer.from(content);
  bytes.write('another', bytes.indexOf('bonsaic nrf52840-uf2\0'));
  writeFileSync(path, bytes);
  return { path, content: bytes };
}

/** `bonsaic simulate` in its own process. */
class Board {
  readonly link: string;
  private child: ChildProcess | null = null;
  private end: Promise<unknown> = Promise.resolve();
  private said = '';

  constructor(
    private readonly target: Target,
    folder: string,
  ) {
    this.link = join(folder, 'tty');
  }

  /** Resolves when it is ready to be flashed. */
  async start(): Promise<void> {
    this.said = '';
    this.child = spawn(process.execPath, [
      ...[cliPath, 'simulate', this.target.name, '--link', this.link],
    ]);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.said += text;
      });
    }
    this.end = ended(this.child);
    for (let tries = 0; !this.said.includes('Ctrl-C ends it') && tries < 600; tries++) {
      await sleep(100);
    }
  }

  async stop(): Promise<void> {
    this.child?.kill('SIGTERM');
    await this.end;
  }

  /** Whether it has left its boot loader, and only a new start leads back: no simulator runs its image. */
  get isGone(): boolean {
    return this.target.simulator === null && this.said.includes('started at');
  }

  flash(): Buffer {
    return readFileSync(`${this.link}.flash`);
  }

  /** The flash once nothing more changes it: the board saves it a moment after the last byte. */
  async settledFlash(): Promise<Buffer> {
    const changedMs = () => statSync(`${this.link}.flash`).mtimeMs;
    let before = -1;
    while (before !== changedMs()) {
      before = changedMs();
      await sleep(settleMs);
    }
    return this.flash();
  }
}

interface End {
  /** null: it was killed. */
  readonly status: number | null;
  readonly said: string;
  readonly ms: number;
}

/** @param mostMs hang guard; undefined: it ends when it is told to */
function ended(child: ChildProcess, mostMs?: number): Promise<End> {
  const begin = performance.now();
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
      resolve({ status, said, ms: performance.now() - begin });
    });
  });
}

/** A moment of time, or a byte. */
type Kill = { readonly afterMs: number } | Strike;

/** The host, and what is between it and the board. */
class Host {
  /** Of the last flash that nothing killed. */
  private usual = { bytes: 0, ms: 0 };

  private constructor(
    private readonly target: Target,
    private readonly board: Board,
    /** null: a drive. */
    private readonly line: CountedLine | null,
  ) {}

  static async beside(board: Board, target: Target, folder: string): Promise<Host> {
    const way = ways[target.name as KillableBoard];
    if (way === 'drive') return new Host(target, board, null);
    const link = way === 'terminal' ? join(folder, 'line') : null;
    return new Host(target, board, await CountedLine.open(link));
  }

  async restartBoard(): Promise<void> {
    await this.board.stop();
    await this.board.start();
    await this.line?.connect(this.board.link);
  }

  async flash(image: Built): Promise<End> {
    const end = await this.run(image, null);
    if (end.status === 0) {
      const bytes = this.line?.crossed ?? statSync(image.path).size;
      this.usual = { bytes, ms: end.ms };
    }
    return end;
  }

  flashKilled(image: Built, kill: Kill): Promise<End> {
    return this.run(image, kill);
  }

  /** Every second kill is at any byte, the others in turn at one of the last, at one of the first, and at any moment. */
  killOf(i: number, random: Random): Kill {
    const { bytes, ms } = this.usual;
    const edge = Math.min(edgeBytes, bytes);
    const restArrives = random.integer(0, 1) === 1;
    switch (i % 6) {
      case 1:
        return { at: random.integer(bytes - edge + 1, bytes), restArrives };
      case 3:
        return { at: random.integer(1, edge), restArrives };
      case 5:
        return { afterMs: random.integer(0, Math.floor(ms)) };
      default:
        return { at: random.integer(1, bytes), restArrives };
    }
  }

  close(): Promise<void> | undefined {
    return this.line?.close();
  }

  private async run(image: Built, kill: Kill | null): Promise<End> {
    const strike = kill !== null && 'at' in kill ? kill : null;
    const onDrive = this.line === null && strike !== null;
    const child = spawn(
      process.execPath,
      [
        ...(onDrive ? ['--import', preload] : []),
        ...[cliPath, 'flash', image.path, '--target', this.target.name],
        ...['--port', this.line?.port ?? this.board.link, '--foreign'],
      ],
      { env: { ...process.env, KILL_AT_BYTE: String(strike?.at) } },
    );
    this.line?.begin(strike, () => child.kill('SIGKILL'));
    const end = ended(child, mostFlashMs);
    if (kill !== null && 'afterMs' in kill) {
      await Promise.race([end, sleep(kill.afterMs)]);
      child.kill('SIGKILL');
    }
    return end;
  }
}

const deviceStatus = 5;

const begins = (flash: Buffer, { content }: Built) =>
  Buffer.compare(flash.subarray(0, content.length), content) === 0;

const errorOf = (said: string) =>
  said.split('\n').find((line) => line.startsWith('error')) ?? 'WRONG';

/**
 * Kills `bonsaic flash` that many times, and flashes again after each.
 *
 * @param attempts how often it may flash again where the board does not answer in time: on a busy
 *   machine a simulated board, a process, is later than the real one for which the time-outs are
 * @throws Error when the board cannot be flashed at all
 */
export async function killRow(
  name: KillableBoard,
  kills: number,
  seed: number,
  attempts = 1,
): Promise<KillRow> {
  const target = loadTarget(name);
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-kills-'));
  const board = new Board(target, folder);
  const host = await Host.beside(board, target, folder);
  try {
    const [one, other] = await imagesOf(target, folder);
    for (const image of [one, other]) {
      await host.restartBoard();
      const { status, said } = await host.flash(image);
      if (status !== 0) throw new Error(`${name}: ${said}`);
    }
    const bench = { board, host, images: [other, one] } as const;
    return await killsOf(bench, { kills, attempts }, new Random(seed));
  } finally {
    await host.close();
    await board.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Bench {
  readonly board: Board;
  readonly host: Host;
  /** The board has the first one. */
  readonly images: readonly [Built, Built];
}

async function killsOf(
  { board, host, images }: Bench,
  { kills, attempts }: { readonly kills: number; readonly attempts: number },
  random: Random,
) {
  const row: KillRow = { before: 0, during: 0, behind: 0, over: 0, next: 0, errors: [] };
  let [old, fresh] = images;
  let flash = await board.settledFlash();
  for (let i = 0; i < kills && row.over <= kills; ) {
    if (board.isGone) await host.restartBoard();
    const kill = host.killOf(i, random);
    const { status, said, ms } = await host.flashKilled(fresh, kill);
    const failed = (text: string) => row.errors.push(`${JSON.stringify(kill)}: ${text}`);
    const struck = await board.settledFlash();
    if (status !== null) {
      row.over++;
      flash = struck;
      if (status !== 0) failed(errorOf(said));
    } else {
      if (ms > mostFlashMs) failed('it hung before the kill');
      i++;
      if (begins(struck, fresh)) row.behind++;
      else if (struck.equals(flash)) row.before++;
      else row.during++;
      if (board.isGone) await host.restartBoard();
      let end = await host.flash(fresh);
      for (let more = attempts - 1; more > 0 && end.status === deviceStatus; more--) {
        if (board.isGone) await host.restartBoard();
        end = await host.flash(fresh);
      }
      flash = await board.settledFlash();
      if (end.status === 0 && begins(flash, fresh)) row.next++;
      else failed(errorOf(end.said));
    }
    [old, fresh] = [fresh, old];
  }
  return row;
}
