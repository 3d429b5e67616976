/**
 * Clients of others (esptool, stm32flash) flash simulated boards over a line that drops and changes
 * bytes; then bonsaic flashes the board over a clean one.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { simulateBoard } from '../../src/boards/device/simulated.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { espImage } from './esp.js';
import { flash } from './flash.js';
import { noisyLine } from './noisy-line.js';
import { stm32Image } from './stm32.js';

/** A client that waits for an answer for longer is ended: its own patience is not under test. */
const mostMs = 60_000;

export interface Client {
  readonly name: string;
  readonly target: string;
  /** The program and its first arguments; null: it is not installed. */
  readonly command: readonly string[] | null;
  /** Writes the image and compares all of it with what the chip then says. */
  args(link: string, image: string): readonly string[];
  image(seed: number): Uint8Array;
}

const esptool = fileURLToPath(new URL('../../build/esptool/bin/esptool', import.meta.url));
const found = (...commands: readonly (readonly string[])[]) =>
  commands.find(([program = '']) => spawnSync(program, ['version']).error === undefined) ?? null;

const imageBytes = 8192;
const writeByEsptool = (link: string, image: string, ...first: string[]) => [
  ...['--chip', 'esp32c3', '--port', link, '--connect-attempts', '2', ...first],
  ...['--before', 'no_reset', '--after', 'no_reset', 'write_flash', '0x0', image],
];

/** It runs, and does nothing for ever: `j .` behind the two words of direct boot. */
function loopingImage(seed: number): Uint8Array {
  const image = espImage(imageBytes, seed);
  new DataView(image.buffer).setUint32(8, 0x6f, true);
  return image;
}

export const clients: readonly Client[] = [
  {
    name: 'stm32flash',
    target: 'stm32g0b1',
    command: found(['stm32flash']),
    // A pty has no parity.
    args: (link, image) => ['-m', '8n1', '-v', '-w', image, link],
    image: (seed) =>
      stm32Image(loadTarget('stm32g0b1'), imageBytes).map((b, i) => (i < 8 ? b : b ^ seed)),
  },
  {
    name: 'esptool, by its stub',
    target: 'esp32c3',
    command: found(['esptool'], [esptool]),
    args: (link, image) => writeByEsptool(link, image),
    image: loopingImage,
  },
  {
    name: 'esptool, by the ROM',
    target: 'esp32c3',
    command: found(['esptool'], [esptool]),
    args: (link, image) => writeByEsptool(link, image, '--no-stub'),
    image: loopingImage,
  },
];

/** How a flash by such a client went. */
export interface NoisyOutcome {
  /** 'WRONG': the client reports success, and the flash has other bytes. */
  readonly client: 'written' | 'refused' | 'ended after 60 s' | 'WRONG';
  /** Bytes that were lost or changed. */
  readonly struck: number;
  /** What bonsaic said over the clean line afterwards; '': the image is in the flash. */
  readonly next: string;
}

export async function flashNoisily(
  { target: name, command, args, image }: Client,
  noise: { readonly one: number; readonly seed: number },
): Promise<NoisyOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-noise-'));
  const [link, noisy, file] = ['tty', 'noisy', 'image.bin'].map((each) => join(folder, each));
  const [program = '', ...first] = command ?? [];
  const target = loadTarget(name);
  const isStored = (bytes: Uint8Array) =>
    existsSync(`${link}.flash`) &&
    Buffer.compare(readFileSync(`${link}.flash`).subarray(0, imageBytes), bytes) === 0;
  const board = await simulateBoard(target, link as string, () => {});
  try {
    const theirs = image(noise.seed);
    writeFileSync(file as string, theirs);
    const line = await noisyLine(noisy as string, link as string, noise);
    const how = await run(program, [...first, ...args(noisy as string, file as string)]);
    const struck = line.struck();
    await line.close();
    // The file of the flash is written a moment after the last byte.
    for (let tries = 0; how === 'written' && !isStored(theirs) && tries < 300; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const client = how === 'written' && !isStored(theirs) ? 'WRONG' : how;
    const own = image(noise.seed + 1);
    writeFileSync(file as string, own);
    const next = await flash(file as string, link as string, target).then(
      () => (isStored(own) ? '' : 'WRONG'),
      (error: Error) => error.message,
    );
    return { client, struck, next };
  } finally {
    await board.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The board is in this process, so nothing may block it. */
function run(program: string, args: readonly string[]): Promise<NoisyOutcome['client']> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: mostMs, killSignal: 'SIGKILL' }, (error) => {
      if (error === null) resolve('written');
      else resolve(error.killed ? 'ended after 60 s' : 'refused');
    });
  });
}
