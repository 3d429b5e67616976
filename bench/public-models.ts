/**
 * What becomes of the .tflite files in other people's repositories; docs/operators.md has the table.
 *
 *     npx tsx bench/public-models.ts --python PYTHON [--rounding R] [--summary] [--out FILE] NAME=DIR …
 *
 * DIR is a checkout of the repository NAME at the commit in the table (`git archive` of it will do).
 * PYTHON has the packages tflite-micro and tensorflow-cpu (or ai-edge-litert). Each file below 4 MiB
 * is compiled for this machine; one that compiles runs on random inputs, in order, and its outputs are
 * compared with TFLM's, or, where TFLM lacks an operator, with the desktop interpreter's without
 * delegates. With another --rounding they are compared with that runtime alone. Prints the
 * table and the counts, with --summary a row for each repository: how many files TFLM runs, and what
 * becomes of these; --out writes the outcome of every file as JSON.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadTarget } from '../src/boards/target/index.js';
import { type DType, dtypes, elementCount, type TensorData } from '../src/compiler/ir/graph.js';
import { type RuntimeRounding, roundings } from '../src/compiler/ir/rounding.js';
import { compile } from '../src/pipeline.js';
import {
  difference,
  elementsOf,
  evaluateFile,
  type FilePort,
  type Outcome,
  portsOf,
  refusalOf,
} from '../test/support/corpus.js';
import { Random } from '../test/support/module.js';
import { type RuntimeKind, runtimeOutputs } from '../test/support/tflite-runtimes.js';

const mostBytes = 4 * 2 ** 20;
const seeds = [1, 2];

function filesOf(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.tflite'))
    .filter((path) => statSync(join(directory, path)).size < mostBytes)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** Random elements of an input: all of an integer type's range. */
function randomElements({ dtype, shape }: FilePort, seed: number): TensorData {
  const count = elementCount(shape);
  const random = new Random(seed);
  if (dtype === 'float32') {
    return Float32Array.from(random.int8(count, -128, 127), (value) => value / 64);
  }
  const bytes = Math.max(1, dtypes[dtype as DType].bytes);
  const raw = Uint8Array.from(random.int8(count * bytes, -128, 127), (value) => value & 255);
  return elementsOf(dtype, dtype === 'bool' ? raw.map((value) => value & 1) : raw);
}

