/** A conversation with a device that runs one known model: docs/protocol.md over a Device. */
import type { Manifest } from '../codegen/manifest.js';
import type { Device } from '../device/device.js';
import { BonsaiError } from '../errors.js';
import { allocate, elementCount, type TensorData } from '../ir/graph.js';
import type { IoTensor } from '../plan/types.js';
import {
  answerBody,
  type DeviceMemory,
  type Hello,
  requestBody,
  tagOf,
  writeInputHeaderBytes,
} from './protocol.js';
import { anyTag, Requester } from './requester.js';

export interface SessionOptions {
  /** Time-out of an answer other than that of a run; default 3 s, with a simulator 60 s. */
  readonly timeoutMs?: number;
  /** Time-out of one run of the model; default 5 minutes. */
  readonly runTimeoutMs?: number;
  /** RAM of the board; null or absent: unknown. */
  readonly ramBytes?: number | null;
}

export interface Inference {
  /** In the order and types of the plan's outputs. */
  readonly outputs: readonly TensorData[];
  /** Count of the run alone, in `hello.unit`. */
  readonly count: number;
}

export interface Profile {
  /** Count of the hooked run. */
  readonly count: number;
  /** One per step. */
  readonly steps: readonly number[];
}

export interface Session {
  readonly hello: Hello;
  infer(inputs: readonly TensorData[]): Promise<Inference>;
  profile(inputs: readonly TensorData[]): Promise<Profile>;
  /** CRC-32 of each of the manifest's spans, taken after its step. */
  checksums(inputs: readonly TensorData[]): Promise<readonly number[]>;
  memory(): Promise<DeviceMemory>;
  /** Restarts the board in its boot loader, which ends the session. */
  reboot(): Promise<void>;
  /** Closes the device. */
  close(): Promise<void>;
}

/** Counts of more than a day are refused as wrong. */
const longestRunSeconds = 86_400;
/** Tolerance of the sum of the steps over the run, for hooks between steps and clock jitter. */
const countSlack = 1_000_000;

const defaultTimeoutMs = 3_000;
/** Longer, since other work on this machine slows a simulator down. */
const simulatorTimeoutMs = 60_000;
const defaultRunTimeoutMs = 300_000;

/**
 * Sends hello to the device and checks that it runs the firmware of `manifest`.
 *
 * @throws BonsaiError 'device' when nothing, garbage or another model answers
 */
