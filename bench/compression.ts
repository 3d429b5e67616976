/**
 * What compression does to a CNN of Fashion-MNIST: every variant below, from the float model that
 * each seed trains, on the test images and on simulated boards.
 *
 *     npx tsx bench/compression.ts --data DIR --out DIR [--seeds 1,2,3] [--only VARIANT] [--write]
 *
 * What was done stays in --out, so that a run goes on where it was stopped. --write puts table and
 * plot of all results there into docs/compression.md and docs/compression.svg.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cnn, training } from '../examples/fashion-mnist/cnn.js';
import { type Network, rightShare, trained, untrained } from '../examples/steps.js';
import { importModel } from '../src/compiler/formats/index.js';
import { writeTflite } from '../src/compiler/formats/tflite/write.js';
import {
  elementCount,
  type Graph,
  type Module,
  mainGraph,
  tensorOf,
} from '../src/compiler/ir/graph.js';
import { assessor } from '../src/compress/assess.js';
import { Journal } from '../src/compress/journal.js';
import { type Prepared, prepare } from '../src/compress/prepare.js';
import { agreementOf } from '../src/compress/quantize/agreement.js';
import { lower } from '../src/compress/quantize/lower.js';
import { type GivenSettings, settingsOf } from '../src/compress/recipe.js';
import type { TrainOptions } from '../src/compress/train/loop.js';
import { makeWorkshop } from '../src/compress/workshop.js';
import type { Progress } from '../src/progress.js';
import { runOn } from './board.js';
import { type Result, tableOf, writeDocument } from './compression-table.js';

const boards = ['rp2040', 'stm32f405'] as const;

/** Zeros by layer: fewer where there are few weights; blocks, which both boards' kernels skip. */
const prunedTo = (second: number, third: number, dense: number, epochs: number): GivenSettings => ({
  step: 'prune',
  layers: {
    conv2d_Conv2D2: { pattern: '1x4', share: second },
    conv2d_Conv2D3: { pattern: '1x4', share: third },
    dense_Dense1: { pattern: '1x4', share: dense },
  },
  ...{ epochs, batch: 128 },
});

const asInt8 = (weights: 'int8' | 'int4'): GivenSettings => ({ step: 'quantize', weights });
const fewSteps = { step: 'train', batch: 128, learningRate: 0.0003 } as const;

/** Recipes by the name of their row. */
const variants: Readonly<Record<string, readonly GivenSettings[]>> = {
  'int8, not trained': [asInt8('int8')],
  'int8, trained': [asInt8('int8'), { ...fewSteps, epochs: 1 }],
  'int4, not trained': [asInt8('int4')],
  'int4, trained': [asInt8('int4'), { ...fewSteps, epochs: 2 }],
  'half the MACs': [{ step: 'shrink', macs: 0.5, epochs: 8, batch: 128 }, asInt8('int8')],
  '80 % zeros': [prunedTo(0.7, 0.78, 0.81, 8), asInt8('int8')],
  '90 % zeros': [prunedTo(0.86, 0.89, 0.906, 16), asInt8('int8')],
};

/** A quarter of the weights. */
const studentWidths = [8, 16, 16];
/** All students train alike, for as many epochs, on images that do not change. */
const studentTraining = { ...training, epochs: 30, augmentation: null };
/** What else each student is told: nothing, or what the float models of all seeds answer. */
const students: Readonly<Record<string, Partial<TrainOptions> | null>> = {
  'student, labels alone': null,
  'student, taught': { teacherShare: 0.9, temperature: 2 },
};

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    out: { type: 'string' },
    seeds: { type: 'string', default: '1,2,3' },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const { data, out, only } = values;
if (data === undefined || out === undefined) throw new Error('give --data and --out');

const seeds = values.seeds.split(',').map(Number);
const folderOf = (seed: number) => join(out, `seed-${seed}`);
const floatPathOf = (seed: number) => join(folderOf(seed), 'float.tflite');

const resultsPath = join(out, 'results.json');
const results: Result[] = existsSync(resultsPath)
  ? (JSON.parse(readFileSync(resultsPath, 'utf8')) as Result[])
  : [];

function add(result: Result): void {
  results.push(result);
  writeFileSync(resultsPath, `${JSON.stringify(results, null, 1)}\n`);
  console.error(JSON.stringify(result));
}

const isWanted = (row: string, seed: number) =>
  (only === undefined || only === row) &&
  !results.some((result) => result.row === row && result.seed === seed);

