/** Random layers with zero weights, in every pattern of pruning. */

import { type Keep, patterns } from '../../src/boards/tune/pruning.js';
import type { Module, Shape } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from './module.js';
import { randomAccumulation, randomWindow } from './operands.js';

const patternNames = Object.keys(patterns);
/** Densities to combine with every pattern, from all zero to all nonzero. */
const densities = [0.2, 0, 0.05, 0.5, 1, 0.1, 0.8];

export function prunedWeights(random: Random, shape: Shape, seed: number): Int8Array {
  const density = densities[Math.floor(seed / patternNames.length) % densities.length] as number;
  const uniform = () => random.integer(0, 999) / 1000;
  const keep = patterns[patternNames[seed % patternNames.length] as string]?.(uniform, density);
  return keptWeights(random, shape, keep ?? (() => true));
}

/** Weights that are zero exactly where they are not kept. */
export function keptWeights(random: Random, shape: Shape, keep: Keep): Int8Array {
  const [outputs = 1, ...rest] = shape;
  const channels = rest.at(-1) ?? 1;
  const taps = rest.slice(0, -1).reduce((count, extent) => count * extent, 1);
  const data = new Int8Array(outputs * taps * channels);
  data.forEach((_, i) => {
    const c = i % channels;
    const tap = Math.floor(i / channels) % taps;
    const isKept = keep(Math.floor(i / channels / taps), tap, c);
    if (isKept) data[i] = random.pick([-128, 127, 1, random.integer(-128, 127)]) || 3;
  });
  return data;
}

/**
 * A layer whose pattern and density follow from the seed; 56 consecutive seeds cover all
 * combinations.
 *
 * @param largest the most channels
 */
export function prunedLayer(op: 'conv2d' | 'fully_connected', seed: number, largest = 40): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input, output, attrs } = randomAccumulation(random);
  const outC = random.integer(1, largest);
  const inC = random.integer(1, largest);
  const shape = [random.integer(1, 2), random.integer(1, 9), random.integer(1, 9), inC];
  const window = randomWindow(random, shape);
  const isPointwise = random.integer(0, 2) === 0;
  const kernel = isPointwise ? [1, 1] : [window.kernelH, window.kernelW];
  const isConv = op === 'conv2d';
  const depth = random.integer(1, 9 * largest);
  const weightShape = isConv ? [outC, ...kernel, inC] : [outC, depth];
  const scales = Array.from({ length: outC }, () => random.integer(10, 300) / 10000);
  const weights = b.constant(
    prunedWeights(random, weightShape, seed),
    weightShape,
    perChannelQuant(scales, 0),
  );
  const bias = b.constant(random.int32(outC, -9000, 9000));
  const x = b.input(isConv ? shape : [random.pick([1, 1, 2, 11]), depth], input);
  // Some kernels have a shorter path for a ReLU.
  const isRelu = random.integer(0, 3) > 0;
  const all = {
    ...attrs,
    ...(isConv ? (isPointwise ? pointwise : window.attrs) : {}),
    ...(isRelu ? { activation: 'relu' } : {}),
  };
  const quant = isRelu ? perTensorQuant(output.scales[0] ?? 1, -128) : output;
  return b.module([b.node(op, [x, weights, bias], all, { quant, name: `seed ${seed}` })]);
}

const pointwise = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
};

/** The same module with four fifths of the first node's weights 0 and most others 1 or -1. */
export function prunedModule(module: Module, seed: number): Module {
  const random = new Random(seed);
  const [graph] = module.graphs;
  const id = graph?.nodes[0]?.inputs[1];
  if (graph === undefined || id == null) return module;
  const prune = (weight: number) =>
    random.integer(0, 4) > 0 ? 0 : random.integer(0, 5) > 0 ? random.pick([-1, 1]) : weight;
  const tensors = graph.tensors.map((tensor, at) =>
    at === id ? { ...tensor, data: (tensor.data as Int8Array).map(prune) } : tensor,
  );
  return { ...module, graphs: [{ ...graph, tensors }] };
}
