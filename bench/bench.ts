/**
 * Measures models on simulated boards; writes the tables and the plot of docs/performance.md, and the table of
 * README.md.
 *
 *     npm run bench -- [--models DIR] [--targets a,b] [--write] [--costs [--only KERNEL,KERNEL]]
 *     npm run bench -- --operators [--targets a,b] [--optimize GOAL] [--only a,b] [--write]
 *
 * Each model with vectors beside it (DIR/../golden/NAME.json) is checked bit for bit while it is
 * measured. Without --models it measures the example. --write replaces the tables of these targets in
 * docs/performance.md, and without --targets docs/performance.svg. --costs first measures the costs of every kernel on
 * these targets and writes costs.json and code.json of their cores, by which kernels are chosen; with --only
 * it measures the named kernels, and the others keep their figures. Where core.json says that costs are cycles but
 * the simulator counts instructions, they are modelled cycles (qemu/cycles.ts).
 * --operators measures layers of all shapes instead, each with the kernel that is chosen for it
 * (operators.ts).
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildProject, findImage } from '../src/build/index.js';
import { firmwareFiles, writeProject } from '../src/build/project.js';
import { type Costs, goals } from '../src/ir/op.js';
import { compile } from '../src/pipeline.js';
import type { CompileOptions } from '../src/plan/types.js';
import { measure } from '../src/profile/measure.js';
import { readVectors } from '../src/profile/vectors.js';
import { makeReport, type Report } from '../src/report/index.js';
import { thousands } from '../src/report/text.js';
import { coreFolder, loadTarget, type Target } from '../src/target/index.js';
import { measureCode } from '../src/tune/code.js';
import { costTable, tune } from '../src/tune/index.js';
import type { MeasureRequest } from '../src/tune/measure.js';
import { only, trialsOf } from '../src/tune/trials.js';
import { replaceParts, replaceSection } from './document.js';
import { benchOperators } from './operators.js';
import { type Bar, plot } from './plot.js';
import { execute } from './qemu/blocks.js';
import { coreOf, estimateCycles } from './qemu/cycles.js';

interface Figures {
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

/** The options of a column of the table. */
type Mode = Pick<CompileOptions, 'optimize' | 'xip'>;

const fastest: Mode = { optimize: 'speed', xip: 'ideal' };
const usual: Mode = { optimize: 'balanced', xip: 'model' };
/** The conditions of the baseline on the Pico, for README's table. */
const alike: Mode = { optimize: 'balanced', xip: 'ideal' };
const smallest: Mode = { optimize: 'size', xip: 'model' };

interface Run {
  readonly report: Report;
  /**
   * For a simulator that counts instructions and a core with a model of its cycles, otherwise null.
   */
  readonly estimatedCycles: number | null;
}

