/** A float graph with scales → a module of integers, as TFLite's converter would have made it. */

import { rangeOfType } from '../../compiler/ir/dtypes.js';
import {
  allocate,
  type Graph,
  type Module,
  type Node,
  type Quant,
  type Tensor,
  type TensorId,
  tensorOf,
} from '../../compiler/ir/graph.js';
import { clamp, roundHalfAwayFromZero } from '../../compiler/ops/arithmetic/quant.js';
import { InternalError } from '../../errors.js';
import { channelsAlong, weighted } from '../float-graph.js';
import {
  type ActivationQuant,
  type ActivationType,
  activationQuant,
  type Quantization,
  requireIntegerActivation,
  type WeightQuant,
  weightTypes,
} from './scheme.js';

/** What a module is beside its graphs. */
export type ModuleHead = Omit<Module, 'graphs'>;

/**
 * The module whose activations are int8 or int16, as the quantization says, and whose weights are
 * int8. Biases are int32, those of int16 layers int64.
 *
 * @param graph with the final weights in float32; it has come through `separated`
 * @throws BonsaiError for a graph that integers cannot express
 */
export function lower(module: ModuleHead, graph: Graph, quantization: Quantization): Module {
  const bare = graph.nodes.find(
    ({ op, inputs }) => weighted.has(op) && !quantization.weights.has(inputs[1] ?? -1),
  );
  if (bare === undefined) return { ...module, graphs: [lowered(graph, quantization)] };
  throw new InternalError('compress', `the weights of "${bare.name}" have no scales`);
}

/** Tensors without scales, and what reads them, stay in float32. */
export function lowered(graph: Graph, quantization: Quantization): Graph {
  const tensors = [...graph.tensors];
  for (const [id, quant] of quantization.activations) {
    const tensor = tensorOf(graph, id);
    if (tensor.data === null) tensors[id] = { ...tensor, dtype: quant.type, quant: asQuant(quant) };
  }
  const made = new Set<TensorId>();
  for (const node of graph.nodes) {
    requireIntegerActivation(node);
    node.inputs.forEach((id, position) => {
      if (id === null || made.has(id) || tensors[id]?.data === null) return;
      made.add(id);
      tensors[id] = constant(graph, node, position, quantization);
    });
  }
  const nodes = graph.nodes.map((node) => integerPadding(node, quantization));
  return { ...graph, tensors, nodes };
}

/** A pad's value becomes an integer of its output. */
function integerPadding(node: Node, { activations }: Quantization): Node {
  const { value } = node.attrs;
  const quant = activations.get(node.outputs[0] ?? -1);
  if (node.op !== 'pad' || typeof value !== 'number' || quant === undefined) return node;
  return { ...node, attrs: { ...node.attrs, value: integerOf(value, quant) } };
}

/** The integer nearest to a number, halves away from zero. */
export function integerOf(real: number, { type, scale, zeroPoint }: ActivationQuant): number {
  const [low, high] = rangeOfType(type);
  return clamp(roundHalfAwayFromZero(real / scale) + zeroPoint, low, high);
}

/** Elements of an activation. */
export type Integers = Int8Array | Int16Array;

/** Of a tensor as `lower` makes it: the integers that stand for real numbers. */
export function integersFor(
  { dtype, quant }: Pick<Tensor, 'dtype' | 'quant'>,
  reals: Float32Array,
): Integers {
  const { scales: [scale = 1] = [], zeroPoints: [zeroPoint = 0] = [] } = quant ?? {};
  const own = { type: dtype as ActivationType, scale, zeroPoint };
  const integers = allocate(dtype, reals.length) as Integers;
  for (let i = 0; i < integers.length; i += 1) integers[i] = integerOf(reals[i] as number, own);
  return integers;
}

function asQuant({ scale, zeroPoint }: ActivationQuant): Quant {
  return { scales: [scale], zeroPoints: [zeroPoint], axis: null };
}

function constant(graph: Graph, node: Node, position: number, quants: Quantization): Tensor {
  const id = node.inputs[position] as TensorId;
  const tensor = tensorOf(graph, id);
  if (!weighted.has(node.op)) return operand(tensor, quants.activations.get(id));
  const weightsId = node.inputs[1] as TensorId;
  const weights = quants.weights.get(weightsId);
  if (weights === undefined) return tensor;
  if (position === 1) return weightTensor(tensor, weights);
  const input = quants.activations.get(node.inputs[0] as TensorId);
  if (input === undefined) return tensor;
  return biasTensor(tensor, biasScales(input, weights), input.type);
}

/** The scale of a bias and of its accumulator, one for each of the weights'. */
export function biasScales(
  { scale }: ActivationQuant,
  { scales }: Pick<WeightQuant, 'scales'>,
): readonly number[] {
  return scales.map((weightScale) => Math.fround(scale * weightScale));
}

/** An operand of arithmetic: with the range of its own elements, unless it shares a scale. */
function operand(tensor: Tensor, given: ActivationQuant | undefined): Tensor {
  const values = tensor.data as Float32Array;
  const range = {
    min: values.reduce((a, b) => Math.min(a, b), 0),
    max: values.reduce((a, b) => Math.max(a, b), 0),
  };
  const quant = given ?? activationQuant(range);
  const own = { ...tensor, dtype: quant.type, quant: asQuant(quant) };
  return { ...own, data: integersFor(own, values) };
}

/** The integers of weights in float32. */
export function weightIntegers(
  { shape, data }: Pick<Tensor, 'shape' | 'data'>,
  { type, scales, axis }: WeightQuant,
): Int8Array {
  const { min, max } = weightTypes[type];
  const channelOf = channelsAlong(shape, axis);
  return Int8Array.from(data as Float32Array, (value, i) => {
    // A weight of 0 is pruned.
    if (type === 'binary') return Math.sign(value);
    const scale = scales[channelOf(i)] as number;
    return clamp(roundHalfAwayFromZero(value / scale), min, max);
  });
}

function weightTensor(tensor: Tensor, quant: WeightQuant): Tensor {
  const { scales, axis } = quant;
  const zeroPoints = scales.map(() => 0);
  const data = weightIntegers(tensor, quant);
  return { ...tensor, dtype: 'int8', quant: { scales, zeroPoints, axis }, data };
}

/** Magnitudes of biases stay below these: the accumulators have twice and 2^47. */
const mostBias = { int8: 2 ** 30, int16: 2 ** 46 } as const;

/** TFLite's converter makes biases of int16 layers int64. */
function biasTensor(tensor: Tensor, scales: readonly number[], type: ActivationType): Tensor {
  const most = mostBias[type];
  const integers = Array.from(tensor.data as Float32Array, (value, i) =>
    clamp(
      roundHalfAwayFromZero(value / (scales[scales.length === 1 ? 0 : i] as number)),
      -most,
      most,
    ),
  );
  const data = type === 'int8' ? Int32Array.from(integers) : BigInt64Array.from(integers, BigInt);
  const axis = scales.length === 1 ? null : 0;
  return {
    ...tensor,
    dtype: type === 'int8' ? 'int32' : 'int64',
    quant: { scales, zeroPoints: scales.map(() => 0), axis },
    data,
  };
}
