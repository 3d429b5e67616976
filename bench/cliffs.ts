/**
 * How far the estimated time of a network depends on its numbers: siblings of each model, with a few weights,
 * scales, zero points and biases disturbed, are planned for boards. A layer whose time jumps lost a proof.
 *
 *     npx tsx bench/cliffs.ts [--count 200] [--targets a,b] [--goal balanced] [--rounding tflm] [--only TEXT]
 *
 * A row for each model and target: the median of its siblings, the fastest and the slowest as shares of it, and
 * how many are beyond 10 %. Below it the layers that differ from their own median by more than 10 % of the
 * network, with their kernels and flags; `--all` lists each sibling. Models: ../shared/models (--models DIR),
 * examples/activity, and small networks of random weights.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadTarget, type Target } from '../src/boards/target/index.js';
import { analyse } from '../src/compiler/analysis/index.js';
import {
  elementCount,
  type Graph,
  type Module,
  mainGraph,
  type Quant,
  type Tensor,
  type TensorId,
  tensorOf,
} from '../src/compiler/ir/graph.js';
import type { Optimize } from '../src/compiler/ir/op.js';
import type { RuntimeRounding } from '../src/compiler/ir/rounding.js';
import { clamp } from '../src/compiler/ops/arithmetic/quant.js';
import { evaluateGraph } from '../src/compiler/ops/evaluate.js';
import { runPasses } from '../src/compiler/passes/index.js';
import { makePlan } from '../src/compiler/plan/index.js';
import type { CompileOptions } from '../src/compiler/plan/types.js';
import { weighted } from '../src/compress/float-graph.js';
import { lower } from '../src/compress/quantize/lower.js';
import { quantizationOf } from '../src/compress/quantize/ptq.js';
import { separated, tiesOf } from '../src/compress/quantize/scheme.js';
import { makeRandom, seedFor } from '../src/compress/random.js';
import { load } from '../src/pipeline.js';
import { FloatNetwork } from '../test/support/float-network.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '200' },
    targets: { type: 'string', default: 'rp2040,stm32f405,esp32c3' },
    goal: { type: 'string', default: 'balanced' },
    rounding: { type: 'string', default: 'tflm' },
    models: { type: 'string', default: '../shared/models' },
    only: { type: 'string', default: '' },
    jump: { type: 'string', default: '0.1' },
    scales: { type: 'string', default: '0.02' },
    all: { type: 'boolean', default: false },
  },
});
const options: CompileOptions = {
  ...{ optimize: values.goal as Optimize, rounding: values.rounding as RuntimeRounding },
  ...{ faithful: false, keepInput: false, xip: 'model' },
};

/** Share of a network's time from which on it is listed. */
const jump = Number(values.jump);

/** Float networks of random weights, by their names. */
const floatNetworks: Readonly<Record<string, () => FloatNetwork>> = {
  digits: () =>
    new FloatNetwork([8, 8, 1]).conv(32).conv(64).maxPool().conv(64).dense(10, 'none').softmax(),
  blocks: () =>
    new FloatNetwork([16, 16, 3])
      .conv(8, 3, 2)
      .depthwise()
      .conv(16, 1)
      .depthwise(3, 2)
      .conv(32, 1)
      .mean()
      .dense(10, 'none'),
  signed: () =>
    new FloatNetwork([8, 8, 16])
      .conv(48, 3, 1, 'none')
      .conv(48, 3, 1, 'none')
      .conv(32, 1, 1, 'none')
      .dense(6, 'none'),
  dense: () => new FloatNetwork([128]).dense(64).dense(64).dense(32, 'none').dense(8, 'none'),
};

/** The network in int8, with the ranges that random inputs give. */
function quantized(name: string, network: FloatNetwork): Module {
  const module = network.module(name);
  const graph = separated(mainGraph(module));
  const random = makeRandom(seedFor(29, name));
  const ranges = new Map<TensorId, { min: number; max: number }>();
  const look = (id: TensorId, elements: ArrayLike<number>) => {
    const { min, max } = ranges.get(id) ?? { min: 0, max: 0 };
    const all = Array.from(elements);
    ranges.set(id, { min: Math.min(min, ...all), max: Math.max(max, ...all) });
  };
  for (let sample = 0; sample < 8; sample += 1) {
    const [input = 0] = graph.inputs;
    const size = elementCount(tensorOf(graph, input).shape);
    const elements = Float32Array.from({ length: size }, () => 2 * random() - 1);
    look(input, elements);
    for (const [id, data] of evaluateGraph(graph, [elements]).tensors) {
      look(id, data as Float32Array);
    }
  }
  const seen = new Map(
    [...ranges].map(([id, range]) => [id, { ...range, counts: new Float64Array() }]),
  );
  return lower(
    module,
    graph,
    quantizationOf(graph, seen, { calibration: 'min-max', weights: 'int8' }),
  );
}