export async function openSession(
  device: Device,
  manifest: Manifest,
  options: SessionOptions = {},
): Promise<Session> {
  const timeoutMs =
    options.timeoutMs ?? (device.simulation === null ? defaultTimeoutMs : simulatorTimeoutMs);
  const runTimeoutMs = options.runTimeoutMs ?? defaultRunTimeoutMs;
  const ramBytes = options.ramBytes ?? null;
  const requester = new Requester(device);
  const { plan } = manifest;
  const tag = tagOf(manifest.tag);
  const hello = await greet();

  /** An idempotent request. */
  const ask = <T>(
    command: 'info' | 'writeInput' | 'readOutput' | 'readCounts' | 'readChecksums' | 'memory',
    body: Uint8Array,
    decode: (body: Uint8Array) => T,
  ) => requester.request({ command, tag, body, timeoutMs, attempts: 2 }, decode);

  /** Runs the model. Never retried, because a run overwrites its input. */
  const run = <T>(
    command: 'infer' | 'profile' | 'checksums',
    decode: (body: Uint8Array) => T,
  ): Promise<T> =>
    requester.request(
      { command, tag, body: requestBody.empty(), timeoutMs: runTimeoutMs, attempts: 1 },
      decode,
    );

  async function greet(): Promise<Hello> {
    const { value: found, tag: itsTag } = await requester.exchange(
      { command: 'hello', tag: anyTag, body: requestBody.empty(), timeoutMs, attempts: 2 },
      answerBody.hello,
    );
    const hint = `flash this model first: bonsaic flash DIR --port ${device.name}`;
    const refuse = (what: string) => new BonsaiError('device', device.name, what, hint);
    if (found.sha256 !== plan.model.sha256) {
      throw refuse(
        `runs another model (sha256 ${found.sha256.slice(0, 12)}…), ` +
          `not ${plan.model.name} (${plan.model.sha256.slice(0, 12)}…)`,
      );
    }
    if (found.target !== plan.target) {
      throw refuse(`runs firmware for ${found.target}, not for ${plan.target}`);
    }
    if (itsTag !== tag) {
      throw refuse(`runs ${plan.model.name}, but another build of it (other options or version)`);
    }
    return found;
  }

  async function checkLayout(): Promise<void> {
    const info = await ask('info', requestBody.empty(), answerBody.info);
    const bytes = (tensors: readonly IoTensor[]) => tensors.map((tensor) => tensor.bytes).join();
    const asPlanned =
      info.arenaBytes === plan.arenaBytes &&
      info.steps === plan.steps.length &&
      info.spans === manifest.spans.length &&
      info.inputBytes.join() === bytes(plan.inputs) &&
      info.outputBytes.join() === bytes(plan.outputs);
    if (!asPlanned) {
      throw new BonsaiError(
        'device',
        device.name,
        'reports other arena, steps, inputs or outputs than bonsai.json',
        'the directory was changed after it was built: compile, build and flash again',
      );
    }
  }

  async function writeInputs(inputs: readonly TensorData[]): Promise<void> {
    const chunk = hello.maxBodyBytes - writeInputHeaderBytes;
    for (const [index, tensor] of plan.inputs.entries()) {
      const bytes = bytesOf(inputs[index], tensor);
      for (let offset = 0; offset < bytes.length; offset += chunk) {
        const body = requestBody.writeInput(index, offset, bytes.subarray(offset, offset + chunk));
        await ask('writeInput', body, answerBody.empty);
      }
    }
  }

  async function readOutputs(): Promise<TensorData[]> {
    const outputs: TensorData[] = [];
    for (const [index, tensor] of plan.outputs.entries()) {
      const bytes = new Uint8Array(tensor.bytes);
      for (let offset = 0; offset < bytes.length; offset += hello.maxBodyBytes) {
        const length = Math.min(hello.maxBodyBytes, bytes.length - offset);
        const body = requestBody.readOutput(index, offset, length);
        bytes.set(await ask('readOutput', body, (b) => answerBody.bytes(b, length)), offset);
      }
      outputs.push(elementsOf(bytes, tensor));
    }
    return outputs;
  }

  /** Reads a table of `total` entries in chunks that fit into a body. */
  async function readTable(
    command: 'readCounts' | 'readChecksums',
    total: number,
    entryBytes: number,
    decode: (body: Uint8Array, n: number) => number[],
  ): Promise<number[]> {
    const chunk = Math.floor(hello.maxBodyBytes / entryBytes);
    const entries: number[] = [];
    while (entries.length < total) {
      const n = Math.min(chunk, total - entries.length);
      const body = requestBody.range(entries.length, n);
      entries.push(...(await ask(command, body, (b) => decode(b, n))));
    }
    return entries;
  }

  /** The count of a run. @throws RangeError when it is impossibly large */
  function runCount(body: Uint8Array): number {
    const count = answerBody.count(body);
    if (count > hello.clockHz * longestRunSeconds) {
      throw new RangeError(`a count of ${count}: at ${hello.clockHz} Hz that is more than a day`);
    }
    return count;
  }

  /** @throws BonsaiError 'device' when the steps take far longer than their run */
  function checkSteps(count: number, steps: readonly number[]): void {
    const sum = steps.reduce((total, step) => total + step, 0);
    if (sum <= 2 * count + countSlack) return;
    throw new BonsaiError(
      'device',
      device.name,
      `counts ${count} ${hello.unit} for a run and ${sum} for its steps`,
      'its firmware and this bonsaic differ: build and flash again',
    );
  }

  /** The device's memory. @throws RangeError when it exceeds the board's RAM */
  function memoryWithin(body: Uint8Array): DeviceMemory {
    const memory = answerBody.memory(body);
    const used = plan.arenaBytes + memory.stackBytes + memory.staticRamBytes;
    if (ramBytes !== null && used > ramBytes) {
      throw new RangeError(`${used} bytes of RAM used: ${plan.target} has ${ramBytes}`);
    }
    return memory;
  }

  await checkLayout();
  return {
    hello,
    async infer(inputs) {
      await writeInputs(inputs);
      const count = await run('infer', runCount);
      return { outputs: await readOutputs(), count };
    },
    async profile(inputs) {
      await writeInputs(inputs);
      const count = await run('profile', runCount);
      const steps = await readTable('readCounts', plan.steps.length, 8, answerBody.counts);
      checkSteps(count, steps);
      return { count, steps };
    },
    async checksums(inputs) {
      await writeInputs(inputs);
      await run('checksums', answerBody.empty);
      return readTable('readChecksums', manifest.spans.length, 4, answerBody.checksums);
    },
    memory: () => ask('memory', requestBody.empty(), memoryWithin),
    async reboot() {
      const body = requestBody.empty();
      const request = { command: 'reboot', tag, body, timeoutMs, attempts: 1 } as const;
      await requester.request(request, answerBody.empty);
    },
    close: () => device.close(),
  };
}

/** The elements' bytes; host and device are both little-endian. */
function bytesOf(data: TensorData | undefined, tensor: IoTensor): Uint8Array {
  const bytes =
    data === undefined
      ? new Uint8Array(0)
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (bytes.length !== tensor.bytes) {
    throw new BonsaiError(
      'bad-vectors',
      `input "${tensor.name}"`,
      `has ${bytes.length} bytes, the model takes ${tensor.bytes}`,
      'give the raw quantized integers of the whole tensor',
    );
  }
  return bytes;
}

function elementsOf(bytes: Uint8Array, tensor: IoTensor): TensorData {
  const elements = allocate(tensor.dtype, elementCount(tensor.shape));
  new Uint8Array(elements.buffer).set(bytes);
  return elements;
}
