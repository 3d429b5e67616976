/**
 * Which kernels a corpus of layers can have, and what these are: memory, overlaps, and their calls
 * with all tables, of which a hash stands for each kernel; and the layers' halves for two cores. A proof that is lost, or one too many,
 * changes a line; a refactoring changes none.
 */
import { createHash } from 'node:crypto';
import { analyse } from '../../src/compiler/analysis/index.js';
import { type Module, mainGraph, viewOf } from '../../src/compiler/ir/graph.js';
import { goals } from '../../src/compiler/ir/op.js';
import { halvesOfNode } from '../../src/compiler/kernels/halves.js';
import { matchesOf } from '../../src/compiler/kernels/index.js';
import type { Kernel, KernelContext } from '../../src/compiler/kernels/variant.js';
import type { Rounding } from '../../src/compiler/ops/arithmetic/quant.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { expectGolden } from '../support/golden.js';
import { goldenCases, moduleOfCase } from '../support/golden-cases.js';
import { fusible, growGraph, growths, indexed, internal, stateful } from '../support/graphs.js';
import { randomLayer } from '../support/layers.js';
import { prunedLayer } from '../support/pruned.js';

const counted = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** Layers of an operator, grown at random, after the passes. */
function* grown(op: string, count: number): Iterable<Module> {
  for (const seed of counted(count)) {
    yield runPasses(growGraph({ ops: [op], seed }), { faithful: false });
  }
}

const sums = ['conv2d', 'depthwise_conv2d', 'fully_connected', 'transpose_conv'];
const others = Object.keys({ ...growths, ...indexed, ...internal, ...stateful, ...fusible }).filter(
  (op) => !sums.includes(op),
);

/** Its sums, rounded in another way, as other runtimes do. */
function rounded(module: Module, rounding: Rounding): Module {
  const graphs = module.graphs.map((graph) => ({
    ...graph,
    nodes: graph.nodes.map((node) =>
      sums.includes(node.op) ? { ...node, attrs: { ...node.attrs, rounding } } : node,
    ),
  }));
  return { ...module, graphs };
}

const corpus: Readonly<Record<string, () => Iterable<Module>>> = {
  windows: () => counted(20).map(randomLayer),
  ...Object.fromEntries(sums.map((op) => [op, () => grown(op, 60)])),
  'pruned-conv2d': () => counted(28).map((seed) => prunedLayer('conv2d', seed)),
  'pruned-fully_connected': () => counted(28).map((seed) => prunedLayer('fully_connected', seed)),
  float: () => sums.flatMap((op) => [...grown(op, 40)].map((one) => rounded(one, 'float'))),
  cases: () =>
    Object.entries(goldenCases).flatMap(([op, cases]) => cases.map((one) => moduleOfCase(op, one))),
  others: () => others.flatMap((op) => [...grown(op, 5)]),
};

function hashOf(kernel: Kernel): string {
  const { scratchBytes, weightPasses, overlaps, refusal } = kernel;
  const hash = createHash('sha256');
  const added = (_: string, value: unknown) => {
    if (!ArrayBuffer.isView(value)) return typeof value === 'bigint' ? `${value}` : value;
    hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    return value.constructor.name;
  };
  const calls = kernel.calls().map(({ routines = {}, ...call }) => ({
    ...call,
    routines: Object.values(routines).map((one) => one.text('it')),
  }));
  hash.update(JSON.stringify([scratchBytes, weightPasses, overlaps, refusal, calls], added));
  return hash.digest('hex').slice(0, 4);
}

/** A line for each step. */
function linesOf(module: Module, index: number): string {
  const graph = mainGraph(module);
  const target = {
    features: new Set(index % 2 === 0 ? ['dual'] : []),
    ...(index % 3 === 0 ? {} : { regions: {} }),
  };
  const optimize = goals[index % goals.length];
  const context = { facts: analyse(graph), target, optimize } as unknown as KernelContext;
  const lines = graph.nodes.map((node) => {
    const view = viewOf(graph, node);
    const matches = matchesOf(view, context, () => true);
    const kernels = matches.map(({ variant, kernel }) => `${variant.template} ${hashOf(kernel)}`);
    const halves = (halvesOfNode(view) ?? []).map(
      (half) => `half at ${half.inputBytes}, ${half.outputBytes}, ${half.firstChannel}`,
    );
    return `${index} ${node.op}: ${[...kernels, ...halves].join('; ')}\n`;
  });
  return lines.join('');
}

describe('kernels: what a corpus of layers can have', () => {
  for (const [name, modules] of Object.entries(corpus)) {
    it(`is as in test/golden/kernels/${name}.txt`, () => {
      let lines = '';
      let index = 0;
      for (const module of modules()) lines += linesOf(module, index++);
      expectGolden(lines, `kernels/${name}.txt`);
    });
  }
});
