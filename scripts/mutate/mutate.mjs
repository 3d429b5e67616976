/**
 * Mutation tests: Stryker changes the sources one place at a time, and a test has to fail. Numbers
 * are not among its changes: the tests' rows are for those.
 *
 *     npm run mutate                     src/compiler/plan, src/boards/target, a tenth of src/compiler/analysis and src/compiler/formats
 *     npm run mutate -- plan/choose      the groups that have this in their name
 *     npm run mutate -- arena/search.ts  the files whose paths end in this, with their group's tests
 *     npm run mutate -- --short          without constants of modules, which take a process each
 *
 * It takes hours on a busy machine; the scores stand in docs/notes/mutation.md. Survivors go to build/mutate.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Stryker } from '@stryker-mutator/core';

/** Tests that take long and find no more than shorter ones, or that need all of their runs. */
const slow =
  /1000 steps|2000 buffers|of random layers|what dense kernels would take|on board|gives the bits|lies in both/;
/** Of the runs of a property. */
const share = 0.1;
/** Which tenth of the files. */
const seed = 11;

const inPlan = (...names) => names.map((name) => `test/plan/${name}.test.ts`);
const choice = filesBelow('src/compiler/plan').filter((path) =>
  /plan\/(choose\/(?!accept|candidates|fit)|print)/.test(path),
);
const fitting = ['choose/fit', 'arena/leanest'].map((name) => `src/compiler/plan/${name}.ts`);
const packing = ['arena/search', 'arena/arena'].map((name) => `src/compiler/plan/${name}.ts`);
const places = ['lifetimes', 'memory', 'placement'].map(
  (name) => `src/compiler/plan/arena/${name}.ts`,
);
const schedule = [
  ...filesBelow('src/compiler/plan/schedule'),
  ...['cores', 'types', 'choose/candidates'].map((name) => `src/compiler/plan/${name}.ts`),
];
const others = new Set([...choice, ...fitting, ...packing, ...places, ...schedule]);
const steps = filesBelow('src/compiler/plan').filter((path) => !others.has(path));

/** Quick tests come first: the first that fails ends the run of a change. */
const groups = [
  {
    ...{ name: 'plan/choose', least: 80, files: choice },
    tests: inPlan('prices', 'room', 'goals', 'arena-price', 'explain', 'print'),
  },
  {
    ...{ name: 'plan/schedule', least: 80, files: schedule },
    tests: inPlan('lower', 'cores', 'candidates', 'misses', 'parts', 'order'),
  },
  {
    name: 'plan/steps',
    least: 80,
    files: steps,
    tests: inPlan('faithful-count', 'misses', 'plan'),
  },
  { name: 'plan/fit', least: 80, files: fitting, tests: inPlan('lean') },
  { name: 'plan/packing', least: 80, files: packing, tests: inPlan('search', 'arena') },
  {
    ...{ name: 'plan/places', least: 80, files: places },
    tests: inPlan('arena-price', 'placement', 'parts', 'order', 'lean'),
  },
  { name: 'target', least: 80, files: filesBelow('src/boards/target'), tests: testsOf('target') },
  {
    ...{ name: 'analysis and formats', least: 70 },
    files: aTenthOf(['src/compiler/analysis', 'src/compiler/formats']),
    tests: [...testsOf('analysis'), ...testsOf('import')],
  },
];

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
}

function testsOf(folder) {
  return filesBelow(`test/${folder}`).filter((path) => path.endsWith('.test.ts'));
}

/** Files in an order that the seed gives, until they have a tenth of the lines. */
function aTenthOf(folders) {
  const all = folders.flatMap(filesBelow);
  const lines = new Map(all.map((path) => [path, readFileSync(path, 'utf8').split('\n').length]));
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const order = all.map((path) => ({ path, at: random() })).sort((a, b) => a.at - b.at);
  let left = [...lines.values()].reduce((sum, count) => sum + count, 0) / 10;
  return order.flatMap(({ path }) => {
    if (left <= 0) return [];
    left -= lines.get(path);
    return [path];
  });
}

/** The group if it is asked for, or the part of it that is. */
function asked(group) {
  if (group.name.includes(filter)) return [group];
  const files = group.files.filter((path) => path.endsWith(filter));
  const name = `${group.name} ${filter}`;
  return files.length > 0 ? [{ ...group, name, files }] : [];
}

/** 'killed' and 'timed out' of all but those that do not run. */
function scoreOf(results) {
  const counts = { found: 0, all: 0 };
  for (const { status } of results) {
    if (!['Killed', 'Timeout', 'Survived', 'NoCoverage'].includes(status)) continue;
    counts.all += 1;
    if (status === 'Killed' || status === 'Timeout') counts.found += 1;
  }
  return { ...counts, score: counts.all === 0 ? 100 : (100 * counts.found) / counts.all };
}

const isShort = process.argv.includes('--short');
const filter = process.argv.slice(2).find((argument) => !argument.startsWith('--')) ?? '';
process.env.TEST_RUNS_SHARE = `${share}`;
mkdirSync('build/mutate', { recursive: true });
for (const { name, least, files, tests } of groups.flatMap(asked)) {
  const started = performance.now();
  const results = await new Stryker({
    testRunner: 'mocha',
    plugins: ['mocha-runner.mjs', 'survivors.mjs'].map((file) => join(import.meta.dirname, file)),
    testRunnerNodeArgs: ['--import', 'tsx'],
    mutate: files,
    testFiles: tests,
    mochaSlow: slow.source,
    warnings: { unknownOptions: false },
    coverageAnalysis: 'perTest',
    concurrency: 1,
    timeoutMS: 20_000,
    reporters: ['progress-append-only', 'survivors'],
    survivorsFile: `build/mutate/${name.replaceAll(/\W/g, '-')}.txt`,
    ignoreStatic: isShort,
    allowConsoleColors: false,
    logLevel: 'warn',
    tempDirName: join(tmpdir(), `bonsaic-mutate-${process.pid}`),
    ignorePatterns: ['/dist', '/docs', '/bench', '/build', '/coverage'],
  }).runMutationTest();
  const byFile = groupByFile(results);
  const minutes = ((performance.now() - started) / 60_000).toFixed(0);
  for (const [file, own] of [['', results], ...byFile]) {
    const { found, all, score } = scoreOf(own);
    console.log(`${file || `${name} (${minutes} min)`}: ${score.toFixed(1)} %, ${found} of ${all}`);
  }
  if (scoreOf(results).score < least) {
    console.error(`${name}: below ${least} %`);
    process.exitCode = 1;
  }
}

function groupByFile(results) {
  const files = new Map();
  for (const one of results) {
    files.set(one.fileName, [...(files.get(one.fileName) ?? []), one]);
  }
  return files;
}
