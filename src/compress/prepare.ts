/** What every compression begins with: a float model, samples in parts, and TensorFlow.js. */
import { createHash } from 'node:crypto';
import { importModel } from '../compiler/formats/index.js';
import { type Graph, rawBytes, statesOf } from '../compiler/ir/graph.js';
import { BonsaiError } from '../errors.js';
import { readBeside } from '../files.js';
import { readModelFile } from '../model-file.js';
import { version } from '../package.js';
import type { Progress } from '../progress.js';
import { classWarnings } from './classes.js';
import type { CostOf } from './cost.js';
import { type Dataset, subset } from './data/dataset.js';
import { loadDataset } from './data/load.js';
import { elementsOfAll, type Ports, portsOf } from './data/ports.js';
import type { LoadOptions } from './data/samples.js';
import { split } from './data/split.js';
import { floatGraph } from './float-graph.js';
import { separated } from './quantize/scheme.js';
import { makeRandom, permutation, seedFor } from './random.js';
import { checkFinite } from './score.js';
import type { Surroundings } from './steps/step.js';
import { type BackendName, loadBackend } from './tensorflow.js';

export interface Materials {
  readonly bytes: Uint8Array;
  readonly path: string;
  /** Path of the samples. */
  readonly data: string;
  /** How to read them. */
  readonly reading: Omit<LoadOptions, 'shape' | 'ports'>;
  /** Samples that ranges are taken from. */
  readonly samples: number;
  readonly seed: number;
  readonly backend?: BackendName | undefined;
  /** Float models beside it that teach: paths. */
  readonly teachers?: readonly string[];
  /** The target's; `key` tells targets and options apart. null: costs do not matter. */
  readonly costs: { readonly costOf: CostOf; readonly key: string } | null;
}

export interface Prepared {
  readonly surroundings: Surroundings;
  /** Samples that no choice has seen. */
  readonly test: Dataset;
  readonly backend: BackendName;
  /** What the user should know about the data, one line each. */
  readonly warnings: readonly string[];
  /** Of all that a step's result follows from, beside its settings and candidate: hexadecimal. */
  digest(): string;
}

/** Samples that compare candidates, at most: more hardly change a choice. */
const mostValidation = 2000;

/** @throws BonsaiError for a model that is not float, and for its data */
export async function prepare(given: Materials, progress: Progress): Promise<Prepared> {
  const { path, bytes, seed, costs } = given;
  const { original, whole, head } = importFloat(bytes, path);
  const teachers = (given.teachers ?? []).map((file) => {
    const teacher = importFloat(readModelFile(file), file);
    return { file, graph: teacher.original, sha256: teacher.head.sha256 };
  });
  const ports = portsOf(original, head);
  const parts = await progress('read samples', () => partsOf(given, ports));
  const warnings = classWarnings(original, parts.train, given.reading.classes !== undefined);
  const { tf, name: backend } = await loadBackend(given.backend);
  const { train, calibration, validation, test } = parts;
  for (const part of [calibration, validation, test]) checkFinite(tf, original, part);
  const data = { train, calibration, validation };
  const files = teachers.map(({ sha256 }) => sha256);
  const facts = [version, head.sha256, backend, `${seed}`, costs?.key ?? '', ...files];
  const digest = () => digestOf(facts, [train, calibration, validation]);
  const costOf = costs?.costOf ?? null;
  const graphs = new Map(teachers.map(({ file, graph }) => [file, graph]));
  const models = { head, original, whole, teachers: graphs };
  const surroundings = { tf, ...models, data, costOf, seed };
  return { surroundings, test, backend, warnings, digest };
}

/** @throws BonsaiError for a file that is no float model */
function importFloat(bytes: Uint8Array, path: string) {
  const options = { name: 'model', where: path, rounding: 'tflm', loops: 'laid out' } as const;
  return inFile(path, () => {
    const { graphs, ...head } = importModel(bytes, { ...options, beside: readBeside(path) });
    const whole = floatGraph({ ...head, graphs });
    const original = separated(whole);
    requireStateless(original, path);
    requireFinite(original);
    return { original, whole, head };
  });
}

/** Errors name the file: there may be teachers beside the model. */
function inFile<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof BonsaiError) || error.where.startsWith(path)) throw error;
    const { code, where, message, hint } = error;
    throw new BonsaiError(code, `${path}: ${where}`, message, hint);
  }
}

/** Nothing can be learned from such constants, nor have they a scale. */
function requireFinite({ tensors }: Graph): void {
  for (const { name, dtype, data } of tensors) {
    if (dtype !== 'float32' || data === null) continue;
    const wrong = (data as Float32Array).find((value) => !Number.isFinite(value));
    if (wrong === undefined) continue;
    const hint = 'save or train the model again';
    throw new BonsaiError('corrupt-model', `tensor "${name}"`, `has the element ${wrong}`, hint);
  }
}

function requireStateless(graph: Graph, path: string): void {
  if (statesOf(graph).length === 0) return;
  const message = 'remembers earlier inputs: such a model is not trained';
  const hint = 'compress the network that takes a whole window, and compile that with --stream';
  throw new BonsaiError('unsupported-attribute', path, message, hint);
}

/** A test sample is in no other part, so that no choice has seen it. */
async function partsOf({ data, reading, samples, seed }: Materials, ports: Ports) {
  const [{ shape: first } = { shape: [] }, ...others] = ports.inputs;
  const shape = others.length === 0 ? first : [elementsOfAll(ports.inputs)];
  const outputs = elementsOfAll(ports.outputs);
  const all = await loadDataset(data, { ...reading, shape, outputs, ports });
  const { train, validation, test } = split(all, { validation: 0.15, test: 0.25, seed });
  const draw = (from: Dataset, most: number, purpose: string): Dataset => {
    if (from.count <= most) return from;
    const order = permutation(from.count, makeRandom(seedFor(seed, purpose)));
    return subset(from, order.subarray(0, most).sort());
  };
  return {
    train,
    calibration: draw(train, samples, 'calibration'),
    validation: draw(validation.count > 0 ? validation : train, mostValidation, 'validation'),
    test: test.count > 0 ? test : validation.count > 0 ? validation : train,
  };
}

function digestOf(facts: readonly string[], data: readonly Dataset[]): string {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const { x, labels, targets } of data) {
    hash.update(rawBytes(x));
    if (labels !== null) hash.update(rawBytes(labels));
    if (targets !== undefined) hash.update(rawBytes(targets));
  }
  return hash.digest('hex');
}
