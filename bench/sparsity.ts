/**
 * Measures the gain of zero weights: layers with an increasing share of zeros, in every pattern,
 * with every kernel, on simulated boards.
 *
 *     npx tsx bench/sparsity.ts [--targets a,b] [--write]
 *
 * --write replaces the table in docs/tables/sparsity.md and docs/sparsity.svg. Flash is read without
 * cache misses.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadTarget } from '../src/boards/target/index.js';
import { conv, dense, type Layer, prune } from '../src/boards/tune/layers.js';
import { type MeasuredTrial, measureLayers } from '../src/boards/tune/measure.js';
import { trialsOf } from '../src/boards/tune/trials.js';
import { analyse } from '../src/compiler/analysis/index.js';
import { mainGraph } from '../src/compiler/ir/graph.js';
import { makePlan } from '../src/compiler/plan/index.js';
import type { PlanStep } from '../src/compiler/plan/types.js';
import { replaceSection, tables } from './document.js';
import { type Panel, panels } from './panels.js';

const layers: Readonly<Record<string, Layer>> = {
  '1×1, 64 to 64': conv([1, 8, 8, 64], 64, [1, 1]),
  '3×3, 32 to 32': conv([1, 8, 8, 32], 32, [3, 3]),
  'fully connected, 256 to 64': dense(256, 64),
};

const tenths = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
const eighths = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => n / 8);

/** Pattern → shares of zeros. */
const sweeps: Readonly<Record<string, readonly number[]>> = {
  ...{ unstructured: tenths, 'blocks 1x4': tenths, 'blocks 4x4': tenths },
  'n of 8': eighths,
};

/** A layer at one share of zeros, with the best results over all kernels. */
interface Point {
  readonly zeros: number;
  /** Cycles or instructions of the fastest kernel. */
  readonly count: number;
  /** Count of the kernel that is chosen with --optimize balanced. */
  readonly chosen: number;
  /** Count of the kernel that would be chosen among those that multiply every weight. */
  readonly dense: number;
  /** Bytes of the kernel with the smallest weights. */
  readonly bytes: number;
}

interface Sweep {
  readonly target: string;
  readonly layer: string;
  readonly pattern: string;
  readonly points: readonly Point[];
  readonly int8Bytes: number;
}

async function sweep(target: string, layer: string, pattern: string): Promise<Sweep> {
  const shares = sweeps[pattern] ?? [];
  const whole = layers[layer] as Layer;
  const pruned = shares.map((zeros) => prune(whole, { pattern, density: 1 - zeros }));
  const { trials } = await measureLayers(pruned, 'balanced', {
    target: loadTarget(target),
    port: 'sim',
  });
  const points = pruned.map((one, i) => {
    const mine = trials.filter((trial) => trial.layer === one);
    const least = (of: (trial: MeasuredTrial) => number) => Math.min(...mine.map(of));
    const { chosen, dense } = choiceFor(one, target);
    const countOf = (kernel: string) =>
      least(({ count, template }) => (template === kernel ? count : Infinity));
    return {
      zeros: shares[i] ?? 0,
      count: least(({ count }) => count),
      chosen: countOf(chosen),
      dense: countOf(dense),
      bytes: least(({ weightBytes }) => weightBytes),
    };
  });
  const int8Bytes = (whole.weights?.shape ?? []).reduce((product, extent) => product * extent, 1);
  return { target, layer, pattern, points, int8Bytes };
}

/**
 * The choices of --optimize balanced: among all kernels, and among those that multiply every
 * weight.
 */
function choiceFor(layer: Layer, targetName: string): Readonly<Record<'chosen' | 'dense', string>> {
  const { regions: _, ...target } = loadTarget(targetName);
  const none = analyse({ name: '', tensors: [], nodes: [], inputs: [], outputs: [] });
  const { module } = trialsOf([layer], { target, facts: none, optimize: 'balanced' });
  const options = { optimize: 'balanced', rounding: 'tflm', faithful: true } as const;
  const rest = { keepInput: false, xip: 'ideal' } as const;
  const { plan } = makePlan(module, analyse(mainGraph(module)), target, { ...options, ...rest });
  const [step] = plan.steps as [PlanStep];
  return { chosen: step.kernel, dense: step.dense?.kernel ?? step.kernel };
}

