/**
 * Estimates what patterns of pruning gain on targets: a float model, each layer without the share of
 * its weights that is smallest, as int8.
 *
 *     npx tsx bench/prune-patterns.ts MODEL [--targets a,b] [--optimize GOAL] [--shares 0.5,0.8,0.9]
 *
 * Ranges of activations come from noise, so only times are true. For each target: counts, how many
 * times less than dense, and the same for each pruned layer.
 */
import { parseArgs } from 'node:util';
import { loadTarget } from '../src/boards/target/index.js';
import { importModel } from '../src/compiler/formats/index.js';
import { elementCount, type Graph, type Module, tensorOf } from '../src/compiler/ir/graph.js';
import type { Optimize } from '../src/compiler/ir/op.js';
import type { Candidate } from '../src/compress/candidate.js';
import { costsOn } from '../src/compress/cost.js';
import type { Dataset } from '../src/compress/data/dataset.js';
import { floatGraph } from '../src/compress/float-graph.js';
import { isPrunedByDefault, prunableLayers } from '../src/compress/prune/layers.js';
import { masksFor, pruned, uniformPlan } from '../src/compress/prune/masks.js';
import { patternNamed } from '../src/compress/prune/patterns.js';
import { magnitudeScores } from '../src/compress/prune/scores.js';
import { lower } from '../src/compress/quantize/lower.js';
import { observe } from '../src/compress/quantize/observe.js';
import { quantizationOf } from '../src/compress/quantize/ptq.js';
import { separated } from '../src/compress/quantize/scheme.js';
import { makeRandom } from '../src/compress/random.js';
import { loadBackend } from '../src/compress/tensorflow.js';
import { runnerOf } from '../src/compress/trace.js';
import { readInput } from '../src/files.js';
import { textTable } from '../src/report/text-table.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    targets: { type: 'string', default: 'rp2040,stm32f405,mps3-an547,esp32c3' },
    optimize: { type: 'string', default: 'balanced' },
    shares: { type: 'string', default: '0.5,0.8,0.9' },
  },
});
const patterns = ['unstructured', '1x4', '4x1', '4x4'];
const shares = values.shares.split(',').map(Number);

function noiseFor(graph: Graph): Dataset {
  const shape = tensorOf(graph, graph.inputs[0] ?? 0).shape.slice(1);
  const random = makeRandom(1);
  const x = Float32Array.from({ length: 16 * elementCount(shape) }, () => random());
  return { where: 'noise', count: 16, shape, x, labels: null, classes: null };
}

const [path = ''] = positionals;
const module = importModel(readInput(path, 'model'), {
  ...{ name: 'model', where: path, rounding: 'tflm' },
});
const graph = separated(floatGraph(module));
const dense: Candidate = { graph, masks: new Map(), quantization: null };
const layers = prunableLayers(graph).filter(isPrunedByDefault);
const scores = magnitudeScores(graph);
const { tf } = await loadBackend('wasm');
const data = noiseFor(graph);

function asInt8({ graph: own }: Candidate): Module {
  const { graphs: _, ...head } = module;
  const seen = observe(tf, runnerOf(tf, own), data);
  return lower(head, own, quantizationOf(own, seen, { calibration: 'min-max', weights: 'int8' }));
}

const cases = shares.flatMap((share) => patterns.map((pattern) => ({ share, pattern })));
const modules = cases.map(({ share, pattern }) => {
  const plan = uniformPlan(graph, { share, pattern: patternNamed(pattern) });
  return asInt8(pruned(dense, masksFor(graph, plan, scores)));
});

const options = { rounding: 'tflm', faithful: false, keepInput: false, xip: 'model' } as const;
for (const name of values.targets.split(',')) {
  const optimize = values.optimize as Optimize;
  const costOf = costsOn(loadTarget(name), { ...options, optimize });
  const base = costOf(asInt8(dense));
  const times = (before = 0, after = 1) => (before / after).toFixed(2);
  const rows = modules.map((own, i) => {
    const { count, flashBytes, layers: counts } = costOf(own);
    const { share = 0, pattern = '' } = cases[i] ?? {};
    return [
      ...[`${100 * share} %`, pattern, (count / 1e6).toFixed(3), times(base.count, count)],
      ...[`${flashBytes}`, ...layers.map(({ index }) => times(base.layers[index], counts[index]))],
    ];
  });
  const header = [
    ...['zeros', 'pattern', `M ${base.unit}`, 'times', 'flash B'],
    ...layers.map(({ index, node }) => `${index} ${node.op}`),
  ];
  const millions = (base.count / 1e6).toFixed(3);
  console.log(`${name}, ${optimize}: dense ${millions} M ${base.unit}, ${base.flashBytes} B\n`);
  console.log(`${textTable(header, rows, { right: new Set(header) })}\n`);
}