function rawBytes(data: TensorData): Int8Array {
  return new Int8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The runtimes that a rounding is compared with; a later one answers where those before refuse. */
const kindsOf: Readonly<Record<RuntimeRounding, readonly RuntimeKind[]>> = {
  tflm: ['tflm', 'builtin'],
  'tflite-portable': ['builtin'],
  tflite: ['builtin'],
  xnnpack: ['default'],
};

function outcomeOf(
  bytes: Uint8Array,
  path: string,
  python: string,
  rounding: RuntimeRounding,
): Outcome {
  try {
    const ports = portsOf(bytes, path);
    const options = { optimize: 'balanced', rounding, faithful: false } as const;
    const { source } = compile({
      ...{ bytes, path, target: loadTarget('host') },
      options: { ...options, keepInput: false, xip: 'model' },
    });
    const runs = seeds.map((seed) =>
      ports.inputs.map((port, i) => randomElements(port, 100 * seed + i)),
    );
    const made = runs.flatMap((inputs) => evaluateFile(source, ports, inputs));
    return answered(made, kindsOf[rounding], (kind) => {
      const jobs = runs.map((inputs) => ({
        ...{ file: bytes, inputs: inputs.map(rawBytes), outputs: ports.outputs.length },
      }));
      const portable = rounding !== 'tflite-portable' ? {} : { RUY_PATHS: '1' };
      const answers = runtimeOutputs(python, kind, jobs, { ...process.env, ...portable });
      return answers.map((answer) =>
        typeof answer === 'string'
          ? answer
          : answer.map((data, i) =>
              elementsOf(ports.outputs[i]?.dtype ?? 'int8', new Uint8Array(data.buffer)),
            ),
      );
    });
  } catch (error) {
    return refusalOf(error);
  }
}

type AnswersOf = (kind: RuntimeKind) => readonly (readonly TensorData[] | string)[];

function answered(
  made: readonly TensorData[],
  kinds: readonly RuntimeKind[],
  answersOf: AnswersOf,
): Outcome {
  let refusal = '';
  for (const kind of kinds) {
    const answers = answersOf(kind);
    const error = answers.find((answer) => typeof answer === 'string');
    if (error === undefined) {
      const outcome = difference(made, (answers as readonly TensorData[][]).flat());
      return kind === kinds[0] || outcome !== 'exact' ? outcome : 'exact (not in TFLM)';
    }
    refusal = error;
  }
  return `compiles; no runtime answers: ${refusal.trim().split('\n').pop()}`;
}

interface Found {
  readonly repository: string;
  readonly path: string;
  readonly outcome: Outcome;
  /** Whether TFLM runs it; asked for with --summary. */
  readonly isRun: boolean;
}

function runsInTflm(bytes: Uint8Array, path: string, python: string): boolean {
  try {
    const ports = portsOf(bytes, path);
    const inputs = ports.inputs.map((port, i) => rawBytes(randomElements(port, i)));
    const jobs = [{ file: bytes, inputs, outputs: ports.outputs.length }];
    return typeof runtimeOutputs(python, 'tflm', jobs)[0] !== 'string';
  } catch {
    return false;
  }
}

/** One row for each repository: files, those that TFLM runs, the exact ones of these, and the others by outcome. */
function summaryOf(all: readonly Found[]): readonly string[] {
  const repositories = new Set(all.map(({ repository }) => repository));
  return [...repositories].map((repository) => {
    const files = all.filter((found) => found.repository === repository);
    const run = files.filter(({ isRun }) => isRun);
    const exact = run.filter(({ outcome }) => outcome === 'exact');
    const others = countsOf(run.filter(({ outcome }) => outcome !== 'exact')).map((text) =>
      text.trim(),
    );
    const share = run.length === 0 ? '' : ` (${((100 * exact.length) / run.length).toFixed(1)} %)`;
    const cells = [repository, files.length, run.length, `${exact.length}${share}`];
    return `| ${cells.join(' | ')} | ${others.join('; ')} |`;
  });
}

/** One row for the files of a folder with the same outcome. */
function tableOf(all: readonly Found[]): readonly string[] {
  const rows = new Map<string, string[]>();
  for (const { repository, path, outcome } of all) {
    const folder = dirname(path) === '.' ? '' : `${dirname(path)}/`;
    const key = JSON.stringify([repository, folder, outcome]);
    rows.set(key, [...(rows.get(key) ?? []), path.slice(folder.length)]);
  }
  return [...rows].map(([key, files]) => {
    const [repository, folder, outcome] = JSON.parse(key) as string[];
    const listed =
      files.length < 5 ? files.join(', ') : `${files.length} files: ${files[0]} … ${files.at(-1)}`;
    return `| ${repository} | ${folder} ${listed} | ${outcome} |`;
  });
}

function countsOf(all: readonly Found[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { outcome } of all) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([outcome, n]) => `${String(n).padStart(5)} ${outcome}`);
}

const { values, positionals } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    rounding: { type: 'string', default: 'tflm' },
    out: { type: 'string' },
    summary: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const rounding = roundings.find((each) => each === values.rounding);
if (rounding === undefined) throw new RangeError(`--rounding is one of ${roundings.join(', ')}`);
const all = positionals.flatMap((argument): Found[] => {
  const [repository = '', directory = ''] = argument.split('=');
  return filesOf(directory).map((path) => {
    const bytes = readFileSync(join(directory, path));
    const outcome = outcomeOf(bytes, path, values.python, rounding);
    console.error(`${repository} ${path}: ${outcome}`);
    const isRun = values.summary && (outcome === 'exact' || runsInTflm(bytes, path, values.python));
    return { repository, path, outcome, isRun };
  });
});
if (values.out !== undefined) writeFileSync(values.out, JSON.stringify(all, null, 1));
if (values.summary) {
  console.log('| repository | files | TFLM runs | exact | others |\n|---|--:|--:|--:|---|');
  console.log(summaryOf(all).join('\n'));
} else {
  console.log('| repository | files | outcome |\n|---|---|---|');
  console.log(tableOf(all).join('\n'));
  console.log(countsOf(all).join('\n'));
}