const progress: Progress = async (title, work) => {
  const began = performance.now();
  const value = await work((text) => console.error(`${title}: ${text}`));
  console.error(`${title}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
  return value;
};

/** Trains the float model of a seed, if its file is not there yet. */
async function floatModel(seed: number): Promise<void> {
  const path = floatPathOf(seed);
  if (existsSync(path)) return;
  mkdirSync(folderOf(seed), { recursive: true });
  const begin = await fresh(cnn(), seed);
  const { surroundings } = await prepared(writeTflite(begin), path, seed);
  const { tf, data: parts } = surroundings;
  const module = await progress(`float, seed ${seed}`, (say) =>
    trained(tf, begin, parts, { ...training, seed }, say),
  );
  writeFileSync(path, writeTflite(module));
}

function floatGraphOf(seed: number): Graph {
  const path = floatPathOf(seed);
  return mainGraph(importModel(readFileSync(path), { name: path, where: path, rounding: 'tflm' }));
}

const fresh = (network: Network, seed: number) => untrained('fashion_mnist', network, seed);

const prepared = (bytes: Uint8Array, path: string, seed: number) =>
  prepare(
    { bytes, path, data, reading: {}, samples: 256, seed, costs: null },
    async (_title, work) => work(() => {}),
  );

async function compressed(
  row: string,
  steps: readonly GivenSettings[],
  { surroundings, test, digest }: Prepared,
  folder: string,
): Promise<Result> {
  const journal = new Journal(join(folder, 'checkpoint'), digest());
  const workshop = makeWorkshop(surroundings, journal, progress);
  let stage = workshop.first;
  for (const step of steps) stage = await workshop.perform(stage, settingsOf(step));
  const { candidate } = stage;
  const { tf, head, seed } = surroundings;
  if (candidate.quantization === null) throw new Error(`${row} is not quantized`);
  const module = lower(head, candidate.graph, candidate.quantization);
  const { accuracy } = assessor(surroundings, test).of(candidate);
  const layers = agreementOf(tf, candidate, mainGraph(module), test);
  const path = join(folder, `${row.replaceAll(/[^a-z0-9]+/g, '-')}.tflite`);
  writeFileSync(path, writeTflite(module));
  return {
    ...{ row, seed, accuracy: accuracy ?? 0, weights: weightsOf(mainGraph(module)) },
    elements: layers.reduce((sum, { elements }) => sum + elements, 0),
    differing: layers.reduce((sum, { differing }) => sum + differing, 0),
    boards: Object.fromEntries(boards.map((board) => [board, runOn(board, path)])),
  };
}

async function student(
  row: string,
  begin: Module,
  { surroundings, test }: Prepared,
  teaching: Partial<TrainOptions> | null,
): Promise<Result> {
  const { tf, data: parts, seed } = surroundings;
  const teachers = teaching === null ? [] : seeds.map(floatGraphOf);
  const module = await progress(`${row}, seed ${seed}`, (say) => {
    const options = { ...studentTraining, seed, ...teaching };
    return trained(tf, begin, parts, options, say, teachers);
  });
  const weights = weightsOf(mainGraph(module));
  return { row, seed, accuracy: rightShare(tf, module, test), weights };
}

/** Weights that are not 0, and all, without biases. */
function weightsOf(graph: Graph): Result['weights'] {
  const tensors = graph.nodes.flatMap(({ inputs }) => {
    const id = inputs[1];
    const tensor = id === undefined || id === null ? null : tensorOf(graph, id);
    return tensor === null || tensor.data === null || tensor.shape.length < 2 ? [] : [tensor];
  });
  const all = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const zeros = tensors.reduce(
    (sum, { data }) => sum + ((data ?? []) as Float32Array).filter((value) => value === 0).length,
    0,
  );
  return { all, used: all - zeros };
}

for (const seed of seeds) await floatModel(seed);
for (const seed of seeds) {
  const folder = folderOf(seed);
  const path = floatPathOf(seed);
  const bytes = readFileSync(path);
  // Before `prepare`, which chooses the backend: TensorFlow.js makes first weights on another.
  const begin = await fresh(cnn(studentWidths), seed);
  const whole = await prepared(bytes, path, seed);
  const { tf, head, original } = whole.surroundings;
  if (isWanted('float', seed)) {
    const accuracy = rightShare(tf, { ...head, graphs: [original] }, whole.test);
    add({ row: 'float', seed, accuracy, weights: weightsOf(original) });
  }
  for (const [row, steps] of Object.entries(variants)) {
    if (isWanted(row, seed)) add(await compressed(row, steps, whole, folder));
  }
  for (const [row, teaching] of Object.entries(students)) {
    if (isWanted(row, seed)) add(await student(row, begin, whole, teaching));
  }
}

console.log(tableOf(results));
if (values.write) writeDocument(results);
