/** Random and mutated frames for both parsers of the protocol: the firmware's and the host's. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { type Device, Listeners } from '../../src/boards/device/device.js';
import {
  answerBit,
  commands,
  encodeFrame,
  type Frame,
  FrameReader,
  tagOf,
} from '../../src/boards/profile/protocol.js';
import { openSession } from '../../src/boards/profile/session.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import type { Module } from '../../src/compiler/ir/graph.js';
import { BonsaiError } from '../../src/errors.js';
import { FakeBoard } from './fake-board.js';
import { fake } from './firmware.js';
import type { Random } from './module.js';
import { inVirtualTime } from './time.js';

const types = Object.values(commands);
/** Edges: of a body's entries (128 counts, 256 checksums), of the fake model, of integers. */
const words = [
  ...[0, 1, 127, 128, 129, 130, 255, 256, 257, 260, 1024, 1025],
  ...[0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff],
];

function randomBytes(random: Random, most: number): Uint8Array {
  return Uint8Array.from({ length: random.integer(0, most) }, () => random.integer(0, 255));
}

/** A body of a few fields, mostly near what exists; sometimes long. */
function randomBody(random: Random): Uint8Array {
  if (random.integer(0, 19) === 0) return randomBytes(random, 1024);
  const body = Buffer.alloc(random.pick([0, 0, 4, 4, 6, 8, 8, 12, 16, 40]));
  for (let at = 0; at + 2 <= body.length; at += 2) {
    const fields = [0, random.integer(0, 20), random.integer(0, 300), random.pick(words) & 0xffff];
    body.writeUInt16LE(random.pick(fields), at);
  }
  return body;
}

type Mutation = (wire: Uint8Array, random: Random) => Uint8Array;

const at = (wire: Uint8Array, random: Random) => random.integer(0, Math.max(0, wire.length - 1));

/** What lines and faulty programs do to a frame. */
const mutations: readonly Mutation[] = [
  (wire, random) => wire.map((byte, i) => (random.integer(0, wire.length) === i ? byte ^ 1 : byte)),
  (wire, random) => {
    const place = at(wire, random);
    return wire.map((byte, i) => (i === place ? random.integer(0, 255) : byte));
  },
  (wire, random) => wire.subarray(0, at(wire, random)),
  (wire, random) => wire.subarray(at(wire, random)),
  (wire, random) => {
    const place = at(wire, random);
    return Buffer.concat([wire.subarray(0, place), wire.subarray(place + 1)]);
  },
  (wire, random) => {
    const place = at(wire, random);
    return Buffer.concat([wire.subarray(0, place + 1), wire.subarray(place)]);
  },
  (wire, random) => {
    const place = at(wire, random);
    const extra = randomBytes(random, 20);
    return Buffer.concat([wire.subarray(0, place), extra, wire.subarray(place)]);
  },
  (wire) => wire.subarray(0, -1),
  (wire) => Buffer.concat([wire, wire]),
];

/**
 * The bytes of one frame: half of them valid on the wire (with any header and body), the others
 * mutated, or no frame at all.
 */
export function randomFrame(
  random: Random,
  tag: number,
  likely: { readonly types: readonly number[]; readonly sequence: number },
): Uint8Array {
  const kind = random.integer(0, 15);
  if (kind === 0) return randomBytes(random, random.pick([3, 30, 3000]));
  const wire = encodeFrame({
    version: random.integer(0, 15) === 0 ? random.integer(0, 255) : 1,
    type: random.integer(0, 7) === 0 ? random.integer(0, 255) : random.pick(likely.types),
    sequence: random.integer(0, 3) === 0 ? random.integer(0, 0xffff) : likely.sequence,
    tag: random.integer(0, 7) === 0 ? random.pick(words) : tag,
    body: randomBody(random),
  });
  return kind < 8 ? wire : random.pick(mutations)(wire, random);
}

export interface FuzzResult {
  readonly frames: number;
  /** Valid ones among them. */
  readonly valid: number;
  /** Growth of the process's memory after the first batch. */
  readonly grownBytes: number;
  readonly outcomes: ReadonlyMap<string, number>;
}

const batchFrames = 500;
/** A batch takes milliseconds. */
const batchMs = 60_000;
const marker = 0xbeef;

/**
 * Sends frames to firmware with the fake model. It must answer each frame that the host's reader
 * finds valid, once and in order, and nothing else.
 *
 * @throws Error with the seed's batch when it dies, hangs or answers otherwise
 */
export async function fuzzFirmware(
  program: string,
  frames: number,
  random: Random,
): Promise<FuzzResult> {
  const child = spawn(program);
  const answers: Frame[] = [];
  const reader = new FrameReader();
  let complaint = '';
  let wake = () => {};
  child.stdout.on('data', (bytes: Buffer) => {
    answers.push(...reader.push(bytes));
    wake();
  });
  child.stderr.on('data', (text: Buffer) => {
    complaint = (complaint + text).slice(0, 4000);
  });
  child.on('close', () => wake());
  child.stdin.on('error', () => {});
  const outcomes = new Map<string, number>();
  let valid = 0;
  let firstBytes = 0;
  try {
    for (let sent = 0; sent < frames; sent += batchFrames) {
      const { bytes, expected } = firmwareBatch(random, Math.min(batchFrames, frames - sent));
      child.stdin.write(bytes);
      const end = () => answers.at(-1)?.sequence === marker || child.exitCode !== null;
      await until(end, (listener) => {
        wake = listener;
      });
      const found = answers.splice(0);
      const told = found.map(({ sequence }) => sequence).join();
      if (child.exitCode !== null || found.pop()?.sequence !== marker) {
        throw new Error(`after ${sent} frames it died or hung: ${complaint}`);
      }
      if (told !== [...expected, marker].join()) {
        throw new Error(`after ${sent} frames: answers ${told}, expected ${expected.join()}`);
      }
      valid += expected.length;
      for (const { type, body } of found) {
        const name = type === 0xff ? `error ${body[0]}` : 'answered';
        outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
      }
      if (sent === 0) firstBytes = residentBytes(child);
    }
    return { frames, valid, outcomes, grownBytes: residentBytes(child) - firstBytes };
  } finally {
    child.kill('SIGKILL');
  }
}

