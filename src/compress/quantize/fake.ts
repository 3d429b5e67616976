/**
 * Fake quantization: the numbers that int8 tensors can hold, with gradients that pass straight
 * through the rounding. Scales learn with the weights (Esser et al., Learned Step Size
 * Quantization, 2020).
 */
import { type Graph, type Shape, type TensorId, tensorOf } from '../../ir/graph.js';
import { weighted } from '../float-graph.js';
import type { Tf, TfTensor, TfVariable } from '../tensorflow.js';
import type { Hooks } from '../trace.js';
import { type Quantization, tiesOf, type WeightQuant, weightTypes } from './scheme.js';

/** Integers from `min` to `max` times a scale. */
interface Levels {
  readonly min: number;
  readonly max: number;
  /** −1 and 1 only. */
  readonly signs?: boolean;
}

/**
 * `x` as the nearest multiples of `scale` within the levels. `scale` has the shape of `x`, or 1 in
 * the dimensions that share it. Halves round away from zero, as the kernels' requantization does.
 */
export function fakeQuantized(tf: Tf, x: TfTensor, scale: TfTensor, levels: Levels): TfTensor {
  const { min, max, signs = false } = levels;
  const rounded = (v: TfTensor) => {
    if (signs) return tf.where(tf.less(v, 0), tf.fill(v.shape, -1), tf.fill(v.shape, 1));
    const nearest = tf.mul(tf.sign(v), tf.floor(tf.add(tf.abs(v), 0.5)));
    return tf.clipByValue(nearest, min, max);
  };
  const shared = scale.shape.reduce((a, b) => a * b, 1);
  const count = x.shape.reduce((a, b) => a * b, 1) / shared;
  // The gradient of a scale sums over all that share it; this keeps its steps in proportion.
  const damping = 1 / Math.sqrt(count * Math.max(1, max));
  const quantize = tf.customGrad((...given: unknown[]) => {
    const [value, step, save] = given as [TfTensor, TfTensor, (tensors: TfTensor[]) => void];
    save([value, step]);
    return {
      value: tf.mul(rounded(tf.div(value, step)), step),
      gradFunc: (dy: TfTensor, saved: TfTensor[]) => {
        const [own, by] = saved as [TfTensor, TfTensor];
        const v = tf.div(own, by);
        const q = rounded(v);
        const inside = tf.cast(
          tf.logicalAnd(tf.greaterEqual(v, min - 0.5), tf.lessEqual(v, max + 0.5)),
          'float32',
        );
        const slope = tf.sub(q, tf.mul(v, inside));
        const all = tf.mul(tf.mul(dy, slope), damping);
        const axes = by.shape.flatMap((extent, d) => (extent === 1 ? [d] : []));
        return [tf.mul(dy, inside), tf.reshape(tf.sum(all, axes, true), by.shape)];
      },
    };
  });
  return quantize(x, scale);
}

/**
 * The scales of a quantization as variables, by name; `hooks` computes with them. A variable is the
 * logarithm of its scales, so that steps of the optimizer are shares of a scale and none falls to 0.
 */
export interface FakeQuantizer {
  readonly variables: ReadonlyMap<string, TfVariable>;
  /** Tensors as int8 would hold them. `parameter` gives a constant's values before rounding. */
  hooks(parameter: (id: TensorId) => TfTensor | null): Hooks;
  /** The quantization with the scales that the variables have now. */
  learned(): Quantization;
}

export function fakeQuantizer(tf: Tf, graph: Graph, start: Quantization): FakeQuantizer {
  const ties = tiesOf(graph);
  const variables = new Map<string, TfVariable>();
  const makeVariable = (name: string, values: readonly number[], shape: Shape) => {
    const make = () => tf.variable(tf.tensor(values.map(Math.log), [...shape]));
    variables.set(name, tf.tidy(make as never));
  };
  const activationName = (id: TensorId) => `scale/${ties.leader(id)}`;
  const weightName = (id: TensorId) => `weight-scale/${id}`;
  for (const [id, { scale }] of start.activations) {
    const name = activationName(id);
    if (!ties.fixed.has(ties.leader(id)) && !variables.has(name)) makeVariable(name, [scale], [1]);
  }
  for (const [id, { scales, axis }] of start.weights) {
    makeVariable(weightName(id), scales, scaleShape(tensorOf(graph, id).shape, axis));
  }
  const activation = (id: TensorId, value: TfTensor): TfTensor => {
    const quant = start.activations.get(id);
    if (quant === undefined) return value;
    const own = variables.get(activationName(id));
    const scale = own === undefined ? tf.tensor1d([quant.scale]) : tf.exp(own);
    const shape = value.shape.map(() => 1);
    const levels = { min: -128 - quant.zeroPoint, max: 127 - quant.zeroPoint };
    return fakeQuantized(tf, value, tf.reshape(scale, shape), levels);
  };
  const weights = (id: TensorId, value: TfTensor, { type }: WeightQuant): TfTensor => {
    const scale = tf.exp(variables.get(weightName(id)) as TfVariable);
    return fakeQuantized(tf, value, scale, { ...weightTypes[type], signs: type === 'binary' });
  };
  const biases = biasesOf(graph);
  return {
    variables,
    hooks: (parameter) => ({
      computed: activation,
      parameter(id) {
        const value = parameter(id);
        const quant = start.weights.get(id);
        if (value !== null && quant !== undefined) return weights(id, value, quant);
        const reader = biases.get(id);
        if (value === null || reader === undefined) return value;
        const input = variables.get(activationName(reader.input));
        const fixed = start.activations.get(reader.input)?.scale ?? 1;
        const inputScale = input === undefined ? tf.scalar(fixed) : tf.exp(input);
        const own = variables.get(weightName(reader.weights)) as TfVariable;
        return roundedBias(tf, value, tf.mul(tf.reshape(tf.exp(own), [-1]), inputScale));
      },
    }),
    learned: () => {
      const valuesOf = (name: string) => {
        const own = variables.get(name);
        return own === undefined ? [] : [...tf.tidy(() => tf.exp(own).dataSync())];
      };
      const activations = [...start.activations].map(([id, quant]) => {
        const [scale = quant.scale] = valuesOf(activationName(id));
        return [id, { ...quant, scale }] as const;
      });
      const learnedWeights = [...start.weights].map(
        ([id, quant]) => [id, { ...quant, scales: valuesOf(weightName(id)) }] as const,
      );
      return { activations: new Map(activations), weights: new Map(learnedWeights) };
    },
  };
}

function scaleShape(shape: Shape, axis: number | null): Shape {
  return shape.map((extent, d) => (d === axis ? extent : 1));
}

/** int32 biases are fine enough to learn as they are; rounding them only keeps the bits. */
function roundedBias(tf: Tf, value: TfTensor, scale: TfTensor): TfTensor {
  const straight = tf.customGrad((...given: unknown[]) => {
    const [own] = given as [TfTensor];
    const v = tf.div(own, scale);
    const nearest = tf.mul(tf.sign(v), tf.floor(tf.add(tf.abs(v), 0.5)));
    return { value: tf.mul(nearest, scale), gradFunc: (dy: TfTensor) => dy };
  });
  return straight(value);
}

function biasesOf(graph: Graph): ReadonlyMap<TensorId, { input: TensorId; weights: TensorId }> {
  return new Map(
    graph.nodes.flatMap(({ op, inputs: [input, weights, bias] }) =>
      weighted.has(op) && typeof bias === 'number'
        ? [[bias, { input: input as TensorId, weights: weights as TensorId }] as const]
        : [],
    ),
  );
}
