/** Which integers stand for which numbers: scales and zero points of a graph to be quantized. */
import { BonsaiError } from '../../errors.js';
import {
  at,
  type Graph,
  isInteger,
  type Node,
  type Tensor,
  type TensorId,
  tensorOf,
} from '../../ir/graph.js';
import { clamp } from '../../ops/arithmetic/quant.js';
import { isMoving } from '../../ops/index.js';
import { foldChannels, magnitude, peak, weighted } from '../float-graph.js';

/** int8: real = scale · (q − zeroPoint). */
export interface ActivationQuant {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The integers that a weight may take, as TFLite's int8: symmetric around zero. */
export const weightTypes = {
  int8: { min: -127, max: 127 },
  int4: { min: -7, max: 7 },
  int3: { min: -3, max: 3 },
  int2: { min: -2, max: 1 },
  ternary: { min: -1, max: 1 },
  /** −1 and 1 only. */
  binary: { min: -1, max: 1 },
} as const;

export type WeightType = keyof typeof weightTypes;

export interface WeightQuant {
  readonly type: WeightType;
  /** One for each index along `axis`, or one for all. */
  readonly scales: readonly number[];
  readonly axis: number | null;
}

export interface Quantization {
  /** Of the graph's inputs and of every computed tensor. */
  readonly activations: ReadonlyMap<TensorId, ActivationQuant>;
  /** Of the weights of convolutions and fully connected layers. */
  readonly weights: ReadonlyMap<TensorId, WeightQuant>;
}

/** An interval of real numbers, both ends inclusive. */
export interface RealRange {
  readonly min: number;
  readonly max: number;
}

/**
 * The scale and zero point whose 256 integers cover `range` and 0. 0 is an integer exactly, since
 * padding and ReLU mean it.
 */
export function activationQuant({ min, max }: RealRange): ActivationQuant {
  const [low, high] = [Math.min(min, 0), Math.max(max, 0)];
  // TFLite stores scales as float32; without a range any scale is as good.
  const scale = high > low ? Math.max(Math.fround((high - low) / 255), 2 ** -126) : 1;
  const zeroPoint = clamp(Math.round(-128 - low / scale), -128, 127);
  return { scale, zeroPoint };
}

export function rangeOf({ scale, zeroPoint }: ActivationQuant): RealRange {
  return { min: scale * (-128 - zeroPoint), max: scale * (127 - zeroPoint) };
}

/** Outputs whose scale and zero point the operator's definition gives. */
const fixed: ReadonlyMap<string, ActivationQuant> = new Map([
  ['softmax', { scale: 1 / 256, zeroPoint: -128 }],
  ['logistic', { scale: 1 / 256, zeroPoint: -128 }],
  ['tanh', { scale: 1 / 128, zeroPoint: 0 }],
]);

/** Besides movements: operators that copy integers, so that their tensors share a quantization. */
const copying: ReadonlySet<string> = new Set([
  'average_pool2d',
  'max_pool2d',
  'maximum',
  'minimum',
  'reduce_max',
  'reduce_min',
  // TFLM's kernel clamps and does not rescale.
  'relu6',
]);

const isCopying = (node: Node) => copying.has(node.op) || isMoving(node);

/** Whether it takes several tensors to one, which must share a quantization. */
const isJoining = (node: Node) => isCopying(node) && node.inputs.length > 1;

export interface Ties {
  /** A tensor that stands for all that share its scale. */
  leader(id: TensorId): TensorId;
  /** By leader, where an operator gives the quantization. */
  readonly fixed: ReadonlyMap<TensorId, ActivationQuant>;
}

/** The tensors that must share a scale. `graph` has come through `separated`. */
export function tiesOf(graph: Graph): Ties {
  const parents = new Map<TensorId, TensorId>();
  const leader = (id: TensorId): TensorId => {
    const parent = parents.get(id);
    return parent === undefined ? id : leader(parent);
  };
  for (const node of graph.nodes) {
    if (!isCopying(node)) continue;
    const all = [...node.inputs, ...node.outputs].filter((id) => id !== null);
    const ids = all.filter((id) => !isInteger(tensorOf(graph, id).dtype));
    for (const id of ids.slice(1)) {
      const [a, b] = [leader(ids[0] as TensorId), leader(id)];
      if (a !== b) parents.set(Math.max(a, b), Math.min(a, b));
    }
  }
  const given = graph.nodes.flatMap(({ op, outputs }) => {
    const quant = fixed.get(op);
    return quant === undefined ? [] : outputs.map((id) => [leader(id), quant] as const);
  });
  return { leader, fixed: new Map(given) };
}

/**
 * The graph as int8 can hold it: with a node `quantize` between an operator whose output has a fixed
 * scale and one that copies several tensors, which would otherwise force that scale on all; with a
 * bias for every layer with weights, without which desktop TFLite refuses int8 convolutions; and
 * with a product by −1 for each NEG, whose int8 kernel ignores scales.
 */
export function separated(given: Graph): Graph {
  const graph = withProducts(withBiases(given));
  const tensors: Tensor[] = [...graph.tensors];
  const nodes: Node[] = [];
  const ties = tiesOf({ ...graph, nodes: graph.nodes.filter((node) => !isJoining(node)) });
  for (const node of graph.nodes) {
    if (!isJoining(node)) {
      nodes.push(node);
      continue;
    }
    const inputs = node.inputs.map((id) => {
      if (id === null || !ties.fixed.has(ties.leader(id))) return id;
      const tensor = tensors[id] as Tensor;
      const copy = tensors.push({ ...tensor, name: `${tensor.name}/rescaled`, source: null }) - 1;
      nodes.push({
        op: 'quantize',
        name: `${node.name}/rescale`,
        inputs: [id],
        outputs: [copy],
        attrs: { algorithm: 'scalar' },
        ops: [],
        fused: [],
      });
      return copy;
    });
    nodes.push({ ...node, inputs });
  }
  return { ...graph, tensors, nodes };
}

function withBiases(graph: Graph): Graph {
  const tensors: Tensor[] = [...graph.tensors];
  const nodes = graph.nodes.map((node) => {
    const [input = null, weights = null, bias = null] = node.inputs;
    const axis = weighted.get(node.op);
    if (axis === undefined || weights === null || bias !== null) return node;
    const { shape } = tensorOf(graph, weights);
    const data = new Float32Array(shape[axis] ?? 1);
    const own = { name: `${node.name}/bias`, dtype: 'float32', quant: null, source: null } as const;
    const zeros = tensors.push({ ...own, shape: [data.length], data }) - 1;
    return { ...node, inputs: [input, weights, zeros, ...node.inputs.slice(3)] };
  });
  return { ...graph, tensors, nodes };
}

function withProducts(graph: Graph): Graph {
  const tensors: Tensor[] = [...graph.tensors];
  const nodes = graph.nodes.map((node) => {
    if (node.op !== 'neg') return node;
    const own = { name: `${node.name}/sign`, dtype: 'float32', quant: null, source: null } as const;
    const sign = tensors.push({ ...own, shape: [1], data: Float32Array.of(-1) }) - 1;
    const inputs = [node.inputs[0] ?? null, sign];
    return { ...node, op: 'mul', inputs, attrs: { activation: 'none' } };
  });
  return { ...graph, tensors, nodes };
}

/** The quantization of all activations, from the range of each. */
export function activationQuants(
  graph: Graph,
  ranges: ReadonlyMap<TensorId, RealRange>,
): ReadonlyMap<TensorId, ActivationQuant> {
  const ties = tiesOf(graph);
  const computed = [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)];
  const tied = graph.nodes.flatMap(({ inputs }) => inputs.filter((id) => id !== null));
  const hulls = new Map<TensorId, RealRange>();
  for (const id of new Set([...computed, ...tied])) {
    // Constants are not observed.
    const range = ranges.get(id) ?? rangeOfConstant(tensorOf(graph, id));
    if (range === null) continue;
    const leader = ties.leader(id);
    const hull = hulls.get(leader) ?? range;
    hulls.set(leader, { min: Math.min(hull.min, range.min), max: Math.max(hull.max, range.max) });
  }
  const quantOf = (id: TensorId) => {
    const leader = ties.leader(id);
    return ties.fixed.get(leader) ?? activationQuant(hulls.get(leader) ?? { min: 0, max: 0 });
  };
  return new Map(
    [...new Set([...computed, ...hulls.keys(), ...tied])].map((id) => [id, quantOf(id)]),
  );
}

