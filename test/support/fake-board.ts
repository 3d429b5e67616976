/** A board without hardware: speaks docs/protocol.md and evaluates the module itself. */
import { crc32 } from 'node:zlib';
import { type Device, Listeners } from '../../src/boards/device/device.js';
import {
  answerBit,
  type Command,
  commands,
  encodeFrame,
  errorCodes,
  errorType,
  type Frame,
  FrameReader,
  maxBodyBytes,
  tagOf,
} from '../../src/boards/profile/protocol.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import {
  allocate,
  elementCount,
  type Module,
  mainGraph,
  type TensorData,
  type TensorId,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import type { Plan } from '../../src/compiler/plan/types.js';
import { version } from '../../src/package.js';
import { GraphBuilder } from './module.js';
import { simplePlan } from './plan.js';

/** A fault instead of an answer: raw bytes, or the loss of the device. */
export type Misbehaviour = (answer: Frame) => Uint8Array | 'vanish';

export interface FakeOptions {
  readonly sha256?: string;
  readonly tag?: string;
  readonly target?: string;
  readonly maxBody?: number;
  readonly clockHz?: number;
  /** Of counts, as in `hello`; default: cycles. */
  readonly unit?: number;
  /** Counts of the steps; default: 100 and more. */
  readonly stepCount?: (index: number) => number;
  /** Called for each request; attempts of a command count from 1. */
  readonly misbehave?: (command: Command, attempt: number) => Misbehaviour | undefined;
  /** Makes the kernel of that tensor compute wrong values, from run `from` on. */
  readonly tamper?: { readonly tensor: TensorId; readonly from?: number };
  /** Cycles of the runs in order; the last value repeats. */
  readonly counts?: readonly number[];
}

export function manifestOf(module: Module, options: Partial<Plan['options']> = {}): Manifest {
  const { plan } = simplePlan(module, options);
  const placed = new Map(plan.placements.map((place) => [place.tensor, place]));
  const spans = plan.steps.flatMap(({ index, writes }) =>
    writes.map((tensor) => {
      const { offset = 0, bytes = 0 } = placed.get(tensor) ?? {};
      return { step: index, tensor, offset, bytes };
    }),
  );
  return { format: 1, plan, tables: [], spans, tag: '00112233' };
}

/** A chain of three steps on `count` elements; a large input needs several frames. */
export function chainModule(count: number, value: (i: number) => number = (i) => i % 100): Module {
  const builder = new GraphBuilder();
  const input = builder.input([1, count]);
  const constant = builder.constant(
    Int8Array.from({ length: count }, (_, i) => value(i)),
    [1, count],
    builder.quant(input),
  );
  const activation = { activation: 'none' };
  const first = builder.node('add', [input, constant], activation, { name: 'first' });
  const difference = { ...activation };
  const second = builder.node('sub', [first, input], difference, { name: 'second' });
  const third = builder.node('add', [second, first], activation, { name: 'third' });
  const module = builder.module([third], 'chain');
  const graph = mainGraph(module);
  const sourced = graph.tensors.map((tensor, source) => ({ ...tensor, source }));
  return { ...module, sha256: 'ab'.repeat(32), graphs: [{ ...graph, tensors: sourced }] };
}

export class FakeBoard implements Device {
  readonly name = 'fake';
  readonly simulation = null;
  closed = false;
  /** Commands in order of arrival. */
  readonly log: Command[] = [];
  private readonly reader = new FrameReader();
  private readonly listeners = new Listeners();
  private readonly inputs: TensorData[];
  private outputs: readonly TensorData[] = [];
  private states: readonly TensorData[] = [];
  private checksums: readonly number[] = [];
  private stepCounts: readonly number[] = [];
  runs = 0;
  /** The last request, if it was a run, and its answer's body for when it comes again. */
  private last: {
    readonly type: number;
    readonly sequence: number;
    readonly body: Uint8Array;
  } | null = null;
  /** Restarts so far. */
  private generation = 0;

  constructor(
    private readonly module: Module,
    private readonly manifest: Manifest,
    private readonly options: FakeOptions = {},
  ) {
    const { inputs } = manifest.plan;
    this.inputs = inputs.map(({ dtype, shape }) => allocate(dtype, elementCount(shape)));
    this.restart();
  }

  /** Power goes and comes back: nothing is left of what RAM held. */
  restart(): void {
    const { inputs, outputs } = this.manifest.plan;
    this.generation++;
    for (const input of inputs.keys()) this.inputBytes(input).fill(0);
    this.outputs = outputs.map(({ dtype, shape }) => allocate(dtype, elementCount(shape)));
    this.states = initialStates(mainGraph(this.module));
    this.checksums = [];
    this.stepCounts = [];
    this.last = null;
  }

  write(bytes: Uint8Array): void {
    const frames = this.reader.push(bytes);
    // Like a real port, never answers within the call of write.
    const { generation } = this;
    for (const frame of frames) {
      setImmediate(() => {
        if (generation === this.generation) this.serve(frame);
      });
    }
  }

  onData = (listener: (bytes: Uint8Array) => void) => this.listeners.onData(listener);
  onLost = (listener: (reason: string) => void) => this.listeners.onLost(listener);

  async close(): Promise<void> {
    this.closed = true;
  }

