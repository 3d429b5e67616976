/**
 * Random graphs of each operator against desktop TFLite: `--rounding xnnpack` and `tflite` give the
 * bits of TensorFlow 2.21's interpreter, with and without its default delegate, on x86 with AVX2.
 *
 *     UPDATE_GOLDEN=1 TENSORFLOW_PYTHON=python3 npx mocha test/ops/desktop.test.ts
 *
 * makes new graphs and asks that interpreter for their outputs. What it refuses is left out.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { type WindowOp, windowLayer, windowOps } from '../../bench/operators/windows.js';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { rawBytes, type TensorData } from '../../src/compiler/ir/graph.js';
import { difference, elementsOf, evaluateFile, portsOf, refusalOf } from '../support/corpus.js';
import { growGraph, growths } from '../support/graphs.js';
import { randomInputs } from '../support/module.js';
import { type RuntimeKind, runtimeOutputs } from '../support/tflite-runtimes.js';

const here = (name: string) => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
const archivePath = here('desktop.zip');
/** What of them is not exact, each with its outcome. Why: docs/operators.md. */
const tablePath = here('desktop.json');
/** Graphs of each operator: with more, halves are met in all that round. */
const seeds = Array.from({ length: 12 }, (_, seed) => seed);
/** Layers of each operator with a window: with fewer, one of XNNPACK's conditions has no row. */
const windowSeeds = Array.from({ length: 60 }, (_, seed) => seed);

const runtimes = { xnnpack: 'default', tflite: 'builtin' } as const;
type Rounding = keyof typeof runtimes;
const roundings = Object.keys(runtimes) as Rounding[];

interface Case {
  readonly seed: number;
  /** The raw bytes of each output, in base64; null where the runtime refuses the file. */
  readonly answers: Readonly<Record<Rounding, readonly string[] | null>>;
}

const textOf = (data: ArrayBufferView) => Buffer.from(rawBytes(data)).toString('base64');

interface Made {
  readonly op: string;
  readonly seed: number;
  readonly file: Uint8Array;
  readonly inputs: readonly TensorData[];
}

/** A graph as a file, with its inputs; none where padding of a random window has no form in a file. */
function graphOf(op: string, seed: number): readonly Made[] {
  const module = growGraph({ ops: [op], seed });
  try {
    return [{ op, seed, file: writeTflite(module), inputs: randomInputs(module, seed) }];
  } catch {
    return [];
  }
}

function layerOf(op: WindowOp, seed: number): readonly Made[] {
  const layer = windowLayer(op, seed);
  return layer === null ? [] : [{ ...layer, op: `${op} over windows`, seed }];
}

function update(python: string): void {
  const graphs = Object.keys(growths).flatMap((op) => seeds.flatMap((seed) => graphOf(op, seed)));
  const layers = windowOps.flatMap((op) => windowSeeds.flatMap((seed) => layerOf(op, seed)));
  const made = [...graphs, ...layers].map((one) => ({ ...one, outputs: 1 }));
  const answersOf = (kind: RuntimeKind) =>
    runtimeOutputs(python, kind, made).map((answer) =>
      typeof answer === 'string' ? null : answer.map(textOf),
    );
  const [xnnpack, avx] = roundings.map((rounding) => answersOf(runtimes[rounding]));
  const files: Record<string, Uint8Array> = {};
  const cases: Record<string, Case[]> = {};
  made.forEach(({ op, seed, file, inputs }, i) => {
    const answers = { xnnpack: xnnpack?.[i] ?? null, tflite: avx?.[i] ?? null };
    if (answers.xnnpack === null && answers.tflite === null) return;
    cases[op] = [...(cases[op] ?? []), { seed, answers }];
    files[`${op}-${seed}.tflite`] = file;
    inputs.forEach((input, position) => {
      files[`${op}-${seed}.in${position}`] = rawBytes(input);
    });
  });
  files['answers.json'] = strToU8(JSON.stringify(cases));
  writeFileSync(archivePath, zipSync(files, { mtime: new Date(1980, 0, 2), level: 9 }));
}

const python = process.env.TENSORFLOW_PYTHON;
const isUpdate = process.env.UPDATE_GOLDEN === '1' && python !== undefined;
if (isUpdate) update(python as string);
const archive = unzipSync(readFileSync(archivePath));
const cases = JSON.parse(strFromU8(archive['answers.json'] as Uint8Array)) as Record<
  string,
  Case[]
>;

function outcomeOf(name: string, answers: readonly string[], rounding: Rounding): string {
  const file = archive[`${name}.tflite`] as Uint8Array;
  const ports = portsOf(file, name);
  try {
    const module = importModel(file, { name, where: `${name}.tflite`, rounding });
    const inputs = ports.inputs.map(({ dtype }, i) =>
      elementsOf(dtype, archive[`${name}.in${i}`] as Uint8Array),
    );
    const expected = answers.map((text, i) =>
      elementsOf(ports.outputs[i]?.dtype ?? 'int8', Buffer.from(text, 'base64')),
    );
    return difference(evaluateFile(module, ports, inputs), expected);
  } catch (error) {
    return refusalOf(error);
  }
}

describe('random graphs of each operator, as desktop TFLite computes them', () => {
  const table = JSON.parse(readFileSync(tablePath, 'utf8')) as Record<string, string>;
  const found: Record<string, string> = {};

  for (const [op, own] of Object.entries(cases)) {
    it(op, () => {
      for (const { seed, answers } of own) {
        for (const rounding of roundings) {
          const answer = answers[rounding];
          if (answer === null) continue;
          const name = `${op}-${seed}`;
          const outcome = outcomeOf(name, answer, rounding);
          const row = `${name}, ${rounding}`;
          if (outcome !== 'exact') found[row] = outcome;
          if (!isUpdate) expect(outcome, row).to.equal(table[row] ?? 'exact');
        }
      }
    });
  }

  after(() => {
    if (isUpdate) writeFileSync(tablePath, `${JSON.stringify(found, null, 2)}\n`);
  });
});
