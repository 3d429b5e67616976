/** One-operator models in TFLite's own interpreters: golden rows, and `evaluate` on random nodes. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import {
  type Attrs,
  type Graph,
  type Module,
  mainGraph,
  type TensorData,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { BonsaiError } from '../../src/errors.js';
import { randomInputs } from './module.js';
import { pythonWith, type RuntimeKind, runtimeOutputs } from './tflite-runtimes.js';

export type Rounding = 'tflm' | 'tflite-portable';

/**
 * The interpreter of each rounding. Ruy's code for AVX rounds ties upward, unlike all other builds
 * of TFLite: its portable code runs.
 */
const runtimes = {
  tflm: { kind: 'tflm', name: 'tflite_micro', env: {} },
  'tflite-portable': { kind: 'builtin', name: 'ai_edge_litert', env: { RUY_PATHS: '1' } },
} as const;

/**
 * Of these, which TFLM lacks, desktop TFLite adds in vectors, in an order that depends on the machine:
 * its reference kernels have one order.
 */
const unordered = ['conv3d', 'conv3d_transpose'];

/** What a runtime made of one model and its inputs. */
export interface Answer {
  readonly rounding: Rounding;
  /** How the importer expresses the runtime. */
  readonly attrs: Attrs;
  /** Bytes of each output; a string says why the runtime refuses the model. */
  readonly outputs: readonly Int8Array[] | string;
  /** Those of `evaluate`; a string says why the importer refuses the model. */
  readonly wanted: readonly TensorData[] | string;
}

function attempt<T>(act: () => T): T | string {
  try {
    return act();
  } catch (error) {
    if (error instanceof BonsaiError) return error.message;
    throw error;
  }
}

/** Each model, written to a file, in the interpreter of `rounding`. Skips a test without one. */
function answersOf(
  context: Mocha.Context,
  rounding: Rounding,
  models: readonly { readonly file: Uint8Array; readonly inputs: readonly TensorData[] }[],
): readonly Answer[] {
  const { kind, name, env } = runtimes[rounding];
  const python = pythonWith(context, name);
  const imported = models.map(({ file }) =>
    attempt(() => mainGraph(importModel(file, { name: 'model', where: 'model', rounding }))),
  );
  const jobs = models.map(({ file, inputs }, i) => {
    const graph = imported[i] as Graph | string;
    return { file, inputs, outputs: typeof graph === 'string' ? 1 : graph.outputs.length };
  });
  const isUnordered = (graph: Graph | string) =>
    typeof graph !== 'string' && graph.nodes.some(({ op }) => unordered.includes(op));
  const kinds = imported.map(
    (graph): RuntimeKind =>
      rounding === 'tflite-portable' && isUnordered(graph) ? 'reference' : kind,
  );
  const answered = new Map<RuntimeKind, (readonly Int8Array[] | string)[]>();
  for (const one of new Set(kinds)) {
    const own = jobs.filter((_, i) => kinds[i] === one);
    answered.set(one, [...runtimeOutputs(python, one, own, { ...process.env, ...env })]);
  }
  return jobs.map((_, i) => {
    const outputs = answered.get(kinds[i] as RuntimeKind)?.shift() ?? 'not run';
    const graph = imported[i] as Graph | string;
    const inputs = models[i]?.inputs ?? [];
    if (typeof graph === 'string') return { rounding, attrs: {}, outputs, wanted: graph };
    const wanted = evaluateGraph(graph, inputs).outputs;
    return { rounding, attrs: graph.nodes[0]?.attrs ?? {}, outputs, wanted };
  });
}

export interface RuntimeAnswers {
  readonly inputs: readonly TensorData[];
  readonly answers: readonly Answer[];
}

/** What each runtime answers to each module, on random inputs. */
export function runtimeAnswers(
  context: Mocha.Context,
  modules: readonly Module[],
): readonly RuntimeAnswers[] {
  const models = modules.map((module, i) => ({
    file: writeTflite(module),
    inputs: randomInputs(module, i + 1),
  }));
  const byRuntime = (['tflm', 'tflite-portable'] as const).map((one) =>
    answersOf(context, one, models),
  );
  return models.map(({ inputs }, i) => ({
    inputs,
    answers: byRuntime.map((answers) => answers[i] as Answer),
  }));
}

