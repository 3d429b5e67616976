/**
 * What is chosen for many models, targets, goals and budgets, and how good that is by each goal.
 *
 *     npx tsx bench/choice.ts write FILE     figures of every plan, and the budgets that they were asked for
 *     npx tsx bench/choice.ts check FILE     the worst and the mean change since; status 1 if one is worse by 0.5 %
 *
 * Write the file before a change of src/compiler/plan and check it after: a plan is asked for the
 * budgets in the file, which lie between what the leanest plan takes and what the plan without a
 * budget takes. A change is that of the score of docs/choice.md, in logarithms: of what the goal
 * weighs, and a hundred times that of what exceeds a budget of flash or time. Time is of the
 * processor, for choices and packing alone, so compare it on the same machine in the same state.
 *
 * `--models DIR`, `--only TEXT` (keys that contain it), `--graphs COUNT` (200), `--worst COUNT` (10).
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { loadTarget, type Target } from '../src/boards/target/index.js';
import { analyse, modelSize } from '../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../src/compiler/ir/graph.js';
import { goals, type Optimize } from '../src/compiler/ir/op.js';
import { runPasses } from '../src/compiler/passes/index.js';
import { runtimeBytesOf } from '../src/compiler/plan/choose/code-size.js';
import { planInTime } from '../src/compiler/plan/cores.js';
import { faithfulCount } from '../src/compiler/plan/faithful.js';
import { type Planned, plannerFor, type Resources } from '../src/compiler/plan/index.js';
import { type CompileOptions, estimatedCount } from '../src/compiler/plan/types.js';
import { BonsaiError } from '../src/errors.js';
import { load } from '../src/pipeline.js';
import { fusibleSeeds, graphSeeds, growGraph } from '../test/support/graphs.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: 'string', default: '../shared/models' },
    only: { type: 'string', default: '' },
    graphs: { type: 'string', default: '200' },
    worst: { type: 'string', default: '10' },
  },
});
const [mode, file] = positionals;
if ((mode !== 'write' && mode !== 'check') || file === undefined) {
  throw new Error('choice.ts write|check FILE');
}

/** Of one plan. */
interface Figures {
  readonly resources: Resources & Pick<CompileOptions, 'autoCores'>;
  readonly count: number;
  readonly imageBytes: number;
  readonly arenaBytes: number;
  /** What figures are compared with: the fastest kernels, the smallest dense constants, the least arena. */
  readonly fastest: number;
  readonly denseBytes: number;
  readonly leastArenaBytes: number;
  readonly clockHz: number;
}
type All = Record<string, Figures>;

const before: All | null = mode === 'check' ? JSON.parse(readFileSync(file, 'utf8')) : null;
const after: All = {};

const wideTargets = [
  ...['rp2040', 'stm32f405', 'esp32c3', 'mps3-an547', 'stm32f411', 'mps2-an385', 'mps2-an500'],
  ...['lx60', 'host', 'rp2350', 'stm32h743'],
];
const budgetTargets = ['rp2040', 'stm32f405', 'esp32c3', 'mps3-an547'];
let choiceMs = 0;

function figuresOf({ plan }: Planned, target: Target, resources: Figures['resources']): Figures {
  const { steps, arenaBytes, decision, options } = plan;
  const sum = (of: (step: (typeof steps)[number]) => number) =>
    steps.reduce((all, step) => all + (step.alternatives.length > 0 ? of(step) : 0), 0);
  const least = (numbers: readonly number[]) => Math.min(...numbers);
  const real = steps.filter(({ alternatives }) => alternatives.length > 0);
  return {
    resources,
    count: estimatedCount(plan),
    imageBytes: decision.imageBytes,
    arenaBytes,
    fastest: sum(({ alternatives }) => least(alternatives.map(({ count }) => count))),
    denseBytes: Math.max(
      runtimeBytesOf(real.length, target, options.optimize),
      sum(({ alternatives }) => {
        const dense = alternatives.filter(({ form }) => form === 'dense');
        return least((dense.length > 0 ? dense : alternatives).map(({ bytes }) => bytes));
      }),
    ),
    leastArenaBytes: real.reduce(
      (most, { alternatives }) => Math.max(most, least(alternatives.map((one) => one.arenaBytes))),
      0,
    ),
    clockHz: target.clockHz,
  };
}

