/**
 * Runs graphs of integers over many samples, with the bits of `evaluate`. TensorFlow.js sums products:
 * integers whose partial sums stay below 2^24 are exact in float32, in any order. Larger operands are
 * summed in parts.
 */
import {
  allocate,
  type Graph,
  type NodeView,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../compiler/ir/graph.js';
import {
  type AccumulationAttrs,
  accumulatorStarts,
  finish,
  inputZeroPoint,
  type OutputStage,
  outputStage,
} from '../compiler/ops/arithmetic/accumulation.js';
import { activationRange, clamp } from '../compiler/ops/arithmetic/quant.js';
import { hasResidual } from '../compiler/ops/arithmetic/residual.js';
import { opOf } from '../compiler/ops/index.js';
import type { PoolAttrs } from '../compiler/ops/shape/pool.js';
import { isReshape } from '../compiler/ops/shape/same-elements.js';
import { batchSizes, foldChannels, magnitude, weighted } from './float-graph.js';
import { traceOf } from './ops/index.js';
import type { Integers } from './quantize/lower.js';
import { elementsOf, type Tf, type TfTensor } from './tensorflow.js';

export interface IntegerRunner {
  /**
   * Every computed tensor of a batch of samples (raw integers, one sample after another), by id.
   *
   * @param count samples in `inputs`
   */
  run(inputs: readonly Integers[], count: number): ReadonlyMap<TensorId, TensorData>;
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
      return joined(graph, parts);
    },
  };
}

function part(input: Integers, index: number, count: number): Integers {
  const size = input.length / count;
  return input.subarray(index * size, (index + 1) * size);
}

function joined(
  graph: Graph,
  parts: readonly ReadonlyMap<TensorId, TensorData>[],
): ReadonlyMap<TensorId, TensorData> {
  const all = new Map<TensorId, TensorData>();
  for (const [id, { length }] of parts[0] ?? []) {
    const whole = allocate(tensorOf(graph, id).dtype, length * parts.length) as Integers;
    parts.forEach((one, i) => {
      whole.set(one.get(id) as Integers, i * length);
    });
    all.set(id, whole);
  }
  return all;
}

