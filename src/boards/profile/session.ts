/** A conversation with a device that runs one known model: docs/protocol.md over a Device. */
import type { Manifest } from '../../compiler/codegen/manifest.js';
import type { TensorData } from '../../compiler/ir/graph.js';
import { estimatedCount, type IoTensor, type Plan } from '../../compiler/plan/types.js';
import { BonsaiError } from '../../errors.js';
import type { Device } from '../device/device.js';
import { answerBody, type DeviceMemory, type Hello, requestBody, tagOf } from './protocol.js';
import { anyTag, Requester } from './requester.js';
import { type Answering, readOutputs, readTable, writeInputs } from './transfer.js';

export interface SessionOptions {
  /** Time-out of an answer other than that of a run; default 3 s, with a simulator 60 s. */
  readonly timeoutMs?: number;
  /** Time-out of one run of the model; default: by the plan's estimate (runTimeoutOf). */
  readonly runTimeoutMs?: number;
  /** The board's clock, for that estimate; default: what the board says. */
  readonly clockHz?: number;
  /** RAM of the board; null or absent: unknown. */
  readonly ramBytes?: number | null;
  /** Told what is awaited, and how long at most, when an answer takes a second or more. */
  readonly tell?: (text: string) => void;
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
  /** For errors. */
  readonly deviceName: string;
  readonly hello: Hello;
  /** The model's states get their initial values. */
  reset(): Promise<void>;
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
/** Estimates are right within a factor of 2; the hooks of a run with checksums take longer. */
const runsOfTimeout = 10;
const leastRunTimeoutMs = 10_000;
/** A simulator's speed depends on the machine; the slowest run at a hundredth of the board's. */
const simulatorSlowness = 100;
const leastSimulatedRunTimeoutMs = 300_000;

/**
 * How long a run may take: ten times what the plan estimates, and at least 10 s; on a simulator at
 * least 5 minutes.
 */
export function runTimeoutOf(
  plan: Pick<Plan, 'steps'>,
  clockHz: number,
  isSimulated: boolean,
): number {
  const estimateMs = (1000 * estimatedCount(plan)) / clockHz;
  const [slowness, leastMs] = isSimulated
    ? [simulatorSlowness, leastSimulatedRunTimeoutMs]
    : [1, leastRunTimeoutMs];
  const ms = Math.ceil(estimateMs * runsOfTimeout * slowness);
  return Math.min(Math.max(ms, leastMs), longestRunSeconds * 1000);
}

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
  const { plan, spans } = manifest;
  const { tell = () => {} } = options;
  const timeoutMs = options.timeoutMs ?? timeoutOf(device);
  const requester = new Requester(device);
  const hello = await greet(requester, device.name, manifest, { timeoutMs, tell });
  const { clockHz = hello.clockHz } = options;
  const { runTimeoutMs = runTimeoutOf(plan, clockHz, device.simulation !== null) } = options;
  const waiting = { timeoutMs, runTimeoutMs, tell };
  const requests = requestsTo(requester, manifest, hello, waiting);
  await checkLayout(requests, device.name, manifest);

  /** A run on these inputs. */
  const runOn = async <T>(
    inputs: readonly TensorData[],
    command: RunCommand,
    decode: (body: Uint8Array) => T,
  ) => {
    await writeInputs(requests, plan.inputs, inputs);
    return requests.run(command, decode);
  };
  const decodeCount = (body: Uint8Array) => countOf(body, hello);
  return {
    deviceName: device.name,
    hello,
    reset: () => requests.ask('reset', requestBody.empty(), answerBody.empty),
    async infer(inputs) {
      const count = await runOn(inputs, 'infer', decodeCount);
      return { outputs: await readOutputs(requests, plan.outputs), count };
    },
    async profile(inputs) {
      const count = await runOn(inputs, 'profile', decodeCount);
      const total = plan.steps.length;
      const steps = await readTable(requests, 'readCounts', total, 8, answerBody.counts);
      checkSteps(device.name, hello, count, steps);
      return { count, steps };
    },
    async checksums(inputs) {
      await runOn(inputs, 'checksums', answerBody.empty);
      return readTable(requests, 'readChecksums', spans.length, 4, answerBody.checksums);
    },
    memory: () =>
      requests.ask('memory', requestBody.empty(), (body) =>
        memoryWithin(body, plan, options.ramBytes ?? null),
      ),
    async reboot() {
      const waitsMs = [timeoutMs];
      const request = { tag: tagOf(manifest.tag), body: requestBody.empty(), waitsMs };
      await requester.request({ ...request, command: 'reboot' }, answerBody.empty);
    },
    close: () => device.close(),
  };
}

/** How long answers may take, and who is told of those that take long. */
type Waiting = Required<Pick<SessionOptions, 'timeoutMs' | 'runTimeoutMs' | 'tell'>>;

const timeoutOf = ({ simulation }: Device) =>
  simulation === null ? defaultTimeoutMs : simulatorTimeoutMs;

