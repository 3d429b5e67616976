/**
 * Fake quantization: a float graph computes with the numbers that tensors of integers hold, and
 * gradients pass straight through the rounding. The values of a forward pass are the device's, to the
 * bit: sums of int8 products are sums of integers, which float32 holds, and `integer.ts` requantizes
 * them; int16 layers and other operators evaluate integers. Scales learn with the weights (Esser et al., Learned Step Size
 * Quantization, 2020).
 */
import {
  allocate,
  type Graph,
  type Node,
  type NodeView,
  type Shape,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
} from '../../compiler/ir/graph.js';
import { isMoving } from '../../compiler/ops/index.js';
import { realValues, weighted, withValues } from '../float-graph.js';
import { hasExactSums, integersOf, requantized } from '../integer.js';
import { traceOf } from '../ops/index.js';
import { activate } from '../ops/trace.js';
import type { Tf, TfTensor, TfVariable } from '../tensorflow.js';
import type { Hooks } from '../trace.js';
import { type Integers, integersFor, lowered } from './lower.js';
import {
  type ActivationQuant,
  levelsOf,
  type Quantization,
  type RealRange,
  tiesOf,
  weightTypes,
  widenedQuant,
  widenedTensors,
} from './scheme.js';

/**
 * `x` as the nearest multiples of `scale` within the levels, the integers that it multiplies; `given` are these multiples where they
 * are known. `scale` has the rank of `x`, with 1 in the dimensions that share it. Halves round away
 * from zero, as the kernels' requantization does.
 */
export function fakeQuantized(
  tf: Tf,
  x: TfTensor,
  scale: TfTensor,
  { min, max }: RealRange,
  given: TfTensor | null = null,
): TfTensor {
  const shared = scale.shape.reduce((a, b) => a * b, 1);
  const count = x.shape.reduce((a, b) => a * b, 1) / shared;
  // The gradient of a scale sums over all that share it; this keeps its steps in proportion.
  const damping = 1 / Math.sqrt(count * Math.max(1, max));
  const quantize = tf.customGrad((...operands: unknown[]) => {
    const [value, step, save] = operands as [TfTensor, TfTensor, (tensors: TfTensor[]) => void];
    const result = given ?? tf.mul(nearest(tf, tf.div(value, step), { min, max }), step);
    save([value, step, result]);
    return {
      value: given === null ? result : tf.clone(result),
      gradFunc: (dy: TfTensor, saved: TfTensor[]) => {
        const [own, by, out] = saved as [TfTensor, TfTensor, TfTensor];
        const v = tf.div(own, by);
        const inside = tf.cast(tf.equal(v, tf.clipByValue(v, min - 0.5, max + 0.5)), 'float32');
        const dx = tf.mul(dy, inside);
        // dy · (q − v inside the levels, q outside), where q = out / scale.
        const slope = tf.sub(tf.mul(dy, tf.div(out, by)), tf.mul(dx, v));
        const axes = by.shape.flatMap((extent, d) => (extent === 1 ? [d] : []));
        return [dx, tf.mul(tf.reshape(tf.sum(slope, axes, true), by.shape), damping)];
      },
    };
  });
  return quantize(x, scale);
}

function nearest(tf: Tf, v: TfTensor, { min, max }: RealRange): TfTensor {
  return tf.clipByValue(tf.mul(tf.sign(v), tf.floor(tf.add(tf.abs(v), 0.5))), min, max);
}

/**
 * The scales of a quantization as variables, by name; `hooks` computes with them. A variable is the
 * logarithm of what multiplies the first scales, so that steps of the optimizer are shares of a scale,
 * none falls to 0, and scales that do not learn keep their bits.
 */
export interface FakeQuantizer {
  readonly variables: ReadonlyMap<string, TfVariable>;
  /**
   * Tensors as integers would hold them. `parameter` gives a constant's values before rounding. The hooks
   * hold for as long as values and scales stay.
   */
  hooks(parameter: (id: TensorId) => TfTensor | null): Hooks;
  /** The quantization with the scales that the variables have now. */
  learned(): Quantization;
}