  private serve(frame: Frame): void {
    const names = Object.keys(commands) as Command[];
    const command = names.find((name) => commands[name] === frame.type);
    if (command === undefined) throw new RangeError(`type ${frame.type}`);
    this.log.push(command);
    const answer = this.answer(command, frame);
    const attempt = this.log.filter((name) => name === command).length;
    const deed = this.options.misbehave?.(command, attempt)?.(answer) ?? encodeFrame(answer);
    if (deed === 'vanish') this.listeners.emitLost('unplugged');
    else this.listeners.emitData(deed);
  }

  private answer(command: Command, { type, sequence, tag, body }: Frame): Frame {
    const itsTag = tagOf(this.options.tag ?? this.manifest.tag);
    const frame = { version: 1, sequence, tag: itsTag };
    if (command !== 'hello' && tag !== itsTag) {
      return { ...frame, type: errorType, body: Uint8Array.of(errorCodes.model) };
    }
    const isRepeated = this.last?.type === type && this.last.sequence === sequence;
    const answer = isRepeated && this.last ? this.last.body : this.bodyOf(command, body);
    const isRun = ['infer', 'profile', 'checksums'].includes(command);
    this.last = isRun ? { type, sequence, body: answer } : null;
    return { ...frame, type: type | answerBit, body: answer };
  }

  private bodyOf(command: Command, body: Uint8Array): Uint8Array {
    const { plan, spans } = this.manifest;
    const { stepCount = (index) => 100 + index } = this.options;
    const request = Buffer.from(body);
    switch (command) {
      case 'hello': {
        const { sha256, clockHz = 1e6, unit = 0, maxBody = maxBodyBytes, target } = this.options;
        const fixed = Buffer.alloc(7);
        fixed.writeUInt32LE(clockHz, 0);
        fixed.writeUInt8(unit, 4);
        fixed.writeUInt16LE(maxBody, 5);
        const about = `${target ?? plan.target}\0${version}\0chain\0`;
        const hash = Buffer.from(sha256 ?? this.module.sha256, 'hex');
        return Buffer.concat([hash, fixed, Buffer.from(about)]);
      }
      case 'info': {
        const ports = [...plan.inputs, ...plan.outputs];
        const fields = Buffer.alloc(12 + 4 * ports.length);
        fields.writeUInt32LE(plan.arenaBytes, 0);
        const counts = [plan.steps.length, spans.length, plan.inputs.length, plan.outputs.length];
        for (const [i, value] of counts.entries()) fields.writeUInt16LE(value, 4 + 2 * i);
        for (const [i, port] of ports.entries()) fields.writeUInt32LE(port.bytes, 12 + 4 * i);
        return fields;
      }
      case 'writeInput':
        this.inputBytes(request.readUInt16LE(0)).set(request.subarray(6), request.readUInt32LE(2));
        return Buffer.alloc(0);
      case 'profile':
        this.stepCounts = plan.steps.map(({ index }) => stepCount(index));
        return u64s([this.run()]);
      case 'infer':
        return u64s([this.run()]);
      case 'checksums':
        this.run();
        return Buffer.alloc(0);
      case 'readOutput': {
        const data = this.outputs[request.readUInt16LE(0)] as TensorData;
        const offset = request.readUInt32LE(2);
        return bytesOf(data).slice(offset, offset + request.readUInt16LE(6));
      }
      case 'readCounts':
        return u64s(range(request).map((step) => this.stepCounts[step] ?? 0));
      case 'readChecksums':
        return u32s(range(request).map((span) => this.checksums[span] ?? 0));
      case 'memory':
        return u32s([512, 4096, 2000]);
      case 'reboot':
        return Buffer.alloc(0);
      case 'reset':
        this.states = initialStates(mainGraph(this.module));
        return Buffer.alloc(0);
    }
  }

  private inputBytes(index: number): Uint8Array {
    return bytesOf(this.inputs[index] as TensorData);
  }

  /** Overwrites the input, as a real run may. */
  private run(): number {
    const { tamper, counts = [1000] } = this.options;
    const graph = mainGraph(this.module);
    const { tensors, outputs, states } = evaluateGraph(graph, this.inputs, this.states);
    this.states = states;
    const wrong = new Map<TensorId, TensorData>();
    if (tamper !== undefined && this.runs >= (tamper.from ?? 0)) {
      // Inverts the results of the broken step and of every step after it.
      for (const [tensor, data] of tensors) {
        if (tensor >= tamper.tensor)
          wrong.set(
            tensor,
            Int8Array.from(data as Int8Array, (x) => ~x),
          );
      }
    }
    this.checksums = this.manifest.spans.map(({ tensor }) =>
      crc32(bytesOf((wrong.get(tensor) ?? tensors.get(tensor)) as TensorData)),
    );
    this.outputs = graph.outputs.map((id, i) => (wrong.get(id) ?? outputs[i]) as TensorData);
    for (const input of this.inputs) bytesOf(input).fill(0);
    return counts[Math.min(this.runs++, counts.length - 1)] ?? 0;
  }
}

function bytesOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function range(request: Buffer): number[] {
  const first = request.readUInt16LE(0);
  return Array.from({ length: request.readUInt16LE(2) }, (_, i) => first + i);
}

function u32s(values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

function u64s(values: readonly number[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values.map(BigInt)).buffer);
}
