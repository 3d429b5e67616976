/**
 * Measures models on simulated boards; writes the tables of docs/tables/models.md, their plot, and the table of
 * README.md.
 *
 *     npm run bench -- [--models DIR] [--targets a,b] [--write | --check] [--costs [--only KERNEL,KERNEL]] [--memory]
 *     npm run bench -- --operators [--targets a,b] [--optimize GOAL] [--only a,b] [--write]
 *
 * It measures the example, and with --models each model with vectors beside it (DIR/../golden/NAME.json), which is
 * checked bit for bit meanwhile; without --targets on all boards of these tables. --write replaces these rows
 * there, and README's table and docs/performance.svg where all of its bars were measured. --check writes nothing,
 * but prints the lines that are stale and ends with 1 if there are any. --costs first measures the costs of every kernel on
 * these targets and writes costs.json and code.json of their cores, by which kernels are chosen; with --only
 * it measures the named kernels, and the others keep their figures. --memory first measures what the firmware takes
 * on these boards and writes memory.json of each. Where core.json says that costs are cycles but
 * the simulator counts instructions, they are modelled cycles (qemu/cycles.ts).
 * --operators measures layers of all shapes instead, each with the kernel that is chosen for it
 * (operators.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  coreFolder,
  forgetTargets,
  listTargets,
  loadTarget,
  type Target,
} from '../src/boards/target/index.js';
import { measureCode } from '../src/boards/tune/code.js';
import { costTable, tune } from '../src/boards/tune/index.js';
import type { MeasureRequest } from '../src/boards/tune/measure.js';
import { measureFirmware } from '../src/boards/tune/memory.js';
import { only, trialsOf } from '../src/boards/tune/trials.js';
import { type Costs, goals } from '../src/compiler/ir/op.js';
import type { Report } from '../src/report/index.js';
import { withModelledCycles } from './derived.js';
import { headingsOf, mergedRows, staleLines, tables, withParts, withSection } from './document.js';
import {
  alike,
  benchModel,
  benchmarksOf,
  comparedModels,
  comparedTargets,
  count,
  header,
  measureRow,
  missesSentence,
  picoHeader,
  picoRow,
  referenceOf,
} from './models.js';
import { benchOperators } from './operators.js';
import { type Bar, plot } from './plot.js';
import { execute } from './qemu/blocks.js';
import { coreOf, estimateCycles } from './qemu/cycles.js';

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    targets: { type: 'string' },
    write: { type: 'boolean' },
    check: { type: 'boolean' },
    costs: { type: 'boolean' },
    memory: { type: 'boolean' },
    operators: { type: 'boolean' },
    optimize: { type: 'string' },
    only: { type: 'string' },
  },
});
const picture = 'docs/performance.svg';

const ownTargets = values.costs === true || values.operators === true;
/** 'rp2040 (Cortex-M0+), M cycles': the boards of the tables of models. */
const documented = headingsOf(readFileSync(tables.models, 'utf8'), 'models').map(
  (heading) => heading.split(' ')[0] ?? '',
);
const targets = values.targets?.split(',') ?? (ownTargets ? comparedTargets : documented);

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
  forgetTargets();
}

if (values.costs) {
  const templates = values.only === undefined ? undefined : new Set(values.only.split(','));
  for (const name of targets) await measureCosts(name, templates);
}

/** The board of the same core that is simulated: code.json is measured on it. */
function simulatedBoardOf({ name, core, simulator }: Target): Target {
  const own = [name, ...listTargets()].map((one) => loadTarget(one));
  const [reference] = own.filter((one) => one.core === core && one.simulator !== null);
  if (reference === undefined) throw new Error(`no board with the core of ${name} is simulated`);
  return simulator === null ? reference : loadTarget(name);
}

if (values.memory) {
  for (const name of targets) {
    const target = loadTarget(name);
    const measured = await measureFirmware(target, simulatedBoardOf(target), console.error);
    writeFileSync(`targets/${name}/memory.json`, `${JSON.stringify(measured, null, 2)}\n`);
    forgetTargets();
  }
}

/** The documents with the figures of the models as measured now, by path. */
async function measureModels(): Promise<ReadonlyMap<string, string>> {
  const measured: { readonly heading: string; readonly rows: readonly string[] }[] = [];
  const bars: Bar[] = [];
  const pico: { readonly ideal: Report; readonly usual: Report; readonly row: string }[] = [];
  for (const target of targets) {
    const rows: string[] = [];
    let unit = '';
    for (const benchmark of benchmarksOf(values.models)) {
      const { text, fastest, usual } = await measureRow(target, benchmark);
      rows.push(text);
      console.error(target, text);
      const { name } = fastest.model;
      unit = fastest.latency?.unit ?? '';
      const reference = referenceOf(target, name);
      if (reference === undefined) continue;
      bars.push({ group: `${target} ${name}`, ours: count(fastest), theirs: reference.count });
      if (target !== 'rp2040') continue;
      const { report: ideal } = await benchModel(target, benchmark, alike);
      pico.push({ ideal, usual, row: picoRow(ideal, reference) });
    }
    const heading = `### ${target} (${loadTarget(target).coreName}), M ${unit}`;
    measured.push({ heading, rows });
  }
  // Read last: measuring takes minutes.
  const document = readFileSync(tables.models, 'utf8');
  const sections = measured.map(({ heading, rows }) => {
    const merged = mergedRows(document, 'models', heading, rows);
    return [heading, '', ...header, ...merged].join('\n');
  });
  const figures = withModelledCycles(withParts(document, 'models', sections));
  const documents = new Map<string, string>([[tables.models, figures]]);
  if (pico.length === comparedModels('rp2040')) {
    const table = [...picoHeader, ...pico.map(({ row }) => row), '', missesSentence(pico)];
    const readme = readFileSync('README.md', 'utf8');
    documents.set('README.md', withSection(readme, 'pico', table.join('\n')));
  }
  // The plot shows all boards.
  const allBars = comparedTargets.reduce((sum, target) => sum + comparedModels(target), 0);
  if (bars.length === allBars) documents.set(picture, plot(bars));
  return documents;
}

/** Writes the documents with their figures measured anew, or says which lines are stale. */
async function benchModels(): Promise<void> {
  const documents = await measureModels();
  for (const [path, text] of documents) {
    if (values.write) writeFileSync(path, text);
    if (!values.check) continue;
    for (const line of staleLines(readFileSync(path, 'utf8'), text)) {
      console.error(`${path} is stale; measured now: ${line}`);
      process.exitCode = 1;
    }
  }
}

if (values.operators) {
  const optimize = goals.find((goal) => goal === values.optimize) ?? 'balanced';
  const only = values.only?.split(',');
  await benchOperators({ targets, optimize, only, write: values.write ?? false });
} else {
  await benchModels();
}
