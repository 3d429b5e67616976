/**
 * Sums of all that `compile` writes for models on targets: a refactoring leaves them as they are.
 *
 *     npx tsx bench/generated.ts write FILE [--models DIR] [--targets a,b] [--goals a,b] [--roundings a,b]
 *     npx tsx bench/generated.ts check FILE [...]      what differs, one line each; status 1 if anything does
 *
 * Default: examples/activity and the models of ../shared/models where they are, each target, each goal, `tflm`.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { emit } from '../src/boards/project/emit.js';
import { listTargets, loadTarget } from '../src/boards/target/index.js';
import { analysed } from '../src/compiler/index.js';
import { goals, type Optimize } from '../src/compiler/ir/op.js';
import type { RuntimeRounding } from '../src/compiler/ir/rounding.js';
import { BonsaiError } from '../src/errors.js';
import type { CompileRequest } from '../src/pipeline/types.js';
import { load, planned } from '../src/pipeline.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: 'string', default: '../shared/models' },
    targets: { type: 'string', default: listTargets().join() },
    goals: { type: 'string', default: goals.join() },
    roundings: { type: 'string', default: 'tflm' },
  },
});
const [mode, file] = positionals;
if ((mode !== 'write' && mode !== 'check') || file === undefined) {
  throw new Error('generated.ts write|check FILE');
}

const isModel = (name: string) => name.endsWith('.tflite');
const models = ['examples/activity', values.models]
  .filter((folder) => existsSync(folder))
  .flatMap((folder) =>
    readdirSync(folder)
      .filter(isModel)
      .map((name) => join(folder, name)),
  );

/** The sum of all files that a compilation writes, or what it ends with. */
function sumOf(request: CompileRequest, known: Parameters<typeof planned>[1]): string {
  try {
    const { module, plan, implementations } = planned(request, known);
    const { files } = emit(module, { plan, implementations }, request.target, { labels: [] });
    const hash = createHash('sha256');
    for (const [path, text] of [...files].sort()) hash.update(`${path}\0${text}\0`);
    return hash.digest('hex').slice(0, 16);
  } catch (error) {
    if (error instanceof BonsaiError) return error.code;
    throw error;
  }
}

/** 'model target goal rounding' → its sum. */
function sums(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of models) {
    const bytes = readFileSync(path);
    for (const rounding of values.roundings.split(',') as RuntimeRounding[]) {
      const options = { rounding, faithful: false, keepInput: false, xip: 'model' } as const;
      const common = { bytes, path };
      const base = { ...options, optimize: 'balanced' } as const;
      const known = analysed(load({ ...common, options: base }));
      for (const name of values.targets.split(',')) {
        const target = loadTarget(name);
        for (const optimize of values.goals.split(',') as Optimize[]) {
          const request = { ...common, target, options: { ...options, optimize } };
          found[`${path} ${name} ${optimize} ${rounding}`] = sumOf(request, known);
        }
      }
    }
    console.error(path);
  }
  return found;
}

const now = sums();
if (mode === 'write') {
  writeFileSync(file, `${JSON.stringify(now, null, 1)}\n`);
} else {
  const before = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  const changed = Object.keys(now).filter((key) => before[key] !== now[key]);
  for (const key of changed) console.log(`${key}: ${before[key]} → ${now[key]}`);
  console.log(`${changed.length} of ${Object.keys(now).length} differ`);
  if (changed.length > 0) process.exitCode = 1;
}
