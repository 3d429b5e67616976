/**
 * Mutation tests: one place of a source changes at a time, and a test has to fail.
 *
 *     npm run mutate -- plan                         all changes of a group, which takes hours
 *     npm run mutate -- plan --sample 200 --seed 5   that many of them, at random
 *     npm run mutate -- arena/search.ts edge.ts:12   files or lines, with the tests of their groups
 *     npm run mutate -- kernels --most 5 --tests dsp  with test files that take at most 5 s, and match
 *
 * First each test file runs once and tells which of the places it reaches; then each change runs
 * the files that reach it, the quickest first, until a test fails. Survivors are printed.
 * docs/notes/mutation.md has the scores.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { changesOf, isCondition } from './changes.mjs';

/** Of each group: where its tests are besides its own folder; what of a source counts. */
const groups = {
  plan: { also: ['test/codegen'] },
  analysis: { also: ['test/passes', 'test/kernels', 'test/codegen'] },
  formats: { also: [] },
  kernels: { also: ['test/codegen', 'test/ops'], isWanted: isCondition },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: `${Date.now() % 1e6}` },
    most: { type: 'string', default: 'Infinity' },
    tests: { type: 'string', default: '.test.ts' },
  },
});
const scratch = mkdtempSync(join(tmpdir(), 'bonsaic-mutate-'));
process.on('exit', () => rmSync(scratch, { recursive: true }));

function score(name, { also }, changes) {
  console.log(`${name}: ${changes.length} changes, seed ${values.seed}`);
  const folders = [`test/${name}`, ...also];
  const tests = reaching(
    folders
      .flatMap(filesBelow)
      .filter((file) => /\.test\.ts$/.test(file) && new RegExp(values.tests).test(file)),
    changes,
  );
  let found = 0;
  for (const [number, change] of changes.entries()) {
    const own = tests.filter(({ seen }) => seen.has(number));
    const seconds = own.reduce((sum, one) => sum + one.seconds, 20);
    const { path, from, to, text, place, was } = change;
    const source = readFileSync(path, 'utf8');
    const changed = `${source.slice(0, from)} ${text} ${source.slice(to)}`;
    const files = own.map(({ file }) => file);
    const { failed } =
      own.length === 0 ? { failed: [] } : run({ [path]: changed }, files, true, 3 * seconds);
    if (failed.length > 0) found += 1;
    const verdict =
      failed[0] === undefined ? `SURVIVED ${own.length} files` : `found by ${failed[0]}`;
    console.log(`${place} ${short(was)} -> ${short(text)}: ${short(verdict)}`);
  }
  const share = ((100 * found) / changes.length).toFixed(1);
  console.log(`${name}: ${share} %, ${found} of ${changes.length}`);
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true })
    .map((path) => join(folder, path))
    .sort();
}

const short = (text) => text.replace(/\s+/g, ' ').slice(0, 90);

/**
 * Test files, the quickest first, each with the numbers of the changes that it reaches; without those
 * that take too long or fail anyhow.
 */
function reaching(files, changes) {
  const watched = watching(changes);
  return files
    .flatMap((file) => {
      const started = performance.now();
      const { failed, seen } = run(watched, [file], false, Math.min(900, values.most));
      if (failed.length > 0) console.log(`without ${file}: ${short(failed[0])}`);
      const seconds = (performance.now() - started) / 1000;
      return failed.length > 0 ? [] : [{ file, seen: new Set(seen), seconds }];
    })
    .sort((a, b) => a.seconds - b.seconds);
}

/** Sources that say which of their changes are reached. */
function watching(changes) {
  const marks = new Map();
  for (const [number, { path, at, isStatement }] of changes.entries()) {
    const [before, after] = isStatement
      ? [`{ globalThis.seen(${number}); `, ' }']
      : [`(globalThis.seen(${number}), `, ')'];
    const own = marks.get(path) ?? [];
    marks.set(path, own);
    own.push(
      { at: at[0], size: at[1] - at[0], text: before },
      { at: at[1], size: at[0] - at[1], text: after },
    );
  }
  return Object.fromEntries([...marks].map(([path, own]) => [path, withMarks(path, own)]));
}

/** At one place: ends before beginnings, the outer beginning first, the inner end first. */
function withMarks(path, marks) {
  const source = readFileSync(path, 'utf8');
  marks.sort((a, b) => a.at - b.at || Math.sign(a.size) - Math.sign(b.size) || b.size - a.size);
  let end = 0;
  const parts = marks.map(({ at, text }) => {
    const part = source.slice(end, at) + text;
    end = at;
    return part;
  });
  return parts.join('') + source.slice(end);
}

/** What a process that runs the tests says; without an answer its time was over, or it ended. */
function run(sources, tests, bail, seconds) {
  const [order, answer] = ['order.json', 'answer.json'].map((file) => join(scratch, file));
  const texts = Object.entries(sources).map(([path, text]) => [resolve(path), text]);
  writeFileSync(order, JSON.stringify({ sources: Object.fromEntries(texts), tests, bail, answer }));
  rmSync(answer, { force: true });
  const imports = ['test/support/typescript.mjs', 'scripts/mutate/run.mjs'];
  const { error, stderr } = spawnSync(
    process.execPath,
    ['--import', `./${imports[0]}`, imports[1]],
    {
      env: { ...process.env, MUTATE: order },
      timeout: Math.ceil(seconds * 1000),
      killSignal: 'SIGKILL',
    },
  );
  try {
    return JSON.parse(readFileSync(answer, 'utf8'));
  } catch {
    const message = /^.*Error.*$/m.exec(`${stderr}`)?.[0] ?? 'it ends';
    return { failed: [error === undefined ? message : 'time'], seen: [] };
  }
}

/** A sample in the order that the seed gives. */
function sampled(changes) {
  let state = Number(values.seed);
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const order = changes.map((change) => ({ change, at: random() })).sort((a, b) => a.at - b.at);
  const most = Math.min(changes.length, Number(values.sample));
  return order.slice(0, most).map(({ change }) => change);
}

const wanted = positionals.length > 0 ? positionals : Object.keys(groups);
for (const [name, group] of Object.entries(groups)) {
  const all = filesBelow(`src/compiler/${name}`)
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => changesOf(file, group.isWanted))
    .filter((change) => wanted.some((asked) => asked === name || isAt(change, asked)));
  if (all.length > 0) score(name, group, sampled(all));
}

function isAt({ path, place }, asked) {
  const [file, ...position] = asked.split(':');
  return path.endsWith(file) && `${place}:`.startsWith(`${[path, ...position].join(':')}:`);
}
