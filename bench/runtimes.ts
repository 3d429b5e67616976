/**
 * Compares the bits of each `--rounding` with other runtimes, element by element.
 *
 *     npx tsx bench/runtimes.ts --python PYTHON [--wasm DIR] [--operators conv2d,…] [--seeds N] [MODEL …]
 *
 * PYTHON has the packages tflite-micro and tensorflow-cpu; DIR is where npm installed
 * @tensorflow/tfjs-tflite. Runs each whole model, each of its operators alone on the operator's
 * actual inputs, and random graphs of each supported operator. Prints the tables of
 * docs/operators.md.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { importModel } from '../src/compiler/formats/index.js';
import { writeTflite } from '../src/compiler/formats/tflite/write.js';
import { modelName } from '../src/compiler/index.js';
import {
  elementCount,
  type Graph,
  type Module,
  mainGraph,
  tensorOf,
} from '../src/compiler/ir/graph.js';
import { type RuntimeRounding, roundings } from '../src/compiler/ir/rounding.js';
import { evaluateGraph } from '../src/compiler/ops/evaluate.js';
import { growGraph, growths } from '../test/support/graphs.js';
import { Random, randomInputs } from '../test/support/module.js';
import { type RuntimeKind, runtimeOutputs } from '../test/support/tflite-runtimes.js';

/** One run of one file: its inputs, and the outputs of `evaluate` in each rounding. */
interface Job {
  readonly group: string;
  readonly file: Uint8Array;
  /** The same file with bias zero points of 1, which only XNNPACK reads and refuses. */
  readonly withoutXnnpack: Uint8Array;
  readonly inputs: readonly Int8Array[];
  readonly expected: Readonly<Record<RuntimeRounding, readonly Int8Array[]>>;
}

function byRounding<T>(of: (rounding: RuntimeRounding) => T): Record<RuntimeRounding, T> {
  const entries = roundings.map((rounding) => [rounding, of(rounding)] as const);
  return Object.fromEntries(entries) as Record<RuntimeRounding, T>;
}

function jobOf(group: string, module: Module, inputs: readonly Int8Array[]): Job {
  const file = writeTflite(module);
  const graph = mainGraph(module);
  const tensors = graph.tensors.map((tensor) =>
    tensor.dtype === 'int32' && tensor.quant !== null
      ? { ...tensor, quant: { ...tensor.quant, zeroPoints: tensor.quant.zeroPoints.map(() => 1) } }
      : tensor,
  );
  const withoutXnnpack = writeTflite({ ...module, graphs: [{ ...graph, tensors }] });
  const outputsIn = (rounding: RuntimeRounding) => {
    const module = importModel(file, { name: 'model', where: group, rounding });
    return evaluateGraph(mainGraph(module), inputs).outputs as readonly Int8Array[];
  };
  return {
    group,
    file,
    withoutXnnpack,
    inputs,
    expected: byRounding(outputsIn),
  };
}

/** One node as a model of its own. */
function alone(graph: Graph, index: number): Module {
  const node = graph.nodes[index] as Graph['nodes'][number];
  const inputs = [...new Set(node.inputs)].filter(
    (id): id is number => id !== null && tensorOf(graph, id).data === null,
  );
  const names = (ids: readonly number[]) => ids.map((id) => `t${id}`);
  return {
    name: 'model',
    sha256: '',
    graphs: [{ ...graph, nodes: [node], inputs, outputs: node.outputs }],
    inputNames: names(inputs),
    outputNames: names(node.outputs),
  };
}

function jobsOfModel(path: string, random: Random): readonly Job[] {
  const file = readFileSync(path);
  const graph = mainGraph(importModel(file, { name: 'model', where: path, rounding: 'tflm' }));
  return [true, false].flatMap((operators) => {
    const inputs = graph.inputs.map((id) =>
      random.int8(elementCount(tensorOf(graph, id).shape), -128, 127),
    );
    const { tensors } = evaluateGraph(graph, inputs);
    const whole = jobOf(`models ${modelName(path)}`, wholeOf(graph), inputs);
    if (!operators) return [whole];
    const single = graph.nodes.map((node, index) => {
      const module = alone(graph, index);
      const fed = mainGraph(module).inputs.map((id) => {
        const given = inputs[graph.inputs.indexOf(id)] ?? tensors.get(id);
        return given as Int8Array;
      });
      return jobOf(`operators of models ${node.op}`, module, fed);
    });
    return [whole, ...single];
  });
}

/** The graph without conversions at its edge, so that all runtimes take the same int8. */
function wholeOf(graph: Graph): Module {
  const names = (ids: readonly number[]) => ids.map((id) => `t${id}`);
  const inputNames = names(graph.inputs);
  const outputNames = names(graph.outputs);
  return { name: 'model', sha256: '', graphs: [graph], inputNames, outputNames };
}

function randomJobs(op: string, count: number): readonly Job[] {
  return Array.from({ length: count }).flatMap((_, seed) => {
    const module = growGraph({ ops: [op], seed });
    try {
      const inputs = randomInputs(module, seed) as readonly Int8Array[];
      return [jobOf(`random operators ${op}`, module, inputs)];
    } catch {
      // Windows of random graphs may have padding that a file cannot express.
      return [];
    }
  });
}

