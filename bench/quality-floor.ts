/**
 * What a compressed model is still worth at each loss: the data of the default floor of `compress`
 * (docs/compression.md).
 *
 *     npx tsx bench/quality-floor.ts autoencoder|classifier [SEED]
 *
 * Two small models, trained on drawn samples and compressed far beyond what is sensible: a classifier
 * of ten classes, and an autoencoder that finds anomalies by what it fails to reproduce.
 */

import { type Graph, mainGraph } from '../src/compiler/ir/graph.js';
import type { Candidate } from '../src/compress/candidate.js';
import type { Dataset } from '../src/compress/data/dataset.js';
import { lower } from '../src/compress/quantize/lower.js';
import { makeRandom } from '../src/compress/random.js';
import { type StepSettings, settingsOf } from '../src/compress/recipe.js';
import { agreement, classesOf, floatAnswers, integerAnswers } from '../src/compress/score.js';
import { runStep } from '../src/compress/steps/index.js';
import type { Surroundings } from '../src/compress/steps/step.js';
import { loadBackend } from '../src/compress/tensorflow.js';
import { train, trainDefaults } from '../src/compress/train/loop.js';
import { FloatNetwork } from '../test/support/float-network.js';

const features = 48;
const seed = Number(process.argv[3] ?? 1);
const { tf } = await loadBackend('wasm');
const random = makeRandom(seed);
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const normals = (count: number) => Float32Array.from({ length: count }, normal);

const datasetOf = (rows: readonly Float32Array[], labels: readonly number[] | null): Dataset => ({
  where: 'drawn',
  count: rows.length,
  shape: [features],
  x: Float32Array.from(rows.flatMap((row) => [...row])),
  labels: labels === null ? null : Int32Array.from(labels),
  classes: labels === null ? null : Array.from({ length: 10 }, (_, i) => `${i}`),
});

/** Six hidden causes, mixed and bent; an anomaly mixes a seventh into it. */
const causes = Array.from({ length: 7 }, () => normals(features));
function sound(isAnomaly: boolean): Float32Array {
  const strengths = normals(6);
  const extra = isAnomaly ? 0.5 + 0.5 * random() : 0;
  return Float32Array.from({ length: features }, (_, j) => {
    const mixed = strengths.reduce((sum, s, c) => sum + s * (causes[c]?.[j] ?? 0), 0);
    return 2 * Math.tanh(mixed / 2) + extra * (causes[6]?.[j] ?? 0) + 0.15 * normal();
  });
}

/** Two centres for each class. */
const centres = Array.from({ length: 20 }, () => normals(features));
function labelled(count: number): Dataset {
  const labels = Array.from({ length: count }, (_, i) => i % 10);
  const rows = labels.map((label) => {
    const centre = centres[2 * label + (random() < 0.5 ? 0 : 1)] as Float32Array;
    return centre.map((value) => 0.45 * value + normal());
  });
  return datasetOf(rows, labels);
}

const sounds = (count: number, isAnomaly = false) =>
  datasetOf(
    Array.from({ length: count }, () => sound(isAnomaly)),
    null,
  );

/** An autoencoder is its own teacher's pupil: targets are the samples, so it learns them here. */
async function trainedOn(network: FloatNetwork, data: Dataset, validation: Dataset) {
  const start = { graph: network.graph(), masks: new Map(), quantization: null };
  const options = { ...trainDefaults, epochs: 30, batch: 32, learningRate: 0.003, teacherShare: 0 };
  return (await train(tf, start, { data, validation, options })).graph;
}

const recipes: readonly (readonly [name: string, steps: readonly StepSettings[]])[] = [
  ['int8', []],
  ...(['int4', 'int3', 'int2', 'binary'] as const).map(
    (weights) => [weights, [settingsOf({ step: 'quantize', weights })]] as const,
  ),
  ...[0.5, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02].map(
    (macs) => [`${macs} of the MACs`, [settingsOf({ step: 'shrink', macs, epochs: 15 })]] as const,
  ),
  ...[0.8, 0.9, 0.95, 0.97, 0.98, 0.99].map(
    (share) => [`${share} zeros`, [settingsOf({ step: 'prune', share, epochs: 15 })]] as const,
  ),
];

