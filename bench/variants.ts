/**
 * Which kernel variants are chosen, where, and what they gain over the next best: the table of
 * docs/tables/variants.md. It plans, and measures nothing: minutes.
 *
 *     npx tsx bench/variants.ts [--models DIR] [--layers COUNT] [--seed N] [--write]
 *
 * The corpus: the example, the models below DIR, the grid of shapes of every operator, the layers that costs
 * are measured on, the golden network of every variant, and COUNT (2000) random layers; on boards of each
 * core that has costs, with each goal, and flash as it is (with misses) and ideal.
 * A gain is the cost of the next best (count + price · bytes, as the goal weighs them) over that of the variant.
 * It is negative where the next best is cheaper but larger than the board's flash or RAM.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { listTargets, loadTarget, type Target } from '../src/boards/target/index.js';
import { calibration, type Layer } from '../src/boards/tune/layers.js';
import { networkOf } from '../src/boards/tune/trials.js';
import { analyse } from '../src/compiler/analysis/index.js';
import { analysed } from '../src/compiler/index.js';
import { type Module, mainGraph } from '../src/compiler/ir/graph.js';
import { type Facts, goals, type Optimize } from '../src/compiler/ir/op.js';
import { kernelsOf } from '../src/compiler/kernels/index.js';
import { operators } from '../src/compiler/ops/index.js';
import { makePlan } from '../src/compiler/plan/index.js';
import { noKernel, type Plan, type PlanStep, type XipModel } from '../src/compiler/plan/types.js';
import { makeRandom } from '../src/compress/random.js';
import { BonsaiError } from '../src/errors.js';
import { load } from '../src/pipeline.js';
import { variantModule, variantRows } from '../test/support/variant-rows.js';
import { replaceSection, tables } from './document.js';
import { operatorGrid } from './operators/grid.js';
import { randomLayer } from './operators/random.js';

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    layers: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false },
  },
});

/** What is known of a variant. */
interface Row {
  readonly cores: Set<string>;
  chosen: number;
  /** Gains over the next best, where another applied. */
  readonly gains: number[];
  /** How often nothing else applied. */
  alone: number;
}

const rows = new Map<string, Row>(
  [...operators.keys()]
    .flatMap((op) => kernelsOf({ op }).variants)
    .map(({ template }) => [template, { cores: new Set(), chosen: 0, gains: [], alone: 0 }]),
);

/** A board of each core that has costs of its own; one with a flash cache and one without, if any. */
const boards: readonly Target[] = [
  ...new Map(
    listTargets()
      .map(loadTarget)
      .filter(({ costs, images }) => Object.keys(costs).length > 0 && images.length > 0)
      .reverse()
      .map((target) => [`${target.core} ${target.regions === undefined}`, target]),
  ).values(),
];

function note({ kernel, alternatives }: PlanStep, { flashPrice }: Plan['decision'], core: string) {
  const row = rows.get(kernel);
  if (row === undefined) return;
  const costOf = ({ count, bytes }: PlanStep['alternatives'][number]) => count + flashPrice * bytes;
  const [chosen, ...others] = alternatives.filter(({ cores }) => cores === 1);
  row.cores.add(core);
  row.chosen++;
  const rest = others.filter((other) => other.kernel !== kernel).map(costOf);
  if (chosen === undefined || rest.length === 0) row.alone++;
  else row.gains.push(Math.min(...rest) / costOf(chosen) - 1);
}

function planOn(
  module: Module,
  facts: Facts,
  target: Target,
  optimize: Optimize,
  xip: XipModel,
): void {
  const options = { optimize, rounding: 'tflm', faithful: false } as const;
  try {
    const rest = { keepInput: false, xip } as const;
    const { plan } = makePlan(module, facts, target, { ...options, ...rest });
    for (const step of plan.steps) {
      if (step.kernel !== noKernel) note(step, plan.decision, target.core);
    }
  } catch (error) {
    // Layers that are too large for a board show nothing there.
    if (!(error instanceof BonsaiError)) throw error;
  }
}

const xipModels: readonly XipModel[] = ['model', 'ideal'];

function planned(module: Module, facts: Facts): void {
  for (const target of boards)
    for (const optimize of goals)
      for (const xip of target.regions === undefined ? (['ideal'] as const) : xipModels)
        planOn(module, facts, target, optimize, xip);
}

function* modelFiles(): Iterable<string> {
  yield 'examples/activity/activity.tflite';
  const { models } = values;
  if (models === undefined || !existsSync(models)) return;
  for (const path of readdirSync(models, { recursive: true, encoding: 'utf8' }).sort()) {
    if (path.endsWith('.tflite')) yield `${models}/${path}`;
  }
}

for (const path of modelFiles()) {
  for (const rounding of ['tflm', 'tflite-portable', 'xnnpack'] as const) {
    const options = { optimize: 'balanced', rounding, faithful: false, keepInput: false } as const;
    try {
      const request = { bytes: readFileSync(path), path, options: { ...options, xip: 'ideal' } };
      const { module, facts } = analysed(load(request as Parameters<typeof load>[0]));
      planned(module, facts);
    } catch (error) {
      if (!(error instanceof BonsaiError)) throw error;
    }
  }
}
const random = makeRandom(Number(values.seed));
const layers: readonly Layer[] = [
  ...operatorGrid(),
  ...calibration,
  ...Array.from({ length: Number(values.layers) }, () => randomLayer(random)),
];
for (const module of [...layers.map(networkOf), ...Object.values(variantRows).map(variantModule)]) {
  planned(module, analyse(mainGraph(module)));
}

const percent = (share: number) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function lineOf([template, { cores, chosen, gains, alone }]: readonly [string, Row]): string {
  const sorted = [...gains].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const most = sorted.at(-1);
  const cells = [
    ...[`\`${template}\``, String(chosen), [...cores].sort().join(', ')],
    ...[String(alone), median === undefined ? '' : percent(median)],
    most === undefined ? '' : percent(most),
  ];
  return `| ${cells.join(' | ')} |`;
}

const table = [
  '| variant | chosen | cores | nothing else applied | gain, median | gain, most |',
  '|---|---|---|---|---|---|',
  ...[...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(lineOf),
].join('\n');
console.log(table);
const isEarned = (gain: number) => gain >= 0.02 || gain < -0.001;
const bad = [...rows].filter(([, { alone, gains }]) => alone === 0 && !gains.some(isEarned));
console.error(`never chosen, or never 2 % better: ${bad.map(([name]) => name).join(', ')}`);
if (values.write) replaceSection('variants', table, tables.variants);
