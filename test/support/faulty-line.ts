/** Profiling over a line with faults, in virtual time: what becomes of the measurement. */
import { isDeepStrictEqual } from 'node:util';
import { type Device, Listeners } from '../../src/boards/device/device.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { openSession } from '../../src/boards/profile/session.js';
import type { VectorPair } from '../../src/boards/profile/vectors.js';
import { type DeviceResult, verifyOnDevice } from '../../src/boards/profile/verify.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import type { Module } from '../../src/compiler/ir/graph.js';
import { BonsaiError } from '../../src/errors.js';
import { chainModule, FakeBoard, manifestOf } from './fake-board.js';
import {
  type Direction,
  type FaultKind,
  type Faults,
  makeFaults,
  noFaults,
  type Passed,
} from './faults.js';
import { inVirtualTime } from './time.js';

/** Faults of boards and lines that strike while a model is measured. */
export const profilingFaults = [
  'bytes lost',
  'bytes doubled',
  'bytes changed',
  'bytes late',
  'cable pulled',
  'power lost',
  'host killed',
  'another model flashed',
  'another build flashed',
] as const;

export type ProfilingFault = (typeof profilingFaults)[number];

/** A line to a board, which may be exchanged behind it. */
class FaultyLine implements Device {
  readonly name = 'line';
  readonly simulation = null;
  private readonly queues: Record<Direction, Passed[]> = { 'to chip': [], 'to host': [] };
  private readonly waits: Record<Direction, boolean> = { 'to chip': false, 'to host': false };
  private listeners = new Listeners();
  private board: FakeBoard | null = null;
  bytes = 0;

  constructor(
    board: FakeBoard,
    public faults: Faults,
    private readonly onEnd: (how: 'unplugged' | 'power lost' | 'host killed') => void = () => {},
  ) {
    this.exchange(board);
  }

  exchange(board: FakeBoard): void {
    this.board = board;
    board.onData((bytes) => {
      // What a board says that is no longer there is not heard.
      if (this.board === board) this.carry(bytes, 'to host');
    });
  }

  /** Bytes on their way are lost. */
  clear(): void {
    this.queues['to chip'] = [];
    this.queues['to host'] = [];
  }

  /** From now on bytes pass; those that are late come when they do. */
  heal(): void {
    this.faults = noFaults;
    for (const direction of ['to chip', 'to host'] as const) {
      const [first, ...rest] = this.queues[direction];
      if (first === undefined) continue;
      this.queues[direction] = [first, ...rest.map(({ byte }) => ({ byte, delayMs: 0 }))];
    }
  }

  lose(reason: string): void {
    this.listeners.emitLost(reason);
  }

  /** The next program that opens the line. */
  open(): Device {
    this.listeners = new Listeners();
    return this;
  }

  write = (bytes: Uint8Array) => this.carry(bytes, 'to chip');
  onData = (listener: (bytes: Uint8Array) => void) => this.listeners.onData(listener);
  onLost = (listener: (reason: string) => void) => this.listeners.onLost(listener);
  close = async () => {};

  private carry(bytes: Uint8Array, direction: Direction): void {
    for (const byte of bytes) {
      this.bytes++;
      const end = this.faults.ends();
      if (end !== null) {
        this.faults = noFaults;
        this.pump(direction);
        this.onEnd(end);
        return;
      }
      this.queues[direction].push(...this.faults.pass(byte, direction));
    }
    this.pump(direction);
  }

  /** Bytes keep their order: what follows a late byte waits behind it. */
  private pump(direction: Direction): void {
    if (this.waits[direction]) return;
    const ready: number[] = [];
    for (;;) {
      const [first] = this.queues[direction];
      if (first === undefined || first.delayMs > 0) break;
      this.queues[direction].shift();
      ready.push(first.byte);
    }
    if (ready.length > 0) this.deliver(Uint8Array.from(ready), direction);
    const [late] = this.queues[direction];
    if (late === undefined) return;
    this.waits[direction] = true;
    setTimeout(() => {
      this.waits[direction] = false;
      if (this.queues[direction][0] === late) this.queues[direction][0] = { ...late, delayMs: 0 };
      this.pump(direction);
    }, late.delayMs);
  }

  private deliver(bytes: Uint8Array, direction: Direction): void {
    if (direction === 'to chip') this.board?.write(bytes);
    else this.listeners.emitData(bytes);
  }
}

/** A model whose layout another one shares, though not its numbers. */
interface Subject {
  readonly module: Module;
  readonly manifest: Manifest;
  readonly vectors: readonly VectorPair[];
  readonly honest: DeviceResult;
  /** Bytes that cross the line without faults. */
  readonly bytes: number;
}

/** Two attempts outlast the latest byte. */
const timeouts = { timeoutMs: 800, runTimeoutMs: 2400 };
/** Each of the about 60 requests may be asked twice. */
const longestMs = 60 * timeouts.runTimeoutMs;

let subject: Promise<Subject> | null = null;

async function makeSubject(): Promise<Subject> {
  const module = chainModule(64);
  const manifest = manifestOf(module);
  const vectors = seededVectors(manifest.plan, module);
  const line = new FaultyLine(new FakeBoard(module, manifest), noFaults);
  const honest = await inVirtualTime(() => measure({ module, manifest, vectors }, line), longestMs);
  return { module, manifest, vectors, honest, bytes: line.bytes };
}

async function measure(
  { module, manifest, vectors }: Pick<Subject, 'module' | 'manifest' | 'vectors'>,
  line: FaultyLine,
): Promise<DeviceResult> {
  const session = await openSession(line.open(), manifest, timeouts);
  return verifyOnDevice(session, manifest, module, vectors);
}

/** 'exact', or the error; anything else is thrown. */
async function attempt(subject: Subject, line: FaultyLine): Promise<string> {
  try {
    const result = await measure(subject, line);
    return isDeepStrictEqual(result, subject.honest) ? 'exact' : `WRONG: ${JSON.stringify(result)}`;
  } catch (error) {
    if (error instanceof BonsaiError && error.exitStatus === 5) return error.message;
    throw error;
  }
}

export interface ProfilingOutcome {
  readonly first: string;
  /** On the same board and line, without faults. */
  readonly next: string;
}

/** One attempt with a fault, then one without. @throws Error when one hangs */
export async function profileWithFault(
  fault: ProfilingFault,
  seed: number,
): Promise<ProfilingOutcome> {
  subject ??= makeSubject();
  const about = await subject;
  const { module, manifest, bytes } = about;
  const board = new FakeBoard(module, manifest);
  const isExchange = fault === 'another model flashed' || fault === 'another build flashed';
  // A board may be exchanged wherever a cable may be pulled.
  const kind: FaultKind = isExchange ? 'cable pulled' : fault;
  const faults = makeFaults(kind, seed, bytes, { yes: -1, no: -1 });
  const line: FaultyLine = new FaultyLine(board, faults, (how) => {
    if (how === 'host killed') {
      line.lose('the program was killed');
      return;
    }
    line.clear();
    if (isExchange) {
      const sha256 = fault === 'another model flashed' ? 'cd'.repeat(32) : module.sha256;
      const options = { sha256, tag: 'ffeeddcc', counts: [2000], tamper: { tensor: 0 } };
      line.exchange(new FakeBoard(module, manifest, options));
      return;
    }
    board.restart();
    if (how === 'unplugged') line.lose('unplugged');
  });
  const both = async () => {
    const first = await attempt(about, line);
    line.heal();
    return { first, next: await attempt(about, line) };
  };
  return inVirtualTime(both, 2 * longestMs);
}
