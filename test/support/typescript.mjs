/**
 * Loads TypeScript for mocha. tsx makes CommonJS of what mocha loads, whose imports are calls of
 * getters, and names every function at each run: tests took an eighth longer by it.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

// The hooks run in a thread of their own, where esbuild is loaded for what has changed alone.
if (isMainThread) {
  register(import.meta.url);
  process.setSourceMapsEnabled(true);
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const made = join(root, 'build/test-js');

/** The JavaScript of a source: that of an earlier run, if its first line tells the same text. */
async function scriptOf(path) {
  const text = readFileSync(path, 'utf8');
  const mark = `// ${createHash('sha256').update(text).digest('hex')}\n`;
  const place = join(made, relative(root, path).replaceAll('..', '__').replace(/ts$/, 'js'));
  try {
    const kept = readFileSync(place, 'utf8');
    if (kept.startsWith(mark)) return kept;
  } catch {
    // There is none.
  }
  const { transform } = await import('esbuild');
  const { code } = await transform(text, {
    ...{ loader: 'ts', target: 'node20', format: 'esm', banner: mark.trim() },
    ...{ sourcemap: 'inline', sourcesContent: false, sourcefile: path },
  });
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(`${place}.${process.pid}`, code);
  renameSync(`${place}.${process.pid}`, place);
  return code;
}

/** Imports name the JavaScript that the compiler will make. */
export async function resolve(specifier, context, next) {
  const isOurs = /^\.\.?\/.*\.js$/.test(specifier) && context.parentURL?.endsWith('.ts');
  if (!isOurs) return next(specifier, context);
  const url = new URL(specifier.replace(/js$/, 'ts'), context.parentURL).href;
  return { url, format: 'module', shortCircuit: true };
}

export async function load(url, context, next) {
  if (!/^file:.*\.ts$/.test(url)) return next(url, context);
  return { format: 'module', source: await scriptOf(fileURLToPath(url)), shortCircuit: true };
}
