/**
 * Measures models on simulated boards and writes docs/performance.md's table.
 *
 *     npm run bench -- [--models DIR] [--write]
 *
 * Each model with vectors beside it (DIR/../golden/NAME.json) is checked bit for bit while it is
 * measured. Without --models: the example. --write replaces the table in docs/performance.md.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildProject, findImage } from '../src/build/index.js';
import { firmwareFiles, writeProject } from '../src/build/project.js';
import type { XipModel } from '../src/device/index.js';
import { compile, measure } from '../src/pipeline.js';
import { readVectors } from '../src/profile/vectors.js';
import { makeReport, type Report } from '../src/report/index.js';
import { loadTarget } from '../src/target/index.js';

interface Baseline {
  readonly rp2040: Record<string, { cycles: number; codeBytes: number; arenaBytes: number }>;
}

const baseline = JSON.parse(
  readFileSync(new URL('baseline.json', import.meta.url), 'utf8'),
) as Baseline;

/** Compiles, builds and runs one model on the simulated RP2040. */
async function bench(modelPath: string, vectorsPath: string, xip: XipModel): Promise<Report> {
  const target = loadTarget('rp2040');
  const bytes = readFileSync(modelPath);
  const options = {
    optimize: 'balanced',
    rounding: 'tflm',
    faithful: false,
    keepInput: false,
    xip,
  } as const;
  const { module, plan, emission } = compile({ bytes, path: modelPath, target, options });
  const { manifest } = emission;
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-bench-'));
  try {
    const project = join(directory, 'project');
    writeProject(project, new Map([...emission.files, ...firmwareFiles(target)]));
    const built = await buildProject(project, { target, manifest });
    const measured = await measure({
      manifest,
      module,
      target,
      port: 'sim',
      image: findImage(built),
      xip,
      vectors: readVectors(readFileSync(vectorsPath), vectorsPath, plan),
    });
    return makeReport({ manifest, built, measured });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const mega = (count: number) => (count / 1e6).toFixed(2);

function row(ideal: Report, model: Report): string {
  const name = ideal.model.name;
  const { memory, verify } = ideal;
  const reference = baseline.rp2040[name];
  const cells = [
    name,
    mega(ideal.model.macs),
    mega(ideal.latency?.count ?? 0),
    reference === undefined ? '' : mega(reference.cycles),
    mega(model.latency?.count ?? 0),
    ((ideal.latency?.count ?? 0) / ideal.model.macs).toFixed(2),
    memory.codeBytes,
    reference?.codeBytes ?? '',
    memory.arenaBytes,
    reference?.arenaBytes ?? '',
    memory.ramBytes,
    memory.flashBytes,
    verify?.mismatches === 0 ? `${verify.vectors} exact` : `${verify?.mismatches} DIFFER`,
  ];
  return `| ${cells.join(' | ')} |`;
}

const header = [
  '| model | M MAC | M cycles | TFLM + CMSIS-NN | M cycles, XIP model | cycles/MAC | code B | TFLM | arena B | TFLM | RAM B | flash B | vectors |',
  '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
];

function benchmarks(directory: string | undefined): [model: string, vectors: string][] {
  if (directory === undefined) {
    const example = 'examples/activity';
    return [[join(example, 'activity.tflite'), join(example, 'vectors.json')]];
  }
  return readdirSync(directory)
    .filter((file) => file.endsWith('.tflite'))
    .map((file) => [
      join(directory, file),
      join(dirname(directory), 'golden', `${basename(file, '.tflite')}.json`),
    ]);
}

const { values } = parseArgs({
  options: { models: { type: 'string' }, write: { type: 'boolean' } },
});
const rows: string[] = [];
for (const [model, vectors] of benchmarks(values.models)) {
  rows.push(row(await bench(model, vectors, 'ideal'), await bench(model, vectors, 'model')));
  console.error(rows.at(-1));
}
const lines = [...header, ...rows].join('\n');
console.log(lines);
if (values.write) {
  const path = 'docs/performance.md';
  const mark = (name: string) => `<!-- ${name}: written by npm run bench -->`;
  const [before, rest] = readFileSync(path, 'utf8').split(mark('table'));
  const after = rest?.split(mark('end'))[1];
  writeFileSync(path, `${before}${mark('table')}\n${lines}\n${mark('end')}${after}`);
}