/** Compiles, builds and runs one model on a simulated board. */
async function bench(
  targetName: string,
  modelPath: string,
  vectorsPath: string,
  mode: Mode,
): Promise<Run> {
  const target = loadTarget(targetName);
  const bytes = readFileSync(modelPath);
  const options = { ...mode, rounding: 'tflm', faithful: false, keepInput: false } as const;
  const { module, plan, emission } = compile({ bytes, path: modelPath, target, options });
  const { manifest } = emission;
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-bench-'));
  try {
    const project = join(directory, 'project');
    writeProject(project, new Map([...emission.files, ...firmwareFiles(target)]));
    const built = await buildProject(project, { target, manifest });
    const vectors = readVectors(readFileSync(vectorsPath), vectorsPath, plan);
    const measured = await measure({
      manifest,
      module,
      target,
      port: 'sim',
      image: findImage(built),
      xip: mode.xip,
      vectors,
    });
    const core = target.simulator === 'qemu' ? coreOf(target.coreName) : null;
    let estimatedCycles: number | null = null;
    if (core !== null) {
      const { run } = await execute(built.elf, target, manifest, vectors[0]?.inputs ?? []);
      estimatedCycles = estimateCycles(core, run).reduce((sum, cycles) => sum + cycles, 0);
    }
    return { report: makeReport({ manifest, built, measured }), estimatedCycles };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const mega = (count: number) => (count / 1e6).toFixed(count < 1e6 ? 3 : 2);
const count = (report: Report) => report.latency?.count ?? 0;

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

/** A row of README's table. */
function picoRow({ model, memory, latency }: Report, reference: Figures): string {
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

const picoHeader = [
  '| on a Pico | M cycles | TFLM | faster | flash B | TFLM | smaller | arena B | TFLM | smaller |',
  `|---|${'--:|'.repeat(9)}`,
];

const header = [
  '| model | live M MAC | speed | balanced | size | TFLM + CMSIS-NN | MAC per count | cycles, speed (estimate) | cycles, balanced (estimate) | code B | code B, size | TFLM | flash B, speed | flash B | flash B, size | TFLM | arena B | TFLM | RAM B | copied to RAM B | vectors |',
  `|${'---|'.repeat(21)}`,
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
  options: {
    models: { type: 'string' },
    targets: { type: 'string' },
    write: { type: 'boolean' },
    costs: { type: 'boolean' },
    operators: { type: 'boolean' },
    optimize: { type: 'string' },
    only: { type: 'string' },
  },
});
const targets = values.targets?.split(',') ?? Object.keys(baseline.targets);

/** For a core whose costs are cycles although its simulator counts instructions: a model of it. */
function modelledCycles(target: Target): Pick<MeasureRequest, 'countLayers'> {
  const core = target.simulator === 'qemu' ? coreOf(target.coreName) : null;
  if (core === null || target.costUnit !== 'cycles') return {};
  return {
    countLayers: async ({ built, manifest }, inputs) => {
      const { steps } = await execute(built.elf, target, manifest, inputs);
      return steps.map((step) => estimateCycles(core, step).reduce((sum, one) => sum + one, 0));
    },
  };
}

/**
 * Measures kernels and writes costs.json and code.json of the target's core.
 *
 * @param templates the kernels to measure; the others keep their figures. Default: all
 */
async function measureCosts(name: string, templates?: ReadonlySet<string>): Promise<void> {
  const target = loadTarget(name);
  const trials: typeof trialsOf = (layers, context) => {
    const all = trialsOf(layers, context);
    const wanted = all.trials.flatMap(({ template }, position) =>
      templates?.has(template) === false ? [] : [position],
    );
    return only(all, wanted);
  };
  const counted = modelledCycles(target);
  const { kernels } = await tune({ target, port: 'sim', trials, ...counted });
  const folder = coreFolder(target);
  const path = `${folder}/costs.json`;
  const measured = costTable(kernels);
  const costs: Costs = Object.fromEntries(
    goals.map((goal) => {
      const rows = { ...(templates && target.costs[goal]), ...measured[goal] };
      return [goal, Object.fromEntries(Object.entries(rows).sort())];
    }),
  );
  const inOrder = { balanced: costs.balanced, speed: costs.speed, size: costs.size };
  writeFileSync(path, `${JSON.stringify(inOrder, null, 2)}\n`);
  const worst = kernels.map(({ worstError }) => worstError);
  console.error(`${path}: ${kernels.length} kernels, at most ${Math.max(...worst)} off`);
  const code = await measureCode(target, console.error, templates);
  writeFileSync(`${folder}/code.json`, `${JSON.stringify(code, null, 2)}\n`);
}

if (values.costs) {
  const templates = values.only === undefined ? undefined : new Set(values.only.split(','));
  for (const name of targets) await measureCosts(name, templates);
}

async function benchModels(): Promise<void> {
  const sections: string[] = [];
  const bars: Bar[] = [];
  const pico: string[] = [];
  for (const target of targets) {
    const { coreName: core } = loadTarget(target);
    const rows: string[] = [];
    let unit = '';
    for (const [model, vectors] of benchmarks(values.models)) {
      const runs = [
        await bench(target, model, vectors, fastest),
        await bench(target, model, vectors, usual),
        await bench(target, model, vectors, smallest),
      ] as const;
      const speed = runs[0].report;
      const reference = baseline.targets[target]?.[speed.model.name];
      unit = speed.latency?.unit ?? '';
      rows.push(row(runs, reference));
      console.error(target, rows.at(-1));
      if (reference === undefined) continue;
      if (target === 'rp2040') {
        const { report } = await bench(target, model, vectors, alike);
        pico.push(picoRow(report, reference));
      }
      const group = `${target} ${speed.model.name}`;
      bars.push({ group, ours: count(speed), theirs: reference.count });
    }
    sections.push(`### ${target} (${core}), M ${unit}\n\n${[...header, ...rows].join('\n')}`);
  }
  const lines = sections.join('\n\n');
  console.log(lines);
  if (values.write) {
    replaceParts('models', sections);
    if (pico.length > 0) replaceSection('pico', [...picoHeader, ...pico].join('\n'), 'README.md');
    // The plot shows all boards.
    if (values.targets === undefined) writeFileSync('docs/performance.svg', plot(bars));
  }
}

if (values.operators) {
  const optimize = goals.find((goal) => goal === values.optimize) ?? 'balanced';
  const only = values.only?.split(',');
  await benchOperators({ targets, optimize, only, write: values.write ?? false });
} else {
  await benchModels();
}