function runBatch(
  tf: Tf,
  graph: Graph,
  inputs: readonly Integers[],
): ReadonlyMap<TensorId, TensorData> {
  const values = new Map<TensorId, TensorData>();
  graph.inputs.forEach((id, i) => {
    values.set(id, inputs[i] as Integers);
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
 * The outputs of a node between integers with the bits of its `evaluate`. `operands` holds raw integers of every
 * input, null where one is absent; extents are those of the view.
 */
export function integersOf(
  tf: Tf,
  view: NodeView,
  operands: readonly (TensorData | null)[],
): readonly TensorData[] {
  const own = view as NodeView<never>;
  const { op } = view.node;
  const sums = weighted.has(op) && !hasResidual(own) ? exactSums(tf, own, operands) : null;
  if (sums !== null) return [requantized(own, sums)];
  if (op === 'max_pool2d') return [largest(tf, own, operands[0] as Integers)];
  // The same elements: a copy, since evaluate moves them one by one.
  if (isReshape(view.node)) return [(operands[0] as Integers).slice()];
  return opOf(view.node).evaluate(own, operands);
}

function largest(tf: Tf, view: NodeView<PoolAttrs>, input: Integers): Integers {
  const output = view.outputs[0] as Tensor;
  const [least, most] = activationRange(view.attrs.activation, output);
  const plain = { ...view, attrs: { ...view.attrs, activation: 'none' as const } };
  const found = elementsOf(tf, () => {
    const x = tf.tensor(Float32Array.from(input), [...(view.inputs[0]?.shape ?? [])]);
    return traceOf(view.node)(tf, plain, [x])[0] as TfTensor;
  });
  const result = allocate(output.dtype, found.length) as Integers;
  return result.map((_, i) => clamp(found[i] as number, least, most));
}

/** Whether float32 holds every sum of products of an int8 layer. */
export function hasExactSums(view: NodeView<object>): boolean {
  return view.inputs[0]?.dtype === 'int8' && isExact(view, view.inputs[1]?.data as Int8Array);
}

/** A share of all operands of a layer: each is the sum of its parts times their factors. */
interface Part<T extends ArrayLike<number> = ArrayLike<number>> {
  readonly factor: number;
  readonly values: T;
}

/** Whether sums of products of `weights` and inputs below 256 stay below 2^24, in any order. */
function isExact(view: NodeView<object>, weights: Int8Array): boolean {
  const axis = weighted.get(view.node.op) ?? 0;
  const sums = foldChannels(weights, view.inputs[1]?.shape ?? [], axis, magnitude);
  return 255 * Math.max(...sums) < 2 ** 24;
}

/** The sums of products of a layer, without its bias; null where they are too large even in parts. */
function exactSums(
  tf: Tf,
  view: NodeView<AccumulationAttrs>,
  [input, weights]: readonly (TensorData | null)[],
): Float64Array | null {
  const halves = weightParts(view, weights as Int8Array);
  if (!halves.every(({ values }) => isExact(view, values))) return null;
  let sums: Float64Array | null = null;
  for (const x of inputParts(view, input as Integers)) {
    for (const w of halves) {
      const own = sumsOf(tf, view, x.values, w.values);
      sums ??= new Float64Array(own.length);
      for (let i = 0; i < own.length; i += 1) {
        sums[i] = (sums[i] as number) + x.factor * w.factor * (own[i] as number);
      }
    }
  }
  return sums;
}

/** Of magnitudes up to 255: int8 less its zero point, and the two bytes of int16. */
function inputParts(view: NodeView<object>, input: Integers): readonly Part[] {
  if (input instanceof Int16Array) {
    return [
      { factor: 256, values: input.map((value) => value >> 8) },
      { factor: 1, values: input.map((value) => value & 255) },
    ];
  }
  const zeroPoint = inputZeroPoint(view);
  return [{ factor: 1, values: Float32Array.from(input, (value) => value - zeroPoint) }];
}

function weightParts(view: NodeView<object>, weights: Int8Array): readonly Part<Int8Array>[] {
  if (isExact(view, weights)) return [{ factor: 1, values: weights }];
  return [
    { factor: 16, values: weights.map((w) => w >> 4) },
    { factor: 1, values: weights.map((w) => w & 15) },
  ];
}

/** The outputs of a layer with weights, from its sums of products without bias. */
export function requantized(
  view: NodeView<AccumulationAttrs>,
  sums: Float32Array | Float64Array,
): Integers {
  const { shape = [], quant } = view.inputs[1] ?? {};
  const channels = shape[weighted.get(view.node.op) ?? 0] ?? 1;
  const isPerTensor = view.node.op === 'fully_connected' && (quant?.scales.length ?? 1) === 1;
  const stage = outputStage(view, channels, isPerTensor ? 'per-tensor' : 'per-channel');
  return stage.wide === undefined
    ? finished(stage, sums, channels)
    : finishedWide(stage, sums, channels);
}

/** `finish` of all sums of an int16 layer. */
function finishedWide(
  stage: OutputStage,
  sums: Float32Array | Float64Array,
  channels: number,
): Int16Array {
  const starts = accumulatorStarts(stage);
  const output = new Int16Array(sums.length);
  for (let i = 0; i < output.length; i += 1) {
    const channel = i % channels;
    output[i] = finish(stage, (sums[i] as number) + (starts[channel] as number), channel);
  }
  return output;
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

/** Σ x · w in float32, without bias, activation and requantization. */
function sumsOf(
  tf: Tf,
  view: NodeView<AccumulationAttrs>,
  input: ArrayLike<number>,
  weights: Int8Array,
): Float32Array {
  const tensor = (data: ArrayLike<number>, position: number): TfTensor =>
    tf.tensor(Float32Array.from(data), [...(view.inputs[position]?.shape ?? [])]);
  const plain = { ...view, attrs: { ...view.attrs, activation: 'none' as const } };
  return elementsOf(tf, () => {
    const [x, w] = [tensor(input, 0), tensor(weights, 1)];
    return traceOf(view.node)(tf, plain, [x, w, null])[0] as TfTensor;
  });
}
