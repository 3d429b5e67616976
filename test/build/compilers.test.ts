/**
 * The model's C as a user's project compiles it: GCC and clang, at every level, without a warning;
 * two models are one program, with and without link-time optimization. BONSAIC_SWEEP=1 takes all
 * models of ../shared, all goals and all levels: minutes.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadTarget, type Target } from '../../src/boards/target/index.js';
import { packageFile } from '../../src/package.js';
import { compile } from '../../src/pipeline.js';
import { execute } from '../support/execute.js';
import { inTemporaryDirectory } from '../support/native.js';
import { defaults } from '../support/plan.js';

const isSweep = process.env.BONSAIC_SWEEP === '1';
const example = 'examples/activity/activity.tflite';
const shared = '../shared/models';
const models = isSweep
  ? readdirSync(shared).flatMap((name) => (name.endsWith('.tflite') ? [`${shared}/${name}`] : []))
  : [example];
const goals = isSweep ? (['speed', 'balanced', 'size'] as const) : (['balanced'] as const);
const targets = ['rp2040', 'stm32f405', 'mps2-an500', 'mps3-an547', 'host'];
const strict = '-Wall -Wextra -Wconversion -Wshadow -Wpedantic -Wcast-align -Wundef -Werror'.split(
  ' ',
);
/** Both standards, and code with a frame pointer, whose register assembly does without. */
const dialects = [['-std=c99'], ['-std=c11'], ['-std=c11', '-fno-omit-frame-pointer']];
const levels = ['-O0', '-O1', '-O2', '-O3', '-Os', '-flto'];
const modes = isSweep
  ? levels.flatMap((level) => dialects.map((dialect) => [level, ...dialect]))
  : ['-O0', '-O2', '-Os'].map((level, i) => [level, ...(dialects[i] ?? [])]);
/** Declares what a freestanding compiler's own headers lack. */
const libc = `-I${packageFile('firmware/port/common/libc')}`;

function hasClang(): boolean {
  try {
    execFileSync('clang', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** GCC of the target, and clang for it where this machine has one. */
function compilersOf({ name, compiler, flags }: Target): readonly string[][] {
  const isHost = name === 'host';
  const own = isHost ? [] : [...flags, libc];
  const clang = ['clang', ...(isHost ? [] : ['--target=arm-none-eabi']), ...own];
  return [[compiler, ...own], ...(hasClang() ? [clang] : [])];
}

/** Writes a model's sources; their names in `directory`. */
function emitted(
  directory: string,
  { path, name }: { readonly path: string; readonly name?: string },
  target: Target,
  optimize: (typeof goals)[number],
): readonly string[] {
  const options = { ...defaults, optimize };
  const bytes = readFileSync(path);
  const { emission } = compile({ bytes, path: name ?? path, target, options });
  for (const [file, text] of emission.files) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), text);
  }
  return [...emission.files.keys()].filter((file) => /^(?!.*_model\.c)[^/]+\.[cS]$/.test(file));
}

describe('compilers', () => {
  for (const name of targets) {
    const target = loadTarget(name);
    for (const path of models.filter(existsSync)) {
      for (const goal of goals) {
        it(`${name}, ${goal}: ${path} compiles without a warning`, () =>
          inTemporaryDirectory(async (cwd) => {
            const sources = emitted(cwd, { path }, target, goal);
            for (const [compiler = '', ...flags] of compilersOf(target)) {
              for (const mode of modes) {
                for (const source of sources) {
                  const file = ['-c', source, '-o', 'x.o'];
                  await execute(compiler, [...flags, ...strict, ...mode, ...file], { cwd });
                }
              }
            }
          }));
      }
    }

    for (const lto of [[], ['-flto']]) {
      it(`${name}: two models are one program ${lto.join('')}`, () =>
        inTemporaryDirectory(async (cwd) => {
          const pair = ['one', 'two'].flatMap((model) =>
            emitted(cwd, { path: example, name: `${model}.tflite` }, target, 'balanced'),
          );
          const main = `#include "one.h"\n#include "two.h"
int main(void) { static ONE_ARENA(arena); one_run(arena); two_run(arena); return 0; }`;
          writeFileSync(join(cwd, 'main.c'), main);
          const [[compiler = '', ...flags] = []] = compilersOf(target);
          const string = packageFile('firmware/port/common/libc/string.c');
          const bare = name === 'host' ? [] : ['-nostdlib', '-Wl,-e,main', string];
          const files = [...pair, 'main.c', ...bare, ...(name === 'host' ? [] : ['-lgcc'])];
          await execute(compiler, [...flags, '-O2', ...lto, ...files, '-o', 'main'], { cwd });
        }));
    }
  }
});