function measure(
  name: string,
  source: Module,
  module: Module,
  targets: readonly string[],
  withBudgets: (target: string) => boolean,
): void {
  const facts = analyse(mainGraph(module));
  for (const targetName of targets) {
    const target = loadTarget(targetName);
    for (const optimize of goals) {
      const options: CompileOptions = {
        ...{ optimize, rounding: 'tflm', faithful: false, keepInput: false, xip: 'model' },
      };
      const key = `${name} ${targetName} ${optimize}`;
      if (!key.includes(values.only)) continue;
      const planFor = plannerFor(module, facts, target, options, modelSize(mainGraph(source)), {
        faithfulCount: faithfulCount(source, target),
      });
      const add = (edge: string, resources: Figures['resources']) => {
        const full = `${key}${edge}`;
        const asked = before?.[full]?.resources ?? resources;
        const start = process.cpuUsage();
        const planned = asked.autoCores
          ? planInTime((more) => planFor({ ...asked, ...more }), target, { ...options, ...asked })
          : planFor(asked);
        const { user, system } = process.cpuUsage(start);
        choiceMs += (user + system) / 1000;
        after[full] = figuresOf(planned, target, asked);
        return after[full];
      };
      // What is known of kernels is computed with the first plan.
      planFor();
      const free = add('', {});
      if (target.secondCore !== undefined) add(' two cores', { cores: 2 });
      if (withBudgets(targetName)) budgets(add, free, target);
    }
  }
}

/** Budgets between what the leanest plan takes and what the plan without a budget takes. */
function budgets(
  add: (edge: string, resources: Figures['resources']) => Figures,
  free: Figures,
  target: Target,
): void {
  const between = (a: number, b: number, share: number) => Math.ceil(a + share * (b - a));
  const leanFlash = add(' no flash', { maxFlash: 1 });
  for (const share of [0.02, 0.2, 0.6]) {
    const maxFlash = between(leanFlash.imageBytes, free.imageBytes, share);
    add(` flash ${share}`, { maxFlash });
  }
  const leanRam = add(' no ram', { maxRam: 1 });
  const own = 4096;
  for (const share of [0, 0.3, 1]) {
    add(` ram ${share}`, { maxRam: own + between(leanRam.arenaBytes, free.arenaBytes, share) });
  }
  const msOf = ({ count }: Figures) => (1000 * count) / target.clockHz;
  const soon = add(' no time', { maxMs: 1e-6 });
  for (const share of [0.1, 0.5]) {
    // Counts are rounded: what is met to the cycle may be missed by a part of one.
    const maxMs = 1.0001 * (msOf(soon) + share * (msOf(free) - msOf(soon)));
    add(` ms ${share}`, { maxMs });
    const middle = between(leanFlash.imageBytes, free.imageBytes, 0.5);
    if (share === 0.5) add(' ms and flash', { maxMs: 1.1 * maxMs, maxFlash: middle });
    if (target.secondCore !== undefined) add(` ms ${share} auto`, { maxMs, autoCores: true });
  }
}

/** Graphs without kernels for a type are left out. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof BonsaiError)) throw error;
  }
}

const paths = ['examples/activity', values.models]
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder).map((path) => join(folder, path)))
  .filter((path) => path.endsWith('.tflite'));
for (const path of paths) {
  const options = {
    ...({ optimize: 'balanced', rounding: 'tflm', faithful: false } as const),
    ...({ keepInput: false, xip: 'model' } as const),
  };
  const { source, module } = load({ bytes: readFileSync(path), path, options });
  const name = basename(path, '.tflite');
  measure(name, source, module, wideTargets, (target) => budgetTargets.includes(target));
  console.error(name, Math.round(choiceMs));
}
const count = Number(values.graphs);
const seeds = [
  ...fc.sample(graphSeeds, { numRuns: count / 2, seed: 28 }),
  ...fc.sample(fusibleSeeds, { numRuns: count / 2, seed: 28 }),
];
seeds.forEach((seed, i) => {
  attempt(() => {
    const source = growGraph(seed);
    const module = runPasses(source, { faithful: false });
    measure(`graph${i}`, source, module, ['rp2040', 'stm32f405', 'mps3-an547'], () => false);
  });
});

/** The arena as it is priced: less than 16 KB counts as 16 KB. */
const arenaWorth = ({ leastArenaBytes: least }: Figures, { arenaBytes }: Figures) =>
  Math.max(least, 16384) + arenaBytes - least;

