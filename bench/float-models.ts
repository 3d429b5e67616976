/**
 * Quantizes float models whose makers also give an int8 twin, and compares both with the float
 * model on the same inputs: the signal to noise of the outputs.
 *
 *     npx tsx bench/float-models.ts --models DIR --golden DIR [--write]
 *
 * --models has NAME.tflite in int8 and float/NAME.tflite; --golden has NAME.json with int8 inputs,
 * which are the test samples. Ranges and choices come from other samples of the same kind: evenly
 * from the integers of the twin's input. --write puts the table into docs/compression.md.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Dataset } from '../src/compress/data/dataset.js';
import { floatGraph, realValues } from '../src/compress/float-graph.js';
import { lower } from '../src/compress/quantize/lower.js';
import { separated } from '../src/compress/quantize/scheme.js';
import { makeRandom, seedFor } from '../src/compress/random.js';
import { settingsOf } from '../src/compress/recipe.js';
import { floatAnswers, integerAnswers, signalToNoise } from '../src/compress/score.js';
import { quantizeStep } from '../src/compress/steps/quantize.js';
import { type BackendName, loadBackend, type Tf } from '../src/compress/tensorflow.js';
import { importModel } from '../src/import/index.js';
import { elementCount, type Graph, mainGraph, type Tensor, tensorOf } from '../src/ir/graph.js';
import { replaceSection } from './document.js';

const samples = 64;
const seed = 1;

const importedFrom = (path: string) =>
  importModel(readFileSync(path), { name: 'model', where: path, rounding: 'tflm' });

/** Samples from integers of `input`. */
function dataOf(where: string, input: Tensor, integers: Int8Array): Dataset {
  const shape = input.shape.slice(1);
  const x = realValues(input, integers);
  return { where, count: x.length / elementCount(shape), shape, x, labels: null, classes: null };
}

function randomData(purpose: string, input: Tensor): Dataset {
  const random = makeRandom(seedFor(seed, purpose));
  const length = samples * elementCount(input.shape);
  const integers = Int8Array.from({ length }, () => Math.floor(random() * 256) - 128);
  return dataOf(purpose, input, integers);
}

interface Golden {
  readonly pairs: readonly { readonly input: readonly number[] }[];
}

async function rowOf(tf: Tf, name: string, models: string, golden: string): Promise<string> {
  const { graphs, ...head } = importedFrom(join(models, 'float', `${name}.tflite`));
  const original = separated(floatGraph({ ...head, graphs }));
  const twin = mainGraph(importedFrom(join(models, `${name}.tflite`)));
  const input = tensorOf(twin, twin.inputs[0] ?? 0);
  const { pairs } = JSON.parse(readFileSync(join(golden, `${name}.json`), 'utf8')) as Golden;
  const test = dataOf('golden', input, Int8Array.from(pairs.flatMap((pair) => pair.input)));
  const calibration = randomData('calibration', input);
  const data = { train: calibration, calibration, validation: randomData('validation', input) };
  const began = performance.now();
  const { candidate } = await quantizeStep.run(
    { graph: original, masks: new Map(), quantization: null },
    settingsOf({ step: 'quantize' }),
    { tf, head, original, data, costOf: null, seed },
    () => {},
    { resumed: null, save: () => {} },
  );
  const seconds = (performance.now() - began) / 1000;
  if (candidate.quantization === null) throw new Error(`${name} was not quantized`);
  const own = mainGraph(lower(head, candidate.graph, candidate.quantization));
  const wanted = floatAnswers(tf, original, test).values;
  const snr = (graph: Graph) =>
    signalToNoise(wanted, integerAnswers(tf, graph, test).values).toFixed(1);
  console.error(`${name}: ${seconds.toFixed(1)} s`);
  return `| ${name} | ${original.nodes.length} | ${snr(twin)} | ${snr(own)} |`;
}

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    golden: { type: 'string' },
    backend: { type: 'string' },
    write: { type: 'boolean' },
  },
});
const { models, golden } = values;
if (models === undefined || golden === undefined) throw new Error('give --models and --golden');
const { tf } = await loadBackend(values.backend as BackendName | undefined);
const names = readdirSync(join(models, 'float'))
  .map((file) => file.replace(/\.tflite$/, ''))
  .filter((name) => existsSync(join(golden, `${name}.json`)));
const rows: string[] = [];
for (const name of names) rows.push(await rowOf(tf, name, models, golden));
const head = ['| model | operators | its makers’ int8, dB | `quantize`, dB |', '|---|---|---|---|'];
const table = [...head, ...rows].join('\n');
console.log(table);
if (values.write) replaceSection('twins', table, 'docs/compression.md');