export function fakeQuantizer(tf: Tf, graph: Graph, start: Quantization): FakeQuantizer {
  const scales = makeScales(tf, graph, start);
  return {
    variables: scales.variables,
    learned: scales.learned,
    hooks(parameter) {
      let known: Graph | null = null;
      const integers = () => {
        known ??= lowered(withParameters(graph, parameter), scales.learned());
        return known;
      };
      return hooksOf(tf, start, scales, parameter, integers);
    },
  };
}

/** The graph with the values that its constants have now. */
function withParameters(graph: Graph, parameter: (id: TensorId) => TfTensor | null): Graph {
  const values = new Map<TensorId, Float32Array>();
  graph.tensors.forEach(({ data, dtype }, id) => {
    const value = data === null || dtype !== 'float32' ? null : parameter(id);
    if (value !== null) values.set(id, value.dataSync() as Float32Array);
  });
  return withValues(graph, values);
}

interface Scales {
  readonly variables: ReadonlyMap<string, TfVariable>;
  learned(): Quantization;
  /** Of an activation: a scalar. */
  activation(id: TensorId, quant: ActivationQuant): TfTensor;
  /** Of weights, in a shape that multiplies them. */
  weights(id: TensorId): TfTensor;
}

function makeScales(tf: Tf, graph: Graph, start: Quantization): Scales {
  const ties = tiesOf(graph);
  const variables = new Map<string, TfVariable>();
  const firsts = new Map<string, readonly number[]>();
  const makeVariable = (name: string, values: readonly number[], shape: Shape) => {
    firsts.set(name, values);
    variables.set(
      name,
      tf.tidy(() => tf.variable(tf.zeros([...shape])) as TfVariable),
    );
  };
  const scaleOf = (name: string): TfTensor | null => {
    const own = variables.get(name);
    if (own === undefined) return null;
    return tf.mul(tf.tensor([...(firsts.get(name) ?? [])], own.shape), tf.exp(own));
  };
  const widened = widenedTensors(graph, (id) => start.activations.get(id)?.type ?? 'int8');
  /** The scale of what a conversion makes follows that of what it reads. */
  const narrowOf = (id: TensorId) => widened.get(ties.leader(id));
  const activationName = (id: TensorId) => `scale/${ties.leader(id)}`;
  const weightName = (id: TensorId) => `weight-scale/${id}`;
  for (const [id, { scale }] of start.activations) {
    const name = activationName(id);
    // Constants keep the range of their elements.
    if (tensorOf(graph, id).data !== null || narrowOf(id) !== undefined) continue;
    if (!ties.fixed.has(ties.leader(id)) && !variables.has(name)) makeVariable(name, [scale], [1]);
  }
  for (const [id, { scales, axis }] of start.weights) {
    makeVariable(weightName(id), scales, scaleShape(tensorOf(graph, id).shape, axis));
  }
  const valuesOf = (name: string): readonly number[] => {
    let values: readonly number[] = [];
    tf.tidy(() => {
      values = [...(scaleOf(name)?.dataSync() ?? [])];
    });
    return values;
  };
  return {
    variables,
    activation(id, quant) {
      const narrow = narrowOf(id);
      if (narrow === undefined) return scaleOf(activationName(id)) ?? tf.tensor1d([quant.scale]);
      const own = start.activations.get(narrow) as ActivationQuant;
      return tf.mul(this.activation(narrow, own), widenedQuant({ ...own, scale: 1 }).scale);
    },
    weights: (id) => scaleOf(weightName(id)) as TfTensor,
    learned() {
      const learnedQuant = (id: TensorId): ActivationQuant => {
        const narrow = narrowOf(id);
        if (narrow !== undefined) return widenedQuant(learnedQuant(narrow));
        const quant = start.activations.get(id) as ActivationQuant;
        const [scale = quant.scale] = valuesOf(activationName(id));
        return { ...quant, scale };
      };
      const activations = [...start.activations.keys()].map(
        (id) => [id, learnedQuant(id)] as const,
      );
      const weights = [...start.weights].map(
        ([id, quant]) => [id, { ...quant, scales: valuesOf(weightName(id)) }] as const,
      );
      return { activations: new Map(activations), weights: new Map(weights) };
    },
  };
}