/** Returns the outputs of each job; null where the runtime refuses the file. */
type Runtime = (jobs: readonly Job[]) => readonly (readonly Int8Array[] | null)[];

function python(program: string, kind: RuntimeKind): Runtime {
  return (jobs) => {
    const counted = jobs.map((job) => ({ ...job, outputs: job.expected.tflm.length }));
    return runtimeOutputs(program, kind, counted).map((made) =>
      typeof made === 'string' ? null : made,
    );
  };
}

interface WasmPort {
  data(): Int8Array;
}

/** @param file the file of a job to run */
async function wasm(directory: string, file: 'file' | 'withoutXnnpack'): Promise<Runtime> {
  const require = createRequire(join(resolve(directory), 'package.json'));
  const folder = join(dirname(require.resolve('@tensorflow/tfjs-tflite/package.json')), 'wasm');
  const wasmBinary = readFileSync(join(folder, 'tflite_web_api_cc_simd.wasm'));
  const factory = require(join(folder, 'tflite_web_api_cc_simd.js'));
  const quiet = { print: () => {}, printErr: () => {} };
  const outputs: Map<Job, readonly Int8Array[] | null> = new Map();
  const list = (vector: { size(): number; get(i: number): WasmPort }) =>
    Array.from({ length: vector.size() }, (_, i) => vector.get(i));
  const run = async (job: Job) => {
    const module = await factory({ wasmBinary, ...quiet });
    const at = module._malloc(job[file].length);
    module.HEAPU8.set(job[file], at);
    const options = { numThreads: 1, enableProfiling: false, maxProfilingBufferEntries: 1 };
    const opened = module.TFLiteWebModelRunner.CreateFromBufferAndOptions(
      at,
      job[file].length,
      options,
    );
    if (!opened.ok()) return null;
    const runner = opened.value();
    list(runner.GetInputs()).forEach((port, i) => {
      port.data().set(job.inputs[i] ?? []);
    });
    if (!runner.Infer()) return null;
    return list(runner.GetOutputs()).map((port) => port.data().slice());
  };
  return Object.assign((jobs: readonly Job[]) => jobs.map((job) => outputs.get(job) ?? null), {
    prepare: async (jobs: readonly Job[]) => {
      for (const job of jobs) outputs.set(job, await run(job).catch(() => null));
    },
  });
}

/** Number of elements, and of those that differ from each rounding. */
interface Count {
  elements: number;
  refused: number;
  readonly differ: Record<RuntimeRounding, number>;
}

function countsOf(jobs: readonly Job[], results: readonly (readonly Int8Array[] | null)[]) {
  const counts = new Map<string, Count>();
  jobs.forEach((job, i) => {
    const count = counts.get(job.group) ?? {
      elements: 0,
      refused: 0,
      differ: byRounding(() => 0),
    };
    counts.set(job.group, count);
    const result = results[i] ?? null;
    if (result === null) {
      count.refused += 1;
      return;
    }
    result.forEach((output, position) => {
      count.elements += output.length;
      for (const rounding of roundings) {
        const expected = job.expected[rounding][position] ?? new Int8Array();
        output.forEach((value, j) => {
          if (value !== expected[j]) count.differ[rounding] += 1;
        });
      }
    });
  });
  return counts;
}

const { values, positionals } = parseArgs({
  options: {
    python: { type: 'string' },
    wasm: { type: 'string' },
    seeds: { type: 'string' },
    operators: { type: 'string' },
  },
  allowPositionals: true,
});
const random = new Random(1);
const jobs = [
  ...positionals.flatMap((path) => jobsOfModel(path, random)),
  ...(values.operators?.split(',') ?? Object.keys(growths)).flatMap((op) =>
    randomJobs(op, Number(values.seeds ?? 40)),
  ),
];
const runtimes = new Map<string, Runtime & { prepare?: (jobs: readonly Job[]) => Promise<void> }>();
for (const kind of ['tflm', 'default', 'builtin', 'reference'] as const) {
  if (values.python !== undefined) runtimes.set(kind, python(values.python, kind));
}
if (values.wasm !== undefined) {
  runtimes.set('wasm', await wasm(values.wasm, 'file'));
  runtimes.set('wasm, builtin', await wasm(values.wasm, 'withoutXnnpack'));
}
const table = new Map<string, Map<string, Count>>();
for (const [name, runtime] of runtimes) {
  await runtime.prepare?.(jobs);
  table.set(name, countsOf(jobs, runtime(jobs)));
}
const groups = [...new Set(jobs.map(({ group }) => group))];
const names = [...runtimes.keys()];
console.log(`| | elements | ${names.join(' | ')} |`);
console.log(`|---|---|${names.map(() => '---|').join('')}`);
for (const group of groups) {
  const cells = names.map((name) => {
    const count = table.get(name)?.get(group);
    if (count === undefined || count.elements === 0) return 'refused';
    const differ = roundings.map((rounding) => count.differ[rounding]).join(' / ');
    return `${differ}${count.refused > 0 ? ` (${count.refused} refused)` : ''}`;
  });
  const elements = Math.max(...names.map((name) => table.get(name)?.get(group)?.elements ?? 0));
  console.log(`| ${basename(group)} | ${elements} | ${cells.join(' | ')} |`);
}
