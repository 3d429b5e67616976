/** Whole models on simulated boards: how they are measured, and their rows in the tables of figures. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildProject, findImage } from '../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../src/boards/build/project.js';
import { measure } from '../src/boards/profile/measure.js';
import { readVectors } from '../src/boards/profile/vectors.js';
import { loadTarget } from '../src/boards/target/index.js';
import type { CompileOptions } from '../src/compiler/plan/types.js';
import { compile } from '../src/pipeline.js';
import { makeReport, type Report } from '../src/report/index.js';
import { thousands } from '../src/report/text.js';
import { execute } from './qemu/blocks.js';
import { coreOf, estimateCycles } from './qemu/cycles.js';

/** Of one model on one target, of a runtime to compare with. */
export interface Figures {
  /** Cycles or instructions, whichever the target counts. */
  readonly count: number;
  readonly codeBytes: number;
  readonly flashBytes: number;
  readonly arenaBytes: number;
}

interface Baseline {
  readonly targets: Readonly<Record<string, Readonly<Record<string, Figures>>>>;
}

const baseline = JSON.parse(
  readFileSync(new URL('baseline.json', import.meta.url), 'utf8'),
) as Baseline;

/** TFLM's figures, if there are any. */
export const referenceOf = (target: string, model: string): Figures | undefined =>
  baseline.targets[target]?.[model];

/** Targets with figures of TFLM, which the plot shows. */
export const comparedTargets = Object.keys(baseline.targets);

/** How many models have figures of TFLM on a target. */
export const comparedModels = (target: string): number =>
  Object.keys(baseline.targets[target] ?? {}).length;

/** The options of a column of the table. */
export type Mode = Pick<CompileOptions, 'optimize' | 'xip'>;

const fastest: Mode = { optimize: 'speed', xip: 'ideal' };
export const usual: Mode = { optimize: 'balanced', xip: 'model' };
/** The conditions of the baseline on the Pico, for README's table. */
export const alike: Mode = { optimize: 'balanced', xip: 'ideal' };
const smallest: Mode = { optimize: 'size', xip: 'model' };

export interface Run {
  readonly report: Report;
  /**
   * For a simulator that counts instructions and a core with a model of its cycles, otherwise null.
   */
  readonly estimatedCycles: number | null;
}

/** A model, and vectors whose outputs are compared bit for bit. */
export interface Benchmark {
  readonly model: string;
  readonly vectors: string;
}

/** The model that is in the repository. */
export const example: Benchmark = {
  model: fileURLToPath(new URL('../examples/activity/activity.tflite', import.meta.url)),
  vectors: fileURLToPath(new URL('../examples/activity/vectors.json', import.meta.url)),
};

/** The models of a folder with the vectors of DIR/../golden/NAME.json, and the example. */
export function benchmarksOf(directory: string | undefined): readonly Benchmark[] {
  if (directory === undefined) return [example];
  const models = readdirSync(directory).filter((file) => file.endsWith('.tflite'));
  return [example, ...models.sort().map((file) => benchmarkOf(directory, file))];
}

export const benchmarkOf = (directory: string, file: string): Benchmark => ({
  model: join(directory, file),
  vectors: join(dirname(directory), 'golden', `${basename(file, '.tflite')}.json`),
});