async function compressed(surroundings: Surroundings, steps: readonly StepSettings[]) {
  let candidate: Candidate = {
    graph: surroundings.original,
    ...{ masks: new Map(), quantization: null },
  };
  const all = steps.some(({ step }) => step === 'quantize')
    ? steps
    : [...steps, settingsOf({ step: 'quantize' })];
  for (const settings of all) {
    const keeper = { resumed: null, save: () => {} };
    ({ candidate } = await runStep(settings, candidate, surroundings, () => {}, keeper));
  }
  const { graph, quantization } = candidate;
  if (quantization === null) throw new RangeError('not quantized');
  return mainGraph(lower(surroundings.head, graph, quantization));
}

function surroundingsOf(network: FloatNetwork, original: Graph, train: Dataset, check: Dataset) {
  const { graphs: _, ...head } = network.module();
  const data = { train, calibration: train, validation: check };
  return { tf, head, original, teachers: new Map(), data, costOf: null, seed };
}

/** The share of pairs in which the anomaly has the larger score. */
function areaUnderCurve(ordinary: readonly number[], anomalous: readonly number[]): number {
  const wins = anomalous.flatMap((a) => ordinary.map((o) => (a > o ? 1 : a === o ? 0.5 : 0)));
  return wins.reduce((sum: number, win) => sum + win, 0) / wins.length;
}

const errorsOf = ({ x, count }: Dataset, values: Float32Array) =>
  Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let j = i * features; j < (i + 1) * features; j += 1) {
      sum += ((x[j] as number) - (values[j] as number)) ** 2;
    }
    return sum;
  });

/** Of the outputs' spread about their mean over all samples: [power, noise] in dB. */
function decibels(wanted: Float32Array, got: Float32Array, count: number) {
  let [power, spread, noise] = [0, 0, 0];
  for (let j = 0; j < features; j += 1) {
    let mean = 0;
    for (let i = 0; i < count; i += 1) mean += (wanted[i * features + j] as number) / count;
    for (let i = 0; i < count; i += 1) {
      const value = wanted[i * features + j] as number;
      power += value ** 2;
      spread += (value - mean) ** 2;
      noise += (value - (got[i * features + j] as number)) ** 2;
    }
  }
  return [power, spread].map((signal) => 10 * Math.log10(signal / noise));
}

async function autoencoder() {
  const network = new FloatNetwork([features], seed).dense(64).dense(32).dense(8);
  network.dense(32).dense(64).dense(features, 'none');
  const [data, check] = [sounds(1500), sounds(300)];
  const graph = await trainedOn(
    network,
    { ...data, targets: data.x },
    { ...check, targets: check.x },
  );
  const [ordinary, odd] = [sounds(500), sounds(500, true)];
  const around = surroundingsOf(network, graph, data, check);
  const area = (run: (samples: Dataset) => Float32Array) =>
    areaUnderCurve(errorsOf(ordinary, run(ordinary)), errorsOf(odd, run(odd)));
  const wanted = floatAnswers(tf, graph, ordinary).values;
  const float = area((samples) => floatAnswers(tf, graph, samples).values);
  console.log(
    `autoencoder, float: AUC ${float.toFixed(3)}, of its input ${decibels(ordinary.x, wanted, 500).map((d) => d.toFixed(1))} dB`,
  );
  for (const [name, steps] of recipes) {
    const integer = await compressed(around, steps);
    const run = (samples: Dataset) => integerAnswers(tf, integer, samples).values;
    const [snr, above] = decibels(wanted, run(ordinary), 500);
    console.log(
      `${name}: SNR ${snr?.toFixed(1)} dB, above the mean ${above?.toFixed(1)} dB, AUC ${area(run).toFixed(3)}`,
    );
  }
}

async function classifier() {
  const network = new FloatNetwork([features], seed)
    .dense(64)
    .dense(48)
    .dense(10, 'none')
    .softmax();
  const [data, check, test] = [labelled(2000), labelled(400), labelled(2000)];
  const graph = await trainedOn(network, data, check);
  const around = surroundingsOf(network, graph, data, check);
  const labels = test.labels as Int32Array;
  const float = agreement(classesOf(floatAnswers(tf, graph, test)), labels);
  console.log(`classifier, float: right ${(100 * float).toFixed(1)} %`);
  for (const [name, steps] of recipes) {
    const right = agreement(
      classesOf(integerAnswers(tf, await compressed(around, steps), test)),
      labels,
    );
    const kept = (right - 0.1) / (float - 0.1);
    console.log(
      `${name}: right ${(100 * right).toFixed(1)} %, of what float knows ${(100 * kept).toFixed(0)} %`,
    );
  }
}

await (process.argv[2] === 'classifier' ? classifier() : autoencoder());
