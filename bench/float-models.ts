/**
 * Quantizes float models whose makers also give an int8 twin, and compares both with the float
 * model on the same inputs: the signal to noise of the outputs. With --boards, one of them runs on
 * simulated boards instead, in int8 and int16.
 *
 *     npx tsx bench/float-models.ts --models DIR --golden DIR [--boards NAME] [--write]
 *
 * --models has NAME.tflite in int8 and float/NAME.tflite; --golden has NAME.json with int8 inputs,
 * which are the test samples. Ranges and choices come from other samples of the same kind: evenly
 * from the integers of the twin's input. --write puts the table into docs/compression.md.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { importModel } from '../src/compiler/formats/index.js';
import { writeTflite } from '../src/compiler/formats/tflite/write.js';
import {
  elementCount,
  type Graph,
  type Module,
  mainGraph,
  type Tensor,
  tensorOf,
} from '../src/compiler/ir/graph.js';
import type { Dataset } from '../src/compress/data/dataset.js';
import { floatGraph, realValues } from '../src/compress/float-graph.js';
import { lower } from '../src/compress/quantize/lower.js';
import { activationTypes, separated } from '../src/compress/quantize/scheme.js';
import { makeRandom, seedFor } from '../src/compress/random.js';
import { type SettingsOf, settingsOf } from '../src/compress/recipe.js';
import { floatAnswers, integerAnswers, signalToNoise } from '../src/compress/score.js';
import { quantizeStep } from '../src/compress/steps/quantize.js';
import { type BackendName, loadBackend, type Tf } from '../src/compress/tensorflow.js';
import { runOn } from './board.js';
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

/** A model in float32, its makers' int8, and samples of its input. */
function materialsOf(name: string, models: string, golden: string) {
  const { graphs, ...head } = importedFrom(join(models, 'float', `${name}.tflite`));
  const original = separated(floatGraph({ ...head, graphs }));
  const twin = mainGraph(importedFrom(join(models, `${name}.tflite`)));
  const input = tensorOf(twin, twin.inputs[0] ?? 0);
  const { pairs } = JSON.parse(readFileSync(join(golden, `${name}.json`), 'utf8')) as Golden;
  const test = dataOf('golden', input, Int8Array.from(pairs.flatMap((pair) => pair.input)));
  const calibration = randomData('calibration', input);
  const data = { train: calibration, calibration, validation: randomData('validation', input) };
  return { name, head, original, twin, test, data };
}

type MaterialsOfModel = ReturnType<typeof materialsOf>;

async function quantized(
  tf: Tf,
  { name, head, original, data }: MaterialsOfModel,
  settings: SettingsOf<'quantize'>,
): Promise<Module> {
  const { candidate } = await quantizeStep.run(
    { graph: original, masks: new Map(), quantization: null },
    settings,
    { tf, head, original, data, costOf: null, seed },
    () => {},
    { resumed: null, save: () => {} },
  );
  if (candidate.quantization === null) throw new Error(`${name} was not quantized`);
  return lower(head, candidate.graph, candidate.quantization);
}

/** Of the outputs, in dB. */
function snrOf(tf: Tf, { original, test }: MaterialsOfModel, graph: Graph): string {
  const wanted = floatAnswers(tf, original, test).values;
  return signalToNoise(wanted, integerAnswers(tf, graph, test).values).toFixed(1);
}

const types = activationTypes.map((activations) => settingsOf({ step: 'quantize', activations }));

async function rowOf(tf: Tf, materials: MaterialsOfModel): Promise<string> {
  const { name, original, twin } = materials;
  const snrs = [snrOf(tf, materials, twin)];
  for (const settings of types) {
    const made = await quantized(tf, materials, settings);
    snrs.push(snrOf(tf, materials, mainGraph(made)));
  }
  return `| ${[name, original.nodes.length, ...snrs].join(' | ')} |`;
}

/** Of one model, what int16 gains and costs. */
async function boardRows(tf: Tf, materials: MaterialsOfModel): Promise<readonly string[]> {
  const { name } = materials;
  const folder = mkdtempSync(join(tmpdir(), 'float-models-'));
  const path = join(folder, `${name}.tflite`);
  const rows: string[] = [];
  for (const settings of types) {
    const made = await quantized(tf, materials, settings);
    writeFileSync(path, writeTflite(made));
    const runs = ['rp2040', 'stm32f405'].map((board) => runOn(board, path));
    const cells = runs.flatMap(({ count, unit, ms, ramBytes }) => [
      `${(count / 1e6).toFixed(2)} M ${unit}`,
      ms.toFixed(1),
      (ramBytes / 1024).toFixed(1),
    ]);
    rows.push(
      `| ${[settings.activations, snrOf(tf, materials, mainGraph(made)), ...cells].join(' | ')} |`,
    );
  }
  rmSync(folder, { recursive: true });
  return rows;
}

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    golden: { type: 'string' },
    backend: { type: 'string' },
    boards: { type: 'string' },
    write: { type: 'boolean' },
  },
});
const { models, golden } = values;
if (models === undefined || golden === undefined) throw new Error('give --models and --golden');
const { tf } = await loadBackend(values.backend as BackendName | undefined);
const names = readdirSync(join(models, 'float'))
  .map((file) => file.replace(/\.tflite$/, ''))
  .filter((name) => existsSync(join(golden, `${name}.json`)));
function tell(section: string, head: string, rows: readonly string[]): void {
  const columns = head.split('|').length - 2;
  const table = [head, `|${'---|'.repeat(columns)}`, ...rows].join('\n');
  console.log(table);
  if (values.write) replaceSection(section, table, 'docs/compression.md');
}

if (values.boards === undefined) {
  const rows: string[] = [];
  for (const name of names) rows.push(await rowOf(tf, materialsOf(name, models, golden)));
  tell('twins', '| model | operators | its makers’ int8, dB | int8, dB | int16, dB |', rows);
} else {
  const head = '| activations | outputs, dB | rp2040 | ms | RAM, KB | stm32f405 | ms | RAM, KB |';
  tell('int16', head, await boardRows(tf, materialsOf(values.boards, models, golden)));
}