/** Compiles and builds a model in a directory that is there while `work` goes on. */
async function withBuilt<T>(
  targetName: string,
  path: string,
  mode: Mode,
  work: (made: Made) => Promise<T>,
): Promise<T> {
  const target = loadTarget(targetName);
  const bytes = readFileSync(path);
  const options = { ...mode, rounding: 'tflm', faithful: false, keepInput: false } as const;
  const compiled = compile({ bytes, path, target, options });
  const { manifest, files } = compiled.emission;
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-bench-'));
  try {
    const project = join(directory, 'project');
    writeProject(project, new Map([...files, ...firmwareFiles(target)]));
    const built = await buildProject(project, { target, manifest });
    return await work({ target, compiled, built });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Made {
  readonly target: ReturnType<typeof loadTarget>;
  readonly compiled: ReturnType<typeof compile>;
  readonly built: Awaited<ReturnType<typeof buildProject>>;
}

/** Bytes of one model on a board, without a run. */
export const buildModel = (target: string, { model }: Benchmark, mode: Mode): Promise<Report> =>
  withBuilt(target, model, mode, async ({ target: board, compiled, built }) =>
    makeReport({ manifest: compiled.emission.manifest, target: board, built }),
  );

/** Compiles, builds and runs one model on a simulated board. */
export const benchModel = (target: string, { model, vectors }: Benchmark, mode: Mode) =>
  withBuilt(target, model, mode, (made) => run(made, vectors, mode));

async function run({ target, compiled, built }: Made, path: string, { xip }: Mode): Promise<Run> {
  const { module, plan, emission } = compiled;
  const { manifest } = emission;
  const vectors = readVectors(readFileSync(path), path, plan);
  const image = findImage(built);
  const measured = await measure({ manifest, module, target, port: 'sim', image, xip, vectors });
  const core = target.simulator === 'qemu' ? coreOf(target.coreName) : null;
  let estimatedCycles: number | null = null;
  if (core !== null) {
    const inputs = vectors[0]?.inputs ?? [];
    const { run: blocks } = await execute(built.elf, target, manifest, inputs);
    estimatedCycles = estimateCycles(core, blocks).reduce((sum, cycles) => sum + cycles, 0);
  }
  return { report: makeReport({ manifest, target, built, measured }), estimatedCycles };
}

/** A row of docs/tables/models.md: a model on a target, for each goal. */
export interface ModelRow {
  readonly text: string;
  /** With `--optimize speed`. */
  readonly fastest: Report;
  /** By default. */
  readonly usual: Report;
}

export async function measureRow(target: string, benchmark: Benchmark): Promise<ModelRow> {
  const runs = [
    await benchModel(target, benchmark, fastest),
    await benchModel(target, benchmark, usual),
    await benchModel(target, benchmark, smallest),
  ] as const;
  const [{ report: speed }, { report: balanced }] = runs;
  const reference = referenceOf(target, speed.model.name);
  return { text: row(runs, reference), fastest: speed, usual: balanced };
}

const mega = (count: number) => (count / 1e6).toFixed(count < 1e6 ? 3 : 2);
export const count = (report: Report) => report.latency?.count ?? 0;

const estimate = ({ estimatedCycles: cycles }: Run) => (cycles === null ? '' : mega(cycles));

function row(runs: readonly [speed: Run, balanced: Run, size: Run], reference?: Figures): string {
  const reports = runs.map(({ report }) => report);
  const [{ report: speed }, { report: balanced }, { report: size }] = runs;
  const { memory } = balanced;
  const wrong = reports.reduce((sum, { verify }) => sum + (verify?.mismatches ?? 0), 0);
  const checked = reports.reduce((sum, { verify }) => sum + (verify?.vectors ?? 0), 0);
  const copied = memory.sramCopyBytes;
  const cells = [
    speed.model.name,
    mega(speed.model.liveMacs),
    mega(count(speed)),
    mega(count(balanced)),
    mega(count(size)),
    reference === undefined ? '' : mega(reference.count),
    (speed.model.macs / count(speed)).toFixed(2),
    estimate(runs[0]),
    estimate(runs[1]),
    memory.codeBytes,
    size.memory.codeBytes,
    reference?.codeBytes ?? '',
    speed.memory.flashBytes,
    memory.flashBytes,
    size.memory.flashBytes,
    reference?.flashBytes ?? '',
    memory.arenaBytes,
    reference?.arenaBytes ?? '',
    (memory.ramBytes ?? 0) - copied,
    copied,
    wrong === 0 ? `${checked} exact` : `${wrong} DIFFER`,
  ];
  return `| ${cells.join(' | ')} |`;
}

/** A row of README's table; the report is of a run that is `alike`. */
export function picoRow({ model, memory, latency }: Report, reference: Figures): string {
  const beside = (ours: number, theirs: number, text: (value: number) => string) => [
    text(ours),
    text(theirs),
    `${(theirs / ours).toFixed(1)}×`,
  ];
  const cells = [
    model.name,
    ...beside(latency?.count ?? 0, reference.count, mega),
    ...beside(memory.flashBytes ?? 0, reference.flashBytes, thousands),
    ...beside(memory.arenaBytes, reference.arenaBytes, thousands),
  ];
  return `| ${cells.join(' | ')} |`;
}

export const picoHeader = [
  '| on a Pico | M cycles | TFLM | faster | flash B | TFLM | smaller | arena B | TFLM | smaller |',
  `|---|${'--:|'.repeat(9)}`,
];

export const header = [
  '| model | live M MAC | speed | balanced | size | TFLM + CMSIS-NN | MAC per count | cycles, speed (estimate) | cycles, balanced (estimate) | code B | code B, size | TFLM | flash B, speed | flash B | flash B, size | TFLM | arena B | TFLM | RAM B | copied to RAM B | vectors |',
  `|${'---|'.repeat(21)}`,
];

/** README's sentence about flash with misses: reports of README's table, and the same by default. */
export function missesSentence(
  models: readonly { readonly ideal: Report; readonly usual: Report }[],
): string {
  const byGain = models
    .map(({ ideal, usual }) => ({ usual, times: count(usual) / count(ideal) }))
    .sort((a, b) => b.times - a.times);
  const [worst, next] = byGain;
  if (worst === undefined || next === undefined) return '';
  const { model, memory } = worst.usual;
  const took = `\`${model.name}\` takes ${mega(count(worst.usual))} M cycles in ${thousands(memory.flashBytes ?? 0)} bytes`;
  const percent = ((next.times - 1) * 100).toFixed(1);
  return `Where flash misses its cache, as it does by default, ${took}, and the others at most ${percent} % more cycles.`;
}