function scaleShape(shape: Shape, axis: number | null): Shape {
  return shape.map((extent, d) => (d === axis ? extent : 1));
}

function hooksOf(
  tf: Tf,
  start: Quantization,
  scales: Scales,
  parameter: (id: TensorId) => TfTensor | null,
  integers: () => Graph,
): Hooks {
  /** Outputs of nodes that are known before `computed` rounds: raw integers, or exact already. */
  const ready = new Map<TensorId, Integers | 'exact'>();
  return {
    parameter(id) {
      const value = parameter(id);
      const tensor = tensorOf(integers(), id);
      if (value === null || tensor.dtype === 'float32') return value;
      const real = tf.tensor(realValues(tensor, tensor.data as TensorData), value.shape);
      const quant = start.weights.get(id);
      if (quant === undefined) return straight(tf, value, real);
      return fakeQuantized(tf, value, scales.weights(id), weightTypes[quant.type], real);
    },
    node(view, operands) {
      const own = integerView(view, integers());
      if (own === null) return null;
      if (movesAlone(own)) {
        for (const id of view.node.outputs) ready.set(id, 'exact');
        return null;
      }
      const isExact = weighted.has(view.node.op) && hasExactSums(own);
      const layer = isExact ? exactLayer(tf, view, own, operands) : null;
      const outputs = layer?.outputs ?? traceOf(view.node)(tf, view, operands);
      const raw = layer?.raw ?? integersOf(tf, own, rawOperands(own, operands));
      view.node.outputs.forEach((id, i) => {
        ready.set(id, raw[i] as Integers);
      });
      return outputs;
    },
    computed(id, value) {
      const tensor = tensorOf(integers(), id);
      const { quant } = tensor;
      const first = start.activations.get(id);
      if (quant === null || first === undefined) return value;
      const isInput = integers().inputs.includes(id);
      // Samples become what the device gets.
      const sample = () => integersFor(tensor, value.dataSync() as Float32Array);
      const known = ready.get(id) ?? (isInput ? sample() : null);
      ready.delete(id);
      if (known === 'exact') return value;
      const scale = tf.reshape(
        scales.activation(id, first),
        value.shape.map(() => 1),
      );
      const real = known && tf.tensor(multiplesOf(quant, known), value.shape);
      return fakeQuantized(tf, value, scale, levelsOf(first), real);
    },
  };
}

/** `real` forward; the gradient is that of `value`. */
function straight(tf: Tf, value: TfTensor, real: TfTensor): TfTensor {
  const replaced = tf.customGrad(() => ({
    value: tf.clone(real),
    gradFunc: (dy: TfTensor) => dy,
  }));
  return replaced(value);
}

type OwnQuant = NonNullable<Tensor['quant']>;

/** In a loop: every activation of a batch goes through it. */
function multiplesOf(
  { scales: [scale = 1], zeroPoints: [zeroPoint = 0] }: OwnQuant,
  raw: Integers,
) {
  const real = new Float32Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) real[i] = ((raw[i] as number) - zeroPoint) * scale;
  return real;
}

/** The node between integers, with the extents of `view`; null where a tensor is not quantized. */
function integerView(view: NodeView, integers: Graph): NodeView | null {
  const { node } = view;
  const tensorFor = (id: TensorId, { shape }: Tensor): Tensor => ({
    ...tensorOf(integers, id),
    shape,
  });
  const inputs = view.inputs.map((tensor, i) =>
    tensor === null ? null : tensorFor(node.inputs[i] as TensorId, tensor),
  );
  const outputs = view.outputs.map((tensor, i) => tensorFor(node.outputs[i] as TensorId, tensor));
  if ([...inputs, ...outputs].some((tensor) => tensor?.dtype === 'float32')) return null;
  // A pad's value is an integer there.
  const isLower = ({ outputs: [id] }: Node) => id === node.outputs[0];
  const lowerNode = node.op === 'pad' ? (integers.nodes.find(isLower) as Node) : null;
  const attrs = { ...view.attrs, ...(lowerNode && { value: lowerNode.attrs.value }) };
  return { ...view, attrs, inputs, outputs };
}