/** A point relative to the same layer without zeros, in count, and in bytes relative to int8. */
const timeOf = ({ points }: Sweep, { count }: Point) => count / (points[0]?.count ?? 1);
const bytesOf = ({ int8Bytes }: Sweep, { bytes }: Point) => bytes / int8Bytes;

/** A relative cost below this is a gain. */
const gain = 0.98;

/** The least share of zeros from which all points gain. */
function breakEven(of: Sweep, shareOf: (of: Sweep, point: Point) => number): string {
  const last = of.points.findLastIndex((point) => shareOf(of, point) > gain);
  const first = of.points[last + 1];
  return first === undefined ? 'never' : percent(first.zeros);
}

function at(of: Sweep, zeros: number, shareOf: (of: Sweep, point: Point) => number): string {
  const near = of.points.find((point) => point.zeros >= zeros - 0.06);
  return near === undefined ? '' : shareOf(of, near).toFixed(2);
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

function tableOf(all: readonly Sweep[]): string {
  const rows = all.map((one) =>
    [
      one.target,
      one.layer,
      one.pattern,
      breakEven(one, timeOf),
      at(one, 0.5, timeOf),
      at(one, 0.8, timeOf),
      at(one, 0.9, timeOf),
      breakEven(one, bytesOf),
      at(one, 0.5, bytesOf),
      at(one, 0.8, bytesOf),
      at(one, 0.9, bytesOf),
    ].join(' | '),
  );
  const head =
    '| target | layer | pattern | faster from | time, 50 % | 80 % | 90 % | smaller from | bytes, 50 % | 80 % | 90 % |';
  return [head, `|${'---|'.repeat(11)}`, ...rows.map((row) => `| ${row} |`)].join('\n');
}

function plotOf(all: readonly Sweep[]): string {
  const panel = (
    target: string,
    layer: string,
    what: string,
    shareOf: (of: Sweep, point: Point) => number,
  ): Panel => ({
    title: `${target}, ${layer}: ${what}`,
    lines: all
      .filter((one) => one.target === target && one.layer === layer)
      .map((one) => ({
        name: one.pattern,
        points: one.points.map((point) => [point.zeros, shareOf(one, point)] as const),
      })),
  });
  const rows = targets.flatMap((target) => [
    Object.keys(layers).map((layer) => panel(target, layer, 'time', timeOf)),
    Object.keys(layers).map((layer) => panel(target, layer, 'bytes', bytesOf)),
  ]);
  const title =
    'Weights at zero: time of the fastest kernel against the layer without zeros; bytes of the smallest against int8';
  return panels(rows, { title, x: '% zeros', most: 1.1 });
}

const { values } = parseArgs({
  options: { targets: { type: 'string' }, write: { type: 'boolean' } },
});
const targets = values.targets?.split(',') ?? ['rp2040', 'stm32f405', 'mps3-an547'];

const all: Sweep[] = [];
for (const target of targets) {
  for (const layer of Object.keys(layers)) {
    for (const pattern of Object.keys(sweeps)) {
      all.push(await sweep(target, layer, pattern));
      console.error(target, layer, pattern);
    }
  }
}
const table = tableOf(all);
console.log(table);
const slower = all.flatMap((one) =>
  one.points.map(({ zeros, chosen, dense }) => ({ ...one, zeros, by: chosen / dense - 1 })),
);
const { target, layer, pattern, zeros, by } = slower.reduce((a, b) => (b.by > a.by ? b : a));
console.log(
  `At most ${(100 * by).toFixed(1)} % slower than without sparse kernels is what --optimize balanced chooses: ${target}, ${layer}, ${pattern}, ${percent(zeros)}`,
);
if (values.write) {
  replaceSection('sparsity', table, tables.sparsity);
  writeFileSync('docs/sparsity.svg', plotOf(all));
}
