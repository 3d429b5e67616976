/**
 * Whether PyPI's tflite-micro gives the bits of the int8 graph for the models that
 * bench/compression.ts has left in --out, over all test images:
 *
 *     npx tsx bench/compression-bits.ts --data DIR --out DIR --python build/tflite/bin/python3
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { importModel } from '../src/compiler/formats/index.js';
import { mainGraph } from '../src/compiler/ir/graph.js';
import type { Dataset } from '../src/compress/data/dataset.js';
import { loadDataset } from '../src/compress/data/load.js';
import { split } from '../src/compress/data/split.js';
import { integerRunner } from '../src/compress/integer.js';
import { quantizedSamples } from '../src/compress/score.js';
import { loadBackend, type Tf } from '../src/compress/tensorflow.js';

const { values } = parseArgs({
  options: { data: { type: 'string' }, out: { type: 'string' }, python: { type: 'string' } },
});
const { data, out, python } = values;
if (data === undefined || out === undefined || python === undefined) {
  throw new Error('give --data, --out and --python');
}

const all = await loadDataset(data, { shape: [28, 28, 1] });
const { test } = split(all, { validation: 0.15, test: 0.25, seed: 1 });
const { tf } = await loadBackend();
const runtimes = fileURLToPath(new URL('runtimes.py', import.meta.url));

/** Images that run at once. */
const batch = 256;

let elements = 0;
let differing = 0;
for (const path of modelsIn(out)) {
  const [ours, theirs] = [ownAnswers(tf, path, test), microAnswers(path, test)];
  if (ours.length !== theirs.length) throw new Error(`${path}: ${theirs.length} elements`);
  const count = ours.filter((value, i) => value !== theirs[i]).length;
  elements += ours.length;
  differing += count;
  console.log(`${path}: ${count} of ${ours.length} elements differ`);
}
console.log(`${differing} of ${elements} elements differ`);

/** All int8 models of all seeds. */
function modelsIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.tflite') && !name.endsWith('float.tflite'))
    .map((name) => join(folder, name))
    .sort();
}

function ownAnswers(tf: Tf, path: string, data: Dataset): Int8Array {
  const graph = mainGraph(
    importModel(readFileSync(path), { name: 'model', where: path, rounding: 'tflm' }),
  );
  const runner = integerRunner(tf, graph);
  const found: number[] = [];
  for (let first = 0; first < data.count; first += batch) {
    const count = Math.min(batch, data.count - first);
    const made = runner.run(quantizedSamples(graph, data, first, count), count);
    found.push(...(made.get(graph.outputs[0] ?? 0) as Int8Array));
  }
  return Int8Array.from(found);
}

function microAnswers(path: string, data: Dataset): Int8Array {
  const graph = mainGraph(
    importModel(readFileSync(path), { name: 'model', where: path, rounding: 'tflm' }),
  );
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-bits-'));
  try {
    const [input, outputs, jobs] = ['in', 'out', 'jobs.json'].map((name) => join(folder, name));
    writeFileSync(input as string, quantizedSamples(graph, data, 0, data.count)[0] as Int8Array);
    const job = { model: path, inputs: [input], outputs, count: 1 };
    writeFileSync(jobs as string, JSON.stringify([job]));
    execFileSync(python as string, [runtimes, 'tflm', jobs as string], { stdio: 'ignore' });
    return new Int8Array(readFileSync(`${outputs}.0`));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
