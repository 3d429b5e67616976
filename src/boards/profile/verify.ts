/** Runs vectors on a device, compares every output, and counts and checks every step. */
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import type { Manifest } from '../../compiler/codegen/manifest.js';
import type { Module, TensorData } from '../../compiler/ir/graph.js';
import { mainGraph, rawBytes, tensorOf } from '../../compiler/ir/graph.js';
import type { CountUnit } from '../../compiler/ir/op.js';
import { evaluateGraph, initialStates } from '../../compiler/ops/evaluate.js';
import { BonsaiError } from '../../errors.js';
import { classesOf, type NamedClass } from './classes.js';
import type { Session } from './session.js';
import { earlierOf, type LayerChecksum, type VectorPair } from './vectors.js';

export interface DivergingLayer {
  readonly index: number;
  readonly name: string;
  readonly op: string;
}

export interface DeviceResult {
  readonly verify: {
    readonly vectors: number;
    /** Vectors with a wrong output, or with --faithful a wrong layer. */
    readonly mismatches: number;
    /**
     * The first step with a wrong result, in the first mismatching vector: one that differs from
     * the evaluator, or from the vector's layer checksum. null when every step agrees with the
     * evaluator, so that the expected outputs are in doubt.
     */
    readonly firstDivergingLayer: DivergingLayer | null;
    /** Number of layer checksums of the vectors that were compared. */
    readonly layersChecked: number;
    /** With --labels: the class of each vector, for each output that they fit. */
    readonly classes?: readonly NamedClass[];
  };
  readonly latency: {
    readonly unit: CountUnit;
    /** Median over the vectors. */
    readonly count: number;
    readonly min: number;
    readonly max: number;
    readonly runs: number;
    readonly clockHz: number;
    readonly ms: number;
  };
  /** One per vector. */
  readonly counts: readonly number[];
  /** Counts by step, of the first vector's hooked run. */
  readonly layerCounts: readonly number[];
  /** Checksums by step, of the first output of the step for the first vector. */
  readonly layerCrc32: readonly number[];
  /** Peak stack use over all runs. */
  readonly stackBytes: number;
  readonly staticRamBytes: number;
}

/**
 * Runs all vectors. For the first vector every step is counted. Checksums of the steps are compared
 * with the evaluator on the planned graph for the first vector, and for any vector with a wrong
 * output.
 *
 * @param module  the module after the passes, as it was planned
 * @param observe called after each finished vector
 * @param labels  names of the classes of an output; none: no class is told
 */
export async function verifyOnDevice(
  session: Session,
  manifest: Manifest,
  module: Module,
  vectors: readonly VectorPair[],
  observe: (done: number, total: number) => void = () => {},
  labels: readonly string[] = [],
): Promise<DeviceResult> {
  if (vectors.length === 0) throw new RangeError('there is at least one vector');
  const { plan, spans } = manifest;
  const expect = expectations(manifest, module);
  const counts: number[] = [];
  let layerCounts: readonly number[] = [];
  let firstChecksums: readonly number[] = [];
  let mismatches = 0;
  let layersChecked = 0;
  const classes: NamedClass[] = [];
  let diverging: DivergingLayer | null = null;

  for (const [index, vector] of vectors.entries()) {
    const isFirst = index === 0;
    const run = { vector, earlier: earlierOf(vectors, index), isFirst, isLocated: mismatches > 0 };
    const checked = await checkVector(session, manifest, expect, run);
    counts.push(checked.count);
    requireCounting(session, counts);
    classes.push(...classesOf(index, checked.outputs, plan.outputs, labels));
    layersChecked += checked.layers;
    if (isFirst) {
      firstChecksums = checked.checksums;
      await rewind(session, manifest, []);
      layerCounts = (await session.profile(vector.inputs)).steps;
    }
    const { isRight, span } = checked;
    if (!isRight || span >= 0) {
      mismatches++;
      const step = plan.steps[spans[span]?.step ?? -1];
      if (step !== undefined) diverging ??= { index: step.index, name: step.name, op: step.op };
    }
    observe(index + 1, vectors.length);
  }

  const { stackBytes, staticRamBytes } = await session.memory();
  const { unit, clockHz } = session.hello;
  return {
    verify: {
      vectors: vectors.length,
      mismatches,
      firstDivergingLayer: diverging,
      layersChecked,
      ...(labels.length === 0 ? {} : { classes }),
    },
    latency: latencyOf(counts, unit, clockHz),
    counts,
    layerCounts,
    layerCrc32: plan.steps.map(({ index }) => {
      const span = spans.findIndex(({ step }) => step === index);
      return firstChecksums[span] ?? 0;
    }),
    stackBytes,
    staticRamBytes,
  };
}

interface CheckedVector {
  readonly outputs: readonly TensorData[];
  readonly count: number;
  /** Whether all outputs are the expected ones. */
  readonly isRight: boolean;
  /** Number of layers whose checksums the vector brings. */
  readonly layers: number;
  /** Of all spans; empty if they were not needed. */
  readonly checksums: readonly number[];
  /** The first span with a wrong checksum; −1: none. */
  readonly span: number;
}

/** A vector on a device. */
interface VectorRun {
  readonly vector: VectorPair;
  /** Those before it in its sequence. */
  readonly earlier: readonly VectorPair[];
  readonly isFirst: boolean;
  /** Whether an earlier vector has told which step is wrong. */
  readonly isLocated: boolean;
}