/**
 * A sibling: one weight in 50, at least three of each layer, is off by 1 to 3 steps, each bias by up to 1 % of its layer's largest; scales of
 * activations by up to 2 %, zero points by up to 3. Zero points at an end stay, as those behind a ReLU do.
 */
function sibling(module: Module, random: () => number): Module {
  const graph = mainGraph(module);
  const off = (most: number) => most * (2 * random() - 1);
  const tensors = [...graph.tensors];
  const quants = disturbedQuants(graph, off);
  for (const [id, quant] of quants) tensors[id] = { ...tensorOf(graph, id), quant };
  const done = new Set<TensorId>();
  for (const { op, inputs } of graph.nodes) {
    const [input = null, weights = null, bias = null] = inputs;
    if (!weighted.has(op) || input === null || weights === null || done.has(weights)) continue;
    done.add(weights);
    const tensor = tensorOf(graph, weights);
    if (!(tensor.data instanceof Int8Array)) continue;
    tensors[weights] = { ...tensor, data: disturbedWeights(tensor.data, random) };
    if (bias === null) continue;
    const scales = tensor.quant?.scales.map((scale) =>
      Math.fround(scale * scaleOf(tensors[input])),
    );
    tensors[bias] = disturbedBias(tensorOf(graph, bias), scales ?? [], off);
  }
  return { ...module, graphs: [{ ...graph, tensors }, ...module.graphs.slice(1)] };
}

const scaleOf = (tensor: Tensor | undefined) => tensor?.quant?.scales[0] ?? 1;

/** Of activations in int8, whose scales no operator gives: those that must be equal stay so. */
function disturbedQuants(
  graph: Graph,
  off: (most: number) => number,
): ReadonlyMap<TensorId, Quant> {
  // Ties are those of the float graph.
  const asFloat = graph.tensors.map((tensor): Tensor => ({ ...tensor, dtype: 'float32' }));
  const ties = tiesOf({ ...graph, tensors: asFloat });
  const byLeader = new Map<TensorId, Quant>();
  const quants = new Map<TensorId, Quant>();
  graph.tensors.forEach(({ dtype, data, quant }, id) => {
    const leader = ties.leader(id);
    if (dtype !== 'int8' || data !== null || quant === null || ties.fixed.has(leader)) return;
    const {
      scales: [scale = 1],
      zeroPoints: [zeroPoint = 0],
    } = quant;
    const isAtEnd = Math.abs(zeroPoint + 0.5) > 127;
    const own = byLeader.get(leader) ?? {
      scales: [Math.fround(scale * (1 + off(Number(values.scales))))],
      zeroPoints: [isAtEnd ? zeroPoint : clamp(zeroPoint + Math.round(off(3)), -127, 126)],
      axis: null,
    };
    byLeader.set(leader, own);
    quants.set(id, own);
  });
  return quants;
}

function disturbedWeights(weights: Int8Array, random: () => number): Int8Array {
  const disturbed = weights.slice();
  for (let i = 0; i < Math.max(3, weights.length / 50); i += 1) {
    const at = Math.floor(random() * weights.length);
    const steps = (1 + Math.floor(3 * random())) * (random() < 0.5 ? -1 : 1);
    // Zeros stay: kernels that skip them are another matter.
    if (weights[at] !== 0) disturbed[at] = clamp((weights[at] as number) + steps, -127, 127) || 1;
  }
  return disturbed;
}

function disturbedBias(
  tensor: Tensor,
  scales: readonly number[],
  off: (most: number) => number,
): Tensor {
  const { data, quant } = tensor;
  if (!(data instanceof Int32Array) || quant === null) return tensor;
  const most = data.reduce((a, b) => Math.max(a, Math.abs(b)), 100);
  return {
    ...tensor,
    quant: { ...quant, scales },
    data: data.map((bias) => bias + Math.round(off(most / 100))),
  };
}

