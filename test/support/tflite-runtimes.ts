/** TFLite's own interpreters: Python packages, where they are installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rawBytes } from '../../src/compiler/ir/graph.js';
import { skip } from './skip.js';

/** tflm: tflite-micro; the others: the desktop interpreter, as bench/runtimes.py explains them. */
export type RuntimeKind = 'tflm' | 'default' | 'builtin' | 'reference';

export interface RuntimeJob {
  readonly file: Uint8Array;
  /** Of every input of the model. */
  readonly inputs: readonly ArrayBufferView[];
  /** Outputs of the model. */
  readonly outputs: number;
}

const local = (path: string) => fileURLToPath(new URL(path, import.meta.url));
/** The first is where `scripts/setup.sh --tests` installs the packages. */
const pythons = [local('../../build/tflite/bin/python3'), 'python3'];

/** A Python with numpy and `name`; skips the test or the suite where there is none. */
export function pythonWith(
  context: Mocha.Context,
  name: 'tflite_micro' | 'ai_edge_litert',
): string {
  const check = `import numpy, importlib.util as u; exit(u.find_spec('${name}') is None)`;
  const found = pythons.find((python) => spawnSync(python, ['-c', check]).status === 0);
  return found ?? skip(context, `${name} is missing: scripts/setup.sh --tests`);
}

/** The bytes of each job's outputs, or why the runtime refuses the file. */
export function runtimeOutputs(
  python: string,
  kind: RuntimeKind,
  jobs: readonly RuntimeJob[],
  env: NodeJS.ProcessEnv = process.env,
): readonly (readonly Int8Array[] | string)[] {
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-runtimes-'));
  try {
    const list = jobs.map(({ file, inputs, outputs: count }, i) => {
      const place = join(folder, `${i}`);
      const model = `${place}.tflite`;
      writeFileSync(model, file);
      const paths = inputs.map((_, position) => `${place}.in${position}`);
      for (const [position, path] of paths.entries()) {
        writeFileSync(path, rawBytes(inputs[position] as ArrayBufferView));
      }
      return { model, inputs: paths, outputs: place, count };
    });
    const script = local('../../bench/runtimes.py');
    const jobsFile = join(folder, 'jobs.json');
    // A runtime may crash on a file: continue with the files after it.
    for (let left = list; left.length > 0; ) {
      writeFileSync(jobsFile, JSON.stringify(left));
      const { status } = spawnSync(python, [script, kind, jobsFile], { stdio: 'ignore', env });
      if (status === 0) break;
      const answered = ({ outputs }: { readonly outputs: string }) =>
        existsSync(`${outputs}.0`) || existsSync(`${outputs}.error`);
      left = left.slice(left.findIndex((job) => !answered(job)) + 1);
    }
    return list.map(({ outputs, count }) => {
      const files = Array.from({ length: count }, (_, i) => `${outputs}.${i}`);
      if (files.every((file) => existsSync(file))) {
        return files.map((file) => new Int8Array(new Uint8Array(readFileSync(file)).buffer));
      }
      return existsSync(`${outputs}.error`) ? readFileSync(`${outputs}.error`, 'utf8') : 'crashed';
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