/** In logarithms: 0.01 is 1 % of what the goal weighs. */
function score(goal: Optimize, reference: Figures, one: Figures): number {
  const arena = arenaWorth(reference, one);
  // A graph may need no work, or have no constants.
  const count = Math.max(1, one.count);
  if (goal === 'speed') return Math.log(count);
  if (goal === 'size') return Math.log(one.imageBytes) + Math.log(count * arena) / 12;
  const least = arenaWorth(reference, { ...reference, arenaBytes: reference.leastArenaBytes });
  const fastest = Math.max(1, reference.fastest);
  const denseBytes = Math.max(1, reference.denseBytes);
  return Math.log(count / fastest + (one.imageBytes / denseBytes + arena / least) / 5);
}

/** By how much budgets are exceeded, in logarithms. */
function excess({ resources, imageBytes, count, clockHz }: Figures): number {
  const { maxFlash = Infinity, maxMs = Infinity } = resources;
  const over = (used: number, limit: number) => Math.max(0, Math.log(used / limit));
  return over(imageBytes, maxFlash) + over((1000 * count) / clockHz, maxMs);
}

/** What exceeds a budget weighs so many times as much as what the goal weighs. */
const worthOfExcess = 100;

interface Row {
  readonly key: string;
  readonly goal: Optimize;
  readonly old: Figures;
  readonly now: Figures;
  readonly more: number;
  readonly change: number;
}

function rowsOf(before: All): readonly Row[] {
  return Object.entries(after).flatMap(([key, now]) => {
    const old = before[key];
    const goal = goals.find((one) => key.split(' ').includes(one));
    if (old === undefined || goal === undefined) return [];
    const more = excess(now) - excess(old);
    const change = score(goal, old, now) - score(goal, old, old) + worthOfExcess * more;
    return [{ key, goal, old, now, more, change }];
  });
}

const mostWorse = 0.005;
const percent = (share: number) => `${(100 * share).toFixed(2)} %`;

function compare(rows: readonly Row[]): void {
  const hasBudget = ({ old }: Row) => Object.keys(old.resources).some((name) => name !== 'cores');
  for (const goal of goals) {
    for (const budget of [false, true]) {
      const some = rows.filter((row) => row.goal === goal && hasBudget(row) === budget);
      if (some.length === 0) continue;
      const count = (isIt: (change: number) => boolean) =>
        some.filter(({ change }) => isIt(change)).length;
      const mean = some.reduce((sum, { change }) => sum + change, 0) / some.length;
      console.log(
        `${goal}${budget ? ' with budgets' : ''}: ${some.length} plans, mean ${percent(mean)}, ` +
          `${count((x) => x < -1e-6)} better, ${count((x) => x > 1e-6)} worse, ` +
          `${count((x) => x > mostWorse)} by more than ${percent(mostWorse)}`,
      );
    }
  }
  const worst = [...rows].sort((a, b) => b.change - a.change).slice(0, Number(values.worst));
  for (const { key, change, more, old, now } of worst) {
    const figures = ({ count, imageBytes, arenaBytes }: Figures) =>
      `${count} in ${Math.round(imageBytes)} B, arena ${arenaBytes}`;
    const over = more > 0 ? `, budget exceeded by ${percent(more)} more` : '';
    console.log(`${percent(change)} ${key}: ${figures(old)} → ${figures(now)}${over}`);
  }
  if (rows.some(({ change }) => change > mostWorse)) process.exitCode = 1;
}

console.log(`${Object.keys(after).length} plans, ${Math.round(choiceMs)} ms of the processor`);
if (before !== null) compare(rowsOf(before));
else writeFileSync(file, `${JSON.stringify(after, null, 1)}\n`);
