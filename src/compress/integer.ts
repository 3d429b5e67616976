/**
 * Runs int8 graphs over many samples, with the bits of `evaluate`. TensorFlow.js sums products:
 * integers whose partial sums stay below 2^24 are exact in float32, in any order.
 */
import {
  type Graph,
  type NodeView,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import {
  type AccumulationAttrs,
  finish,
  inputZeroPoint,
  type OutputStage,
  outputStage,
} from '../ops/arithmetic/accumulation.js';
import { activationRange, clamp } from '../ops/arithmetic/quant.js';
import { hasResidual } from '../ops/arithmetic/residual.js';
import { opOf } from '../ops/index.js';
import type { PoolAttrs } from '../ops/shape/pool.js';
import { isReshape } from '../ops/shape/same-elements.js';
import { batchSizes, foldChannels, magnitude, weighted } from './float-graph.js';
import { traceOf } from './ops/index.js';
import { elementsOf, type Tf, type TfTensor } from './tensorflow.js';

export interface IntegerRunner {
  /**
   * Every computed tensor of a batch of samples (raw int8, one sample after another), by id.
   *
   * @param count samples in `inputs`
   */
  run(inputs: readonly Int8Array[], count: number): ReadonlyMap<TensorId, TensorData>;
}

/** A runner for graphs as `lower` makes them, before passes fuse nodes. */
export function integerRunner(tf: Tf, graph: Graph): IntegerRunner {
  const sized = batchSizes(graph);
  return {
    run(inputs, count) {
      const whole = sized(count);
      if (whole !== null) return runBatch(tf, whole, inputs);
      const parts = Array.from({ length: count }, (_, i) =>
        runBatch(
          tf,
          graph,
          inputs.map((input) => part(input, i, count)),
        ),
      );
      return joined(parts);
    },
  };
}

function part(input: Int8Array, index: number, count: number): Int8Array {
  const size = input.length / count;
  return input.subarray(index * size, (index + 1) * size);
}

function joined(
  parts: readonly ReadonlyMap<TensorId, TensorData>[],
): ReadonlyMap<TensorId, TensorData> {
  const all = new Map<TensorId, TensorData>();
  for (const [id, { length }] of parts[0] ?? []) {
    const whole = new Int8Array(length * parts.length);
    parts.forEach((one, i) => {
      whole.set(one.get(id) as Int8Array, i * length);
    });
    all.set(id, whole);
  }
  return all;
}

function runBatch(
  tf: Tf,
  graph: Graph,
  inputs: readonly Int8Array[],
): ReadonlyMap<TensorId, TensorData> {
  const values = new Map<TensorId, TensorData>();
  graph.inputs.forEach((id, i) => {
    values.set(id, inputs[i] as Int8Array);
  });
  for (const node of graph.nodes) {
    const view = viewOf(graph, node);
    const operands = node.inputs.map((id) =>
      id === null ? null : (values.get(id) ?? (tensorOf(graph, id).data as TensorData)),
    );
    const outputs = integersOf(tf, view, operands);
    node.outputs.forEach((id, i) => {
      values.set(id, outputs[i] as TensorData);
    });
  }
  return values;
}

/**
 * The outputs of an int8 node with the bits of its `evaluate`. `operands` holds raw integers of every
 * input, null where one is absent; extents are those of the view.
 */
export function integersOf(
  tf: Tf,
  view: NodeView,
  operands: readonly (TensorData | null)[],
): readonly TensorData[] {
  const own = view as NodeView<never>;
  const { op } = view.node;
  if (weighted.has(op) && !hasResidual(own) && reachOf(own) < 8 * exactBelow) {
    return [accumulated(tf, own, operands)];
  }
  if (op === 'max_pool2d') return [largest(tf, own, operands[0] as Int8Array)];
  // The same elements: a copy, since evaluate moves them one by one.
  if (isReshape(view.node)) return [(operands[0] as Int8Array).slice()];
  return opOf(view.node).evaluate(own, operands);
}

function largest(tf: Tf, view: NodeView<PoolAttrs>, input: Int8Array): Int8Array {
  const [least, most] = activationRange(view.attrs.activation, view.outputs[0] as Tensor);
  const plain = { ...view, attrs: { ...view.attrs, activation: 'none' as const } };
  const found = elementsOf(tf, () => {
    const x = tf.tensor(Float32Array.from(input), [...(view.inputs[0]?.shape ?? [])]);
    return traceOf(view.node)(tf, plain, [x])[0] as TfTensor;
  });
  return Int8Array.from(found, (value) => clamp(value, least, most));
}

/** Partial sums below this are exact in float32. */
const exactBelow = 2 ** 24;

/** The largest sum of products that the weights of a layer allow, in any order of adding. */
function reachOf(view: NodeView<object>): number {
  const { data = null, shape = [] } = view.inputs[1] ?? {};
  const axis = weighted.get(view.node.op) ?? 0;
  return 255 * Math.max(...foldChannels((data ?? []) as Int8Array, shape, axis, magnitude));
}

/** Whether float32 holds every sum of products of a layer. */
export function hasExactSums(view: NodeView<object>): boolean {
  return reachOf(view) < exactBelow;
}

function accumulated(
  tf: Tf,
  view: NodeView<AccumulationAttrs>,
  operands: readonly (TensorData | null)[],
): Int8Array {
  const [input, weights] = operands as [Int8Array, Int8Array];
  const zeroPoint = inputZeroPoint(view);
  if (hasExactSums(view)) return requantized(view, sumsOf(tf, view, input, weights, zeroPoint));
  // Larger sums are computed in two parts: weight = 16 · high + low.
  const parts = [weights.map((w) => w >> 4), weights.map((w) => w & 15)];
  const [high = [], low = []] = parts.map((part) => sumsOf(tf, view, input, part, zeroPoint));
  const sums = Float64Array.from(high, (value, i) => 16 * value + (low[i] as number));
  return requantized(view, sums);
}

/** The int8 outputs of a layer with weights, from its sums of products without bias. */
export function requantized(
  view: NodeView<AccumulationAttrs>,
  sums: Float32Array | Float64Array,
): Int8Array {
  const { shape = [], quant } = view.inputs[1] ?? {};
  const channels = shape[weighted.get(view.node.op) ?? 0] ?? 1;
  const isPerTensor = view.node.op === 'fully_connected' && (quant?.scales.length ?? 1) === 1;
  const stage = outputStage(view, channels, isPerTensor ? 'per-tensor' : 'per-channel');
  return finished(stage, sums, channels);
}

/**
 * `finish` of all sums, in one product of doubles where that is proved to round alike: the product is
 * off by less than 2^-20 and TFLM's first rounding by half of 2^shift, so a fraction further than both
 * from a half decides. One loop without calls: training requantizes every activation of a batch.
 */
function finished(
  stage: OutputStage,
  sums: Float32Array | Float64Array,
  channels: number,
): Int8Array {
  const { multipliers, zeroPoint, min, max, biases } = stage;
  const reals = Float64Array.from(multipliers, (m) => m.multiplier * 2 ** (m.shift - 31));
  const doubts = Float64Array.from(multipliers, (m) => 2 ** (Math.min(m.shift, 0) - 1) + 2 ** -20);
  const output = new Int8Array(sums.length);
  for (let first = 0; first < output.length; first += channels) {
    for (let channel = 0; channel < channels; channel += 1) {
      const sum = (sums[first + channel] as number) + (biases[channel] as number);
      const real = sum * (reals[channel] as number);
      const whole = Math.floor(real);
      const fromHalf = real - whole - 0.5;
      const doubt = doubts[channel] as number;
      let value = (fromHalf > 0 ? whole + 1 : whole) + zeroPoint;
      if (fromHalf <= doubt && fromHalf >= -doubt) value = finish(stage, sum, channel);
      output[first + channel] = Math.max(min, Math.min(value, max));
    }
  }
  return output;
}

/** Σ (x − zero point) · w without bias, activation and requantization. */
function sumsOf(
  tf: Tf,
  view: NodeView<AccumulationAttrs>,
  input: Int8Array,
  weights: Int8Array,
  zeroPoint: number,
): Float32Array {
  const tensor = (data: Float32Array, position: number): TfTensor =>
    tf.tensor(data, [...(view.inputs[position]?.shape ?? [])]);
  const plain = { ...view, attrs: { ...view.attrs, activation: 'none' as const } };
  return elementsOf(tf, () => {
    const x = tensor(
      Float32Array.from(input, (value) => value - zeroPoint),
      0,
    );
    const w = tensor(Float32Array.from(weights), 1);
    const [sums] = traceOf(view.node)(tf, plain, [x, w, null]);
    return sums as TfTensor;
  });
}
