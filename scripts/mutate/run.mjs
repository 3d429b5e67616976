/**
 * Runs test files with other texts for some sources, which MUTATE names: a file with
 * `{ sources: { path: text }, tests, bail }`. Writes what happened to the path in `answer`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { transform } from 'esbuild';

const { sources, tests, bail, answer } = JSON.parse(readFileSync(process.env.MUTATE, 'utf8'));

export async function load(url, context, next) {
  const text = url.startsWith('file:') ? sources[fileURLToPath(url)] : undefined;
  if (text === undefined) return next(url, context);
  const { code } = await transform(text, { loader: 'ts', target: 'node20', format: 'esm' });
  return { format: 'module', source: code, shortCircuit: true };
}

// The hooks run in a thread of their own.
if (isMainThread) {
  register(import.meta.url);
  await run();
}

async function run() {
  const { default: Mocha } = await import('mocha');
  const seen = new Set();
  globalThis.seen = (number) => seen.add(number);
  const mocha = new Mocha({ timeout: 0, bail, reporter: class {} });
  for (const file of tests) mocha.addFile(file);
  await mocha.loadFilesAsync();
  const failed = await new Promise((resolve) => {
    const failures = [];
    const runner = mocha.run(() => resolve(failures));
    runner.on('fail', (test, error) => failures.push(`${test.fullTitle()}: ${error.message}`));
  });
  writeFileSync(answer, JSON.stringify({ failed, seen: [...seen] }));
  process.exit(failed.length > 0 ? 1 : 0);
}