/** @throws BonsaiError 'device' when another model, target or build answers */
async function greet(
  requester: Requester,
  deviceName: string,
  { plan, tag }: Manifest,
  { timeoutMs, tell }: Omit<Waiting, 'runTimeoutMs'>,
): Promise<Hello> {
  const waitsMs = [timeoutMs, timeoutMs];
  const { value: found, tag: itsTag } = await requester.exchange(
    { command: 'hello', tag: anyTag, body: requestBody.empty(), waitsMs, tell },
    answerBody.hello,
  );
  const hint = `flash this model first: bonsaic flash DIR --port ${deviceName}`;
  const refuse = (what: string) => new BonsaiError('device', deviceName, what, hint);
  if (found.sha256 !== plan.model.sha256) {
    throw refuse(
      `runs another model (sha256 ${found.sha256.slice(0, 12)}…), ` +
        `not ${plan.model.name} (${plan.model.sha256.slice(0, 12)}…)`,
    );
  }
  if (found.target !== plan.target) {
    throw refuse(`runs firmware for ${found.target}, not for ${plan.target}`);
  }
  if (itsTag !== tagOf(tag)) {
    throw refuse(`runs ${plan.model.name}, but another build of it (other options or version)`);
  }
  return found;
}

type RunCommand = 'infer' | 'profile' | 'checksums';

interface Requests extends Answering {
  /** Runs the model: once, however often it has to ask for the answer. */
  run<T>(command: RunCommand, decode: (body: Uint8Array) => T): Promise<T>;
}

/** Requests that only this build of the firmware answers. */
function requestsTo(
  requester: Requester,
  manifest: Manifest,
  { maxBodyBytes }: Hello,
  { timeoutMs, runTimeoutMs, tell }: Waiting,
): Requests {
  const tag = tagOf(manifest.tag);
  return {
    maxBodyBytes,
    ask: (command, body, decode) =>
      requester.request({ command, tag, body, waitsMs: [timeoutMs, timeoutMs], tell }, decode),
    run: (command, decode) => {
      const body = requestBody.empty();
      const waitsMs = runWaits(timeoutMs, runTimeoutMs);
      const request = { command, tag, body, waitsMs, tell };
      return requester.request(request, decode);
    },
  };
}

/**
 * When to ask again for the answer to a run, whose length is unknown: an answer may be lost, and a
 * board that still runs takes no harm. Each wait is twice as long as the one before.
 */
function runWaits(firstMs: number, totalMs: number): number[] {
  const waits: number[] = [];
  let left = totalMs;
  for (let wait = firstMs; left > wait; wait *= 2) {
    waits.push(wait);
    left -= wait;
  }
  return [...waits, left];
}

/** @throws BonsaiError 'device' when the firmware's arena, steps or tensors are not the plan's */
async function checkLayout(
  device: Answering,
  deviceName: string,
  { plan, spans }: Manifest,
): Promise<void> {
  const info = await device.ask('info', requestBody.empty(), answerBody.info);
  const bytes = (tensors: readonly IoTensor[]) => tensors.map((tensor) => tensor.bytes).join();
  const asPlanned =
    info.arenaBytes === plan.arenaBytes &&
    info.steps === plan.steps.length &&
    info.spans === spans.length &&
    info.inputBytes.join() === bytes(plan.inputs) &&
    info.outputBytes.join() === bytes(plan.outputs);
  if (!asPlanned) {
    throw new BonsaiError(
      'device',
      deviceName,
      'reports other arena, steps, inputs or outputs than bonsai.json',
      'the directory was changed after it was built: compile, build and flash again',
    );
  }
}

/** The count of a run. @throws RangeError when it is impossibly large */
function countOf(body: Uint8Array, { clockHz }: Hello): number {
  const count = answerBody.count(body);
  if (count > clockHz * longestRunSeconds) {
    throw new RangeError(`a count of ${count}: at ${clockHz} Hz that is more than a day`);
  }
  return count;
}

/**
 * @throws BonsaiError 'device' when the steps take far longer than their run, or the last ones
 *   nothing: a board that has restarted after the run has lost their counts
 */
function checkSteps(
  deviceName: string,
  { unit, maxBodyBytes }: Hello,
  count: number,
  steps: readonly number[],
): void {
  // The last piece of the table is read last. A single short step may count nothing, and
  // nanoseconds come from a clock that may stand still for longer.
  const pieceSteps = Math.floor(maxBodyBytes / 8);
  const lastPiece = steps.slice(Math.floor((steps.length - 1) / pieceSteps) * pieceSteps);
  if (unit !== 'nanoseconds' && lastPiece.every((step) => step === 0)) {
    throw new BonsaiError(
      'device',
      deviceName,
      `counts no ${unit} for the last ${lastPiece.length} steps of a run of ${count}`,
      'it restarted during the measurement: check its power supply and cable',
    );
  }
  const sum = steps.reduce((total, step) => total + step, 0);
  if (sum <= 2 * count + countSlack) return;
  throw new BonsaiError(
    'device',
    deviceName,
    `counts ${count} ${unit} for a run and ${sum} for its steps`,
    'its firmware and this bonsaic differ: build and flash again',
  );
}

/** The device's memory. @throws RangeError when it exceeds the board's RAM */
function memoryWithin(
  body: Uint8Array,
  { arenaBytes, target }: Plan,
  ramBytes: number | null,
): DeviceMemory {
  const memory = answerBody.memory(body);
  const used = arenaBytes + memory.stackBytes + memory.staticRamBytes;
  if (ramBytes !== null && used > ramBytes) {
    throw new RangeError(`${used} bytes of RAM used: ${target} has ${ramBytes}`);
  }
  return memory;
}