/** Whether outputs are elements of the inputs, or 0, in one scale: multiples of it stay multiples. */
function movesAlone({ node, attrs, inputs, outputs }: NodeView): boolean {
  const { activation = 'none', value = null } = attrs as { activation?: string; value?: unknown };
  const zeroPoint = outputs[0]?.quant?.zeroPoints[0];
  const scale = outputs[0]?.quant?.scales[0];
  return (
    (isMoving(node) || node.op === 'max_pool2d') &&
    (activation === 'none' || activation === 'relu') &&
    (node.op !== 'pad' || value === null || value === zeroPoint) &&
    inputs.every((tensor) => tensor === null || tensor.quant?.scales[0] === scale)
  );
}

/** The raw integers that stand for real operands; constants have theirs. */
function rawOperands(
  own: NodeView,
  operands: readonly (TfTensor | null)[],
): readonly (TensorData | null)[] {
  return own.inputs.map((tensor, i) => {
    if (tensor === null) return null;
    if (tensor.data !== null) return tensor.data;
    const { scales: [scale = 1] = [], zeroPoints: [zeroPoint = 0] = [] } = tensor.quant ?? {};
    const real = operands[i]?.dataSync() ?? new Float32Array();
    const raw = allocate(tensor.dtype, real.length) as Integers;
    for (let n = 0; n < raw.length; n += 1) {
      raw[n] = Math.round((real[n] as number) / scale) + zeroPoint;
    }
    return raw;
  });
}

interface Layer {
  /** In real numbers, before rounding: gradients flow through them. */
  readonly outputs: readonly TfTensor[];
  readonly raw: readonly Integers[];
}

/**
 * A layer with weights whose sums of integers float32 holds: the same sums give the outputs to the
 * bit, and their gradients.
 */
function exactLayer(
  tf: Tf,
  view: NodeView,
  own: NodeView,
  [x, weights, bias = null]: readonly (TfTensor | null)[],
): Layer {
  const inputScale = own.inputs[0]?.quant?.scales[0] ?? 1;
  const weightScales = own.inputs[1]?.quant?.scales ?? [1];
  const operands = [
    multiples(tf, x as TfTensor, tf.scalar(inputScale)),
    multiples(tf, weights as TfTensor, scaleTensor(tf, own.inputs[1] as Tensor)),
    null,
  ];
  const plain = { ...view, attrs: { ...view.attrs, activation: 'none' } };
  const [sums] = traceOf(view.node)(tf, plain, operands) as readonly [TfTensor];
  const raw = requantized(own as NodeView<never>, sums.dataSync() as Float32Array);
  const real = tf.mul(sums, tf.tensor1d(weightScales.map((scale) => scale * inputScale)));
  const shifted = bias === null ? real : tf.add(real, bias);
  return {
    outputs: [activate(tf, shifted, (view.attrs as { activation: 'none' }).activation)],
    raw: [raw],
  };
}

function scaleTensor(tf: Tf, { shape, quant }: Tensor): TfTensor {
  return tf.tensor(quant?.scales.slice() ?? [1], [...scaleShape(shape, quant?.axis ?? null)]);
}

/** `x` / `scale` as the integers that it stands for; the scale itself gets no gradient here. */
function multiples(tf: Tf, x: TfTensor, scale: TfTensor): TfTensor {
  const divide = tf.customGrad((...given: unknown[]) => {
    const [value, save] = given as [TfTensor, (tensors: TfTensor[]) => void];
    save([scale]);
    return {
      value: tf.round(tf.div(value, scale)),
      gradFunc: (dy: TfTensor, saved: TfTensor[]) => tf.div(dy, saved[0] as TfTensor),
    };
  });
  return divide(x);
}