/** Frames, and the sequence numbers of those that are valid, with a hello at their end. */
function firmwareBatch(random: Random, count: number) {
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const likely = { types, sequence: random.integer(0, marker - 1) };
    pieces.push(randomFrame(random, fake.tag, likely));
    if (random.integer(0, 1) === 0) pieces.push(Uint8Array.of(0));
  }
  pieces.push(Uint8Array.of(0));
  const reader = new FrameReader();
  const kept = pieces.filter((piece) => {
    const before = new FrameReader();
    return !before.push(Uint8Array.of(0, ...piece, 0)).some(isExcluded);
  });
  const found = kept.flatMap((piece) => reader.push(piece));
  // A piece that is excluded may also arise from two; such a batch is made again.
  if (found.some((frame) => isExcluded(frame) || frame.sequence === marker)) {
    return firmwareBatch(random, count);
  }
  const hello = { type: commands.hello, sequence: marker, tag: 0, body: new Uint8Array(0) };
  return {
    bytes: Buffer.concat([...kept, encodeFrame(hello)]),
    expected: found.map(({ sequence }) => sequence),
  };
}

/** Requests that end the process, or make the fake model run for minutes (its input 1). */
function isExcluded({ version, type, tag, body }: Frame): boolean {
  if (version !== 1 || tag !== fake.tag) return false;
  return type === commands.reboot || (type === commands.writeInput && body[0] === 1);
}

async function until(done: () => boolean, onWake: (listener: () => void) => void): Promise<void> {
  let late = false;
  while (!done() && !late) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        late = true;
        resolve();
      }, batchMs);
      onWake(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** 0 where /proc is missing. */
function residentBytes({ pid }: ChildProcessWithoutNullStreams): number {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return 0;
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(path, 'utf8'))?.[1] ?? 0) * 1024;
}

/** A board that sends frames of its own before each answer. */
class ChattyBoard implements Device {
  readonly name = 'chatty';
  readonly simulation = null;
  private readonly listeners = new Listeners();
  sent = 0;
  valid = 0;

  constructor(
    private readonly board: FakeBoard,
    private readonly random: Random,
    private readonly tag: number,
    private readonly framesPerAnswer: number,
  ) {
    board.onData((answer) => this.answer(answer));
    board.onLost((reason) => this.listeners.emitLost(reason));
  }

  write = (bytes: Uint8Array) => this.board.write(bytes);
  onData = (listener: (bytes: Uint8Array) => void) => this.listeners.onData(listener);
  onLost = (listener: (reason: string) => void) => this.listeners.onLost(listener);
  close = () => this.board.close();

  private answer(answer: Uint8Array): void {
    const { random, tag } = this;
    const [{ type = 0, sequence = 0 } = {}] = new FrameReader().push(answer);
    // Frames with the number that is awaited end the request; most have others.
    const isRight = random.integer(0, 30) === 0;
    const likely = { types: [type, type, 0xff, type & ~answerBit], sequence };
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < this.framesPerAnswer; i++) {
      const number = isRight ? sequence : random.integer(0, 0xffff);
      pieces.push(randomFrame(random, tag, { ...likely, sequence: number }));
      if (random.integer(0, 1) === 0) pieces.push(Uint8Array.of(0));
    }
    if (random.integer(0, 7) > 0) pieces.push(Uint8Array.of(0), answer);
    this.sent += this.framesPerAnswer;
    const stream = Buffer.concat(pieces);
    this.valid += new FrameReader().push(stream).length;
    for (let at = 0; at < stream.length; ) {
      const end = at + random.integer(1, 700);
      this.listeners.emitData(new Uint8Array(stream.subarray(at, end)));
      at = end;
    }
  }
}

/**
 * Runs whole sessions on a board that sends such frames. Each session must end with a result or
 * with an error of the device.
 *
 * @throws Error with the session when it hangs, or whatever it throws instead
 */
export async function fuzzSession(
  module: Module,
  manifest: Manifest,
  frames: number,
  random: Random,
  input: Int8Array,
): Promise<FuzzResult> {
  const outcomes = new Map<string, number>();
  let sent = 0;
  let valid = 0;
  let firstBytes = 0;
  while (sent < frames) {
    const board = new ChattyBoard(
      new FakeBoard(module, manifest),
      random,
      tagOf(manifest.tag),
      random.pick([1, 10, 100]),
    );
    const work = async () => {
      const session = await openSession(board, manifest, { timeoutMs: 60, runTimeoutMs: 60 });
      await session.infer([input]);
      await session.profile([input]);
      await session.checksums([input]);
      await session.memory();
    };
    const outcome = await inVirtualTime(work, 60_000).then(
      () => 'done',
      (error: unknown) => {
        if (!(error instanceof BonsaiError) || error.exitStatus !== 5) throw error;
        return error.message.replace(/\d[\d.]*/g, 'N').slice(0, 30);
      },
    );
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    sent += board.sent;
    valid += board.valid;
    if (firstBytes === 0 && sent > 10_000) firstBytes = heapBytes();
  }
  const grownBytes = firstBytes === 0 ? 0 : heapBytes() - firstBytes;
  return { frames: sent, valid, outcomes, grownBytes };
}

/** After a collection, with node --expose-gc. */
function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