/** Brings the model's states to where they were after the earlier vectors of a sequence. */
async function rewind(
  session: Session,
  { plan }: Manifest,
  earlier: readonly VectorPair[],
): Promise<void> {
  if (plan.stateBytes === 0) return;
  await session.reset();
  for (const { inputs } of earlier) await session.infer(inputs);
}

/** Runs a vector. What is wrong must be wrong twice, otherwise the board is at fault. */
async function checkVector(
  session: Session,
  manifest: Manifest,
  expect: ReturnType<typeof expectations>,
  { vector, earlier, isFirst, isLocated }: VectorRun,
): Promise<CheckedVector> {
  const { plan, spans } = manifest;
  const { inputs } = vector;
  const again = async <T>(run: (inputs: readonly TensorData[]) => Promise<T>): Promise<T> => {
    await rewind(session, manifest, earlier);
    return run(inputs);
  };
  if (earlier.length === 0) await rewind(session, manifest, []);
  const { outputs, count } = await session.infer(inputs);
  const isRight = equal(outputs, vector.outputs);
  const known = plan.options.faithful ? expect.ofLayers(vector.layers) : noChecksums;
  const result = { outputs, count, isRight, layers: known.size };
  const isDone = known.size === 0 && (isRight || (isLocated && earlier.length > 0));
  if (!isFirst && isDone) return { ...result, checksums: [], span: -1 };
  if (!isRight) expectSame(session, equal((await again(session.infer)).outputs, outputs));
  const found = await again(session.checksums);
  // The evaluator takes seconds for a large model, so it runs only where it is needed.
  const evaluated = isFirst || !isRight ? expect.ofEvaluator(earlier, inputs) : noChecksums;
  const span = spans.findIndex((_, i) =>
    [known, evaluated].some((checksums) => (checksums.get(i) ?? found[i]) !== found[i]),
  );
  if (span >= 0) expectSame(session, isDeepStrictEqual(await again(session.checksums), found));
  return { ...result, checksums: found, span };
}

/**
 * A run takes a cycle at least. A clock of nanoseconds may stand still for a short run, but not for
 * two.
 *
 * @throws BonsaiError 'device' when the board has not counted
 */
function requireCounting(
  { deviceName, hello: { unit } }: Session,
  counts: readonly number[],
): void {
  const leastRuns = unit === 'nanoseconds' ? 2 : 1;
  const last = counts.slice(-leastRuns);
  if (last.length < leastRuns || last.some((count) => count > 0)) return;
  throw new BonsaiError(
    'device',
    deviceName,
    `counts no ${unit} for a run of the model`,
    'its counter stands still: power it off and on, without a debugger; does it have the chip of the target?',
  );
}

/** @param counts one per run, at least one */
export function latencyOf(
  counts: readonly number[],
  unit: CountUnit,
  clockHz: number,
): DeviceResult['latency'] {
  const count = median(counts);
  return {
    unit,
    count,
    min: counts.reduce((least, each) => Math.min(least, each)),
    max: counts.reduce((most, each) => Math.max(most, each)),
    runs: counts.length,
    clockHz,
    ms: (count / clockHz) * 1000,
  };
}

/**
 * A board that restarts between two requests has lost its input, and computes on zeros. So a wrong
 * result counts only if the board gives it twice.
 */
function expectSame({ deviceName }: Session, isSame: boolean): void {
  if (isSame) return;
  throw new BonsaiError(
    'device',
    deviceName,
    'gives two results for one input',
    'it restarted during a run: check its power supply and cable; otherwise its memory is faulty',
  );
}

/** Expected checksums by index of the span. */
type Checksums = ReadonlyMap<number, number>;
const noChecksums: Checksums = new Map();

function expectations({ spans }: Manifest, module: Module) {
  const graph = mainGraph(module);
  const spanOfSource = new Map(
    spans.map(({ tensor }, index) => [tensorOf(graph, tensor).source, index]),
  );
  return {
    /** The vector's checksums of layers that the plan computes. */
    ofLayers(layers: readonly LayerChecksum[]): Checksums {
      const checksums = new Map<number, number>();
      for (const { op, tensor, bytes, crc32 } of layers) {
        // Conversions at the model's edge are not steps, so there is nothing to compare.
        const span = spanOfSource.get(tensor);
        if (span === undefined) continue;
        if (spans[span]?.bytes !== bytes) {
          throw new BonsaiError(
            'bad-vectors',
            `layers, operator ${op}`,
            `tensor ${tensor} has ${spans[span]?.bytes} bytes in the model, ${bytes} in the vectors`,
            'are the vectors of this model?',
          );
        }
        checksums.set(span, crc32);
      }
      return checksums;
    },

    ofEvaluator(earlier: readonly VectorPair[], inputs: readonly TensorData[]): Checksums {
      let states = initialStates(graph);
      for (const pair of earlier) states = evaluateGraph(graph, pair.inputs, states).states;
      const { tensors } = evaluateGraph(graph, inputs, states);
      const checksums = new Map<number, number>();
      for (const [index, { tensor }] of spans.entries()) {
        const data = tensors.get(tensor);
        if (data !== undefined) checksums.set(index, crc32(rawBytes(data)));
      }
      return checksums;
    },
  };
}

function equal(found: readonly TensorData[], expected: readonly TensorData[]): boolean {
  return (
    found.length === expected.length &&
    found.every((data, index) => {
      const other = expected[index];
      return other !== undefined && Buffer.compare(rawBytes(data), rawBytes(other)) === 0;
    })
  );
}

/** The median; the lower of the two middle counts, so that it is a measured one. */
function median(counts: readonly number[]): number {
  const sorted = [...counts].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