function rangeOfConstant({ data }: Tensor): RealRange | null {
  if (data === null) return null;
  let [min, max] = [0, 0];
  for (const value of data as Float32Array) {
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return { min, max };
}

/** Weights of `values` [..., extent of axis, ...] on the integers of `type`, from their extremes. */
export function weightQuant(
  { shape, data }: Pick<Tensor, 'shape' | 'data'>,
  axis: number | null,
  type: WeightType,
): WeightQuant {
  const values = data as Float32Array;
  const peaks = foldChannels(values, shape, axis, peak);
  const { max } = weightTypes[type];
  const perChannel = values.length / peaks.length;
  // The mean magnitude is the best scale of signs (Rastegari et al., XNOR-Net, 2016).
  const scales =
    type === 'binary'
      ? [...foldChannels(values, shape, axis, magnitude)].map((sum) => sum / perChannel)
      : [...peaks].map((most) => most / max);
  const largest = Math.max(...scales);
  const spare = largest > 0 ? largest : 1;
  return { type, axis, scales: scales.map((scale) => Math.fround(scale > 0 ? scale : spare)) };
}

/** The axis of output channels where a layer's weights have a scale for each, else null. */
export function scaleAxis({ op }: Pick<Node, 'op'>): number | null {
  return op === 'fully_connected' ? null : (weighted.get(op) ?? null);
}

/** @throws BonsaiError 'unsupported-attribute' for a fused activation that integers do not have */
export function requireIntegerActivation(node: Node): void {
  const { activation } = node.attrs;
  if (activation !== 'tanh' && activation !== 'sign_bit') return;
  const message = `has the fused activation ${activation}, which no int8 runtime computes`;
  const hint = 'put the activation behind the layer as an operator of its own';
  throw new BonsaiError('unsupported-attribute', at(node), message, hint);
}