/** A step of a plan: its estimate, and what its kernel is. */
interface Layer {
  readonly name: string;
  readonly count: number;
  readonly kernel: string;
}

/** A module behind the passes, and what is proved of it. */
function analysed(module: Module) {
  const after = runPasses(module, { faithful: false });
  return { module: after, facts: analyse(mainGraph(after)) };
}

function layersOf({ module, facts }: ReturnType<typeof analysed>, target: Target) {
  const { plan, implementations } = makePlan(module, facts, target, options);
  return plan.steps.map(({ name, op, kernel, alternatives }, i): Layer => {
    const calls = (implementations[i]?.parts ?? []).flatMap((part) => part.kernel.outlines());
    return {
      name: `${op} ${name}`,
      count: alternatives[0]?.count ?? 0,
      kernel: [kernel, ...new Set(calls.map(({ functionKey }) => flagsOf(functionKey)))].join(' '),
    };
  });
}

/** Those that are set. */
function flagsOf(functionKey: string): string {
  const [, flags] = JSON.parse(functionKey) as [string, readonly (readonly [string, unknown])[]];
  const set = flags.filter(([, value]) => value !== false && value !== '');
  return `(${set.map(([name, value]) => (value === true ? name : `${name}=${value}`)).join(' ')})`;
}

const median = (numbers: readonly number[]) =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
const totalOf = (layers: readonly Layer[]) => layers.reduce((sum, { count }) => sum + count, 0);

function compare(name: string, target: Target, siblings: readonly (readonly Layer[])[]): number {
  const totals = siblings.map(totalOf);
  const middle = median(totals);
  const share = (count: number) => (count / middle).toFixed(2);
  const far = totals.filter((total) => Math.abs(total / middle - 1) > jump).length;
  const ms = ((1000 * middle) / target.clockHz).toFixed(2);
  const ends = [Math.min(...totals), Math.max(...totals)].map(share);
  console.log(`| ${[name, target.name, siblings.length, ms, ...ends, far].join(' | ')} |`);
  const causes = new Map<string, { least: number; most: number; times: number }>();
  for (const layers of siblings) {
    layers.forEach(({ name: layer, kernel, count }, i) => {
      const own = siblings.map((others) => others[i] as Layer);
      const usual = median(own.map((other) => other.count));
      const change = (count - usual) / middle;
      if (Math.abs(change) <= jump) return;
      const before = own.find((other) => other.count === usual)?.kernel;
      const key = `${layer}: ${before} → ${kernel}`;
      const known = causes.get(key) ?? { least: Infinity, most: -Infinity, times: 0 };
      causes.set(key, {
        ...{ least: Math.min(known.least, change), most: Math.max(known.most, change) },
        times: known.times + 1,
      });
    });
  }
  for (const [key, { least, most, times }] of causes) {
    console.error(
      `    ${times} × ${(100 * least).toFixed(0)} to ${(100 * most).toFixed(0)} % ${key}`,
    );
  }
  if (values.all) console.error(`    ${totals.map(share).join(' ')}`);
  return far;
}

const paths = ['examples/activity', values.models]
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder).map((path) => join(folder, path)))
  .filter((path) => path.endsWith('.tflite'));
const models = new Map<string, () => Module>([
  ...Object.entries(floatNetworks).map(
    ([name, make]) => [name, () => quantized(name, make())] as const,
  ),
  ...paths.map(
    (path) =>
      [
        basename(path, '.tflite'),
        () => load({ bytes: readFileSync(path), path, options }).source,
      ] as const,
  ),
]);
const wanted = [...models].filter(([name]) => name.includes(values.only));
const each = Math.ceil(Number(values.count) / wanted.length);
console.log('| model | target | networks | median ms | fastest | slowest | beyond 10 % |');
console.log('|---|---|--:|--:|--:|--:|--:|');
let far = 0;
for (const [name, make] of wanted) {
  const module = make();
  const siblings = Array.from({ length: each }, (_, i) =>
    analysed(sibling(module, makeRandom(seedFor(29, name, i)))),
  );
  for (const targetName of values.targets.split(',')) {
    const target = loadTarget(targetName);
    far += compare(
      name,
      target,
      siblings.map((one) => layersOf(one, target)),
    );
  }
}
console.log(`${far} of ${each * wanted.length * values.targets.split(',').length} beyond 10 %`);