/** Random nodes: where a runtime computes a model and the importer takes it, the bytes are equal. */
export function expectRuntimes(
  context: Mocha.Context,
  modules: readonly Module[],
  differs: (attrs: Attrs) => readonly Rounding[] = () => [],
  close: Closeness = {},
): void {
  const written = modules.filter(
    (module) => typeof attempt(() => writeTflite(module)) !== 'string',
  );
  const computed = { tflm: 0, 'tflite-portable': 0 };
  runtimeAnswers(context, written).forEach(({ answers }, i) => {
    for (const { rounding, attrs, outputs, wanted } of answers) {
      if (typeof outputs === 'string' || typeof wanted === 'string') continue;
      if (differs(attrs).includes(rounding)) continue;
      computed[rounding] += 1;
      const [node] = mainGraph(written[i] as Module).nodes;
      const what = `${node?.name} ${JSON.stringify(node?.attrs)} in ${rounding}`;
      wanted.forEach((data, k) => {
        expectClose(data, typedLike(outputs[k] as Int8Array, data), close, what);
      });
    }
  });
  // A runtime that lacks the operator computes none; then the other one is the reference.
  expect(Math.max(computed.tflm, computed['tflite-portable']), 'computed').to.be.greaterThan(0);
}

/** How much a float32 result may differ from a runtime's. Default: by nothing. */
export interface Closeness {
  /** By so many units in the last place: what comes from the runtime's C library. */
  readonly ulps?: number;
  /** Or by so much: what loses digits near 0. */
  readonly within?: number;
}

/** The same elements, but for float32 ones that are close enough. */
export function expectClose(
  actual: TensorData,
  wanted: TensorData,
  { ulps = 0, within = 0 }: Closeness,
  what: string,
): void {
  const [a, b] = [actual, wanted].map((data) => Array.from(data, Number)) as [number[], number[]];
  if (!(actual instanceof Float32Array) || ulps + within === 0) {
    expect(a, what).to.deep.equal(b);
    return;
  }
  const isFar = (x: number, y: number) => !(ulpsBetween(x, y) <= ulps || Math.abs(x - y) <= within);
  const far = b.findIndex((value, i) => isFar(a[i] as number, value));
  expect(far, `${what}: ${a[far]}, not ${b[far]} at`).to.equal(-1);
}

/** How many float32 lie between two, one of them included; NaN is itself alone. */
function ulpsBetween(a: number, b: number): number {
  if (Object.is(a, b)) return 0;
  const [x = 0, y = 0] = new Int32Array(Float32Array.of(a, b).buffer).map((bits) =>
    bits < 0 ? -(bits & 0x7fffffff) : bits,
  );
  return Number.isNaN(a) || Number.isNaN(b) ? Number.POSITIVE_INFINITY : Math.abs(x - y);
}

/** A runtime's output, which has the type of `like`. */
function typedLike(outputs: Int8Array, like: TensorData): TensorData {
  const { buffer, byteOffset, byteLength } = outputs;
  const type = like.constructor as typeof Int8Array;
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  return new type(bytes);
}

/** The `expected` of a golden row: what the runtimes computed, alike ones together. */
export function expectedOf(answers: readonly Answer[], edge: string) {
  const rows = answers.flatMap(({ rounding, attrs, outputs, wanted }) => {
    if (typeof outputs === 'string') return [];
    if (typeof wanted === 'string') throw new Error(`${edge}: ${rounding} runs it, but ${wanted}`);
    const numbers = outputs.map((data, i) => typedLike(data, wanted[i] as TensorData));
    return [
      { runtimes: [rounding], attrs, outputs: numbers.map((data) => Array.from(data, Number)) },
    ];
  });
  const refusals = answers.map(({ rounding, outputs }) => `${rounding}: ${outputs}`);
  if (rows.length === 0) throw new Error(`${edge}: no runtime runs it: ${refusals.join('; ')}`);
  const [first, second] = rows;
  const key = (row: typeof first) => JSON.stringify([row?.attrs, row?.outputs]);
  return first !== undefined && second !== undefined && key(first) === key(second)
    ? [{ ...first, runtimes: [...first.runtimes, ...second.runtimes] }]
    : rows;
}

/** A golden tensor's description: its shape, quantization and type. */
export function describeTensor(graph: Graph, id: number) {
  const { shape, quant, dtype, data } = tensorOf(graph, id);
  const { scales = [], zeroPoints = [], axis = null } = quant ?? {};
  return {
    shape,
    ...(quant === null ? {} : { scale: scales[0], zeroPoint: zeroPoints[0] }),
    ...(data === null ? {} : { constant: true }),
    ...(axis === null ? {} : { scales, axis }),
    ...(dtype === 'int8' ? {} : { dtype }),
  };
}
