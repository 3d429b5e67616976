/** What the examples share: a network of TensorFlow.js is trained, compressed and run. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeProgress, printResult } from '../src/cli/output.js';
import { importModel } from '../src/compiler/formats/index.js';
import { writeTflite } from '../src/compiler/formats/tflite/write.js';
import { type Graph, type Module, mainGraph, rawBytes } from '../src/compiler/ir/graph.js';
import type { Dataset } from '../src/compress/data/dataset.js';
import type { Splits } from '../src/compress/data/split.js';
import { agreement, classesOf, floatAnswers } from '../src/compress/score.js';
import { loadBackend, type Tf } from '../src/compress/tensorflow.js';
import { epochLine, learningCurve } from '../src/compress/train/curve.js';
import { type TrainOptions, train, trainDefaults } from '../src/compress/train/loop.js';
import type { Say } from '../src/progress.js';

export type Layers = typeof import('@tensorflow/tfjs-layers');
type Sequential = ReturnType<Layers['sequential']>;
type Initializer = ReturnType<Layers['initializers']['heNormal']>;

/** Layers of a network; every layer with weights takes an initializer of its own. */
export type Network = (tfl: Layers, initializer: () => Initializer) => Sequential;

/** The network as bonsaic's graph; the same seed gives the same weights. */
export async function untrained(name: string, network: Network, seed: number): Promise<Module> {
  // TensorFlow.js makes the layers' first weights on the backend of its own core.
  await loadBackend('wasm');
  const tfl = await import('@tensorflow/tfjs-layers');
  let drawn = seed;
  const model = network(tfl, () => {
    drawn += 1;
    return tfl.initializers.heNormal({ seed: drawn });
  });
  return imported(name, model);
}

/** As if it had been saved as model.json with its weights beside it. */
async function imported(name: string, model: Sequential): Promise<Module> {
  const saved: { module?: Module } = {};
  await model.save({
    async save({ modelTopology, weightSpecs = [], weightData }) {
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
      const json = { format: 'layers-model', modelTopology, weightsManifest };
      const parts = Array.isArray(weightData) ? weightData : [weightData];
      const weights = Buffer.concat(parts.map((part) => Buffer.from(part as ArrayBuffer)));
      saved.module = importModel(Buffer.from(JSON.stringify(json)), {
        ...{ name, where: 'model.json', rounding: 'tflm' },
        beside: () => weights,
      });
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    },
  });
  if (saved.module === undefined) throw new Error('TensorFlow.js has saved nothing');
  return saved.module;
}

/** Trains `module` with labels and what `teachers` say. */
export async function trained(
  tf: Tf,
  module: Module,
  { train: data, validation }: Pick<Splits, 'train' | 'validation'>,
  options: Partial<TrainOptions>,
  say: Say,
  teachers: readonly Graph[] = [],
): Promise<Module> {
  const start = { graph: mainGraph(module), masks: new Map(), quantization: null };
  const { graph } = await train(tf, start, {
    ...{ data, validation, teachers },
    options: { ...trainDefaults, ...options },
    hooks: { epoch: (report, history) => say(epochLine(report), learningCurve(history)) },
  });
  return { ...module, graphs: [graph] };
}

/** The share of samples that a float model puts into the class of their label. */
export function rightShare(tf: Tf, module: Module, test: Dataset): number {
  const answers = classesOf(floatAnswers(tf, mainGraph(module), test));
  return agreement(answers, test.labels ?? new Int32Array());
}

/** Trains `module` and writes it to `path`; tells how many of the test samples it gets right. */
export async function trainFloat(
  path: string,
  module: Module,
  parts: Splits,
  options: Partial<TrainOptions>,
): Promise<void> {
  const { tf, name } = await loadBackend();
  printResult(`${parts.train.count} samples to train on, TensorFlow.js on ${name}`);
  const model = await makeProgress()('Train a float model', (say) =>
    trained(tf, module, parts, options, say),
  );
  const { test } = parts;
  const right = (100 * rightShare(tf, model, test)).toFixed(2);
  printResult(`${right} % of ${test.count} test samples are right in float`);
  writeFileSync(path, writeTflite(model));
}

/** The parts as arrays of NumPy in `folder`, as `--data` takes them: x_train.npy, y_train.npy … */
export function writeArrays(folder: string, parts: Splits): void {
  mkdirSync(folder, { recursive: true });
  for (const [part, { count, shape, x, labels }] of Object.entries(parts) as [string, Dataset][]) {
    writeFileSync(join(folder, `x_${part}.npy`), npy('<f4', [count, ...shape], x));
    if (labels !== null) writeFileSync(join(folder, `y_${part}.npy`), npy('<i4', [count], labels));
  }
}

/** NumPy's NEP 1, version 1.0: the elements begin at a multiple of 64 bytes. */
function npy(descr: string, shape: readonly number[], elements: Float32Array | Int32Array): Buffer {
  const extents = shape.map((extent) => `${extent},`).join(' ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${extents}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const head = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${text.padEnd(length - 1)}\n`, 'latin1');
  head.writeUInt16LE(length, 8);
  return Buffer.concat([head, rawBytes(elements)]);
}

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

/** The command line, as a user calls it. */
export function bonsaic(...args: readonly string[]): void {
  execFileSync('npx', ['tsx', cli, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
}

/**
 * Compresses `float` to half of the time that it takes on an RP2040 when it is only quantized
 * (output/dense), both by estimate and for speed, and runs the result (output/half) on the simulated
 * board.
 *
 * @param materials --data and the like
 */
export function compressToHalf(output: string, float: string, materials: readonly string[]): void {
  const target = ['--target', 'rp2040', '--optimize', 'speed'];
  const given = [float, ...materials, ...target];
  const [dense, half] = [join(output, 'dense'), join(output, 'half')];
  bonsaic('quantize', ...given, '-o', dense);
  const { cost } = JSON.parse(readFileSync(join(dense, 'report.json'), 'utf8'));
  bonsaic('compress', ...given, '-o', half, '--max-ms', (cost.after.ms / 2).toFixed(3));
  bonsaic('run', join(half, 'model.tflite'), ...target, '--port', 'sim');
}
