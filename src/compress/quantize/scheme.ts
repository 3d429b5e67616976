/** Which integers stand for which numbers: scales and zero points of a graph to be quantized. */

import { rangeOfType } from '../../compiler/ir/dtypes.js';
import {
  at,
  type Graph,
  isInteger,
  type Node,
  type Tensor,
  type TensorId,
  tensorOf,
} from '../../compiler/ir/graph.js';
import { clamp } from '../../compiler/ops/arithmetic/quant.js';
import { isMoving } from '../../compiler/ops/index.js';
import { BonsaiError } from '../../errors.js';
import { foldChannels, magnitude, peak, weighted } from '../float-graph.js';

/** Types of activations; weights are int8 with both. */
export const activationTypes = ['int8', 'int16'] as const;
export type ActivationType = (typeof activationTypes)[number];

/** real = scale · (q − zeroPoint), for q of the type; the zero point of int16 is 0. */
export interface ActivationQuant {
  readonly type: ActivationType;
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
 * The scale and zero point whose integers cover `range` and 0. 0 is an integer exactly, since padding
 * and ReLU mean it. Those of int16 are symmetric, as TFLite's converter chooses them.
 */
export function activationQuant(
  { min, max }: RealRange,
  type: ActivationType = 'int8',
): ActivationQuant {
  const [low, high] = [Math.min(min, 0), Math.max(max, 0)];
  const [least, most] = rangeOfType(type);
  const [span, steps] = type === 'int8' ? [high - low, most - least] : [Math.max(-low, high), most];
  // TFLite stores scales as float32; without a range any scale is as good.
  const scale = span > 0 ? Math.max(Math.fround(span / steps), 2 ** -126) : 1;
  const zeroPoint = type === 'int8' ? clamp(Math.round(least - low / scale), least, most) : 0;
  return { type, scale, zeroPoint };
}

/** The multiples of its scale that a quantization has. */
export function levelsOf({ type, zeroPoint }: Omit<ActivationQuant, 'scale'>): RealRange {
  const [least, most] = rangeOfType(type);
  return { min: least - zeroPoint, max: most - zeroPoint };
}

export function rangeOf(quant: ActivationQuant): RealRange {
  const { min, max } = levelsOf(quant);
  return { min: quant.scale * min, max: quant.scale * max };
}

/** Outputs whose scale and zero point the operator's definition gives. */
const fixed: ReadonlyMap<string, Readonly<Record<ActivationType, ActivationQuant>>> = new Map([
  ['softmax', fixedQuants(1 / 256, -128)],
  ['l2_normalization', fixedQuants(1 / 128, 0)],
  ['log_softmax', fixedQuants(1 / 16, 127)],
  ['logistic', fixedQuants(1 / 256, -128)],
  ['tanh', fixedQuants(1 / 128, 0)],
]);

/** Those of int16 are the same for all. */
function fixedQuants(scale: number, zeroPoint: number) {
  return {
    int8: { type: 'int8', scale, zeroPoint },
    int16: { type: 'int16', scale: 1 / 32768, zeroPoint: 0 },
  } as const;
}

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

/** Whether its tensors share a quantization. */
export const isCopying = (node: Node) => copying.has(node.op) || isMoving(node);

/** Whether it takes several tensors to one, which must share a quantization. */
const isJoining = (node: Node) => isCopying(node) && node.inputs.length > 1;

/** Its int8 kernel begins sums with an element 0, which only the zero point 0 makes nothing. */
const isCentred = (node: Node) => node.op === 'cumsum';

export interface Ties {
  /** A tensor that stands for all that share its scale. */
  leader(id: TensorId): TensorId;
  /** By leader, where an operator gives the quantization. */
  readonly fixed: ReadonlyMap<TensorId, Readonly<Record<ActivationType, ActivationQuant>>>;
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
 * The graph as integers can hold it: with a node `quantize` between an operator whose output has a fixed
 * scale and one that copies several tensors, which would otherwise force that scale on all, or that
 * needs the zero point 0; with a
 * bias for every layer with weights, without which desktop TFLite refuses int8 convolutions; with a
 * product by −1 for each NEG, whose int8 kernel ignores scales; and with a constant of its own for
 * each way in which nodes read one.
 */
export function separated(given: Graph): Graph {
  const graph = withProducts(withBiases(given));
  const tensors: Tensor[] = [...graph.tensors];
  const nodes: Node[] = [];
  const ties = tiesOf({ ...graph, nodes: graph.nodes.filter((node) => !isJoining(node)) });
  for (const node of graph.nodes) {
    if (!isJoining(node) && !isCentred(node)) {
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
  return withOwnConstants({ ...graph, tensors, nodes });
}

/** A bias of an unrolled LSTM's first step is an operand of sums in the others: as int32, and as int8. */
function withOwnConstants(graph: Graph): Graph {
  const ties = tiesOf(graph);
  const tensors: Tensor[] = [...graph.tensors];
  const byUse = new Map<TensorId, Map<string, TensorId>>();
  const ownOf = (id: TensorId, use: string): TensorId => {
    const known = byUse.get(id) ?? new Map<string, TensorId>();
    byUse.set(id, known);
    const tensor = tensors[id] as Tensor;
    const copy = { ...tensor, name: `${tensor.name}/${known.size}`, source: null };
    const own = known.get(use) ?? (known.size === 0 ? id : tensors.push(copy) - 1);
    known.set(use, own);
    return own;
  };
  const nodes = graph.nodes.map((node) => {
    const inputs = node.inputs.map((id, position) => {
      const isConstant = id !== null && tensorOf(graph, id).data !== null;
      return isConstant ? ownOf(id, useOf(node, position, ties)) : id;
    });
    return { ...node, inputs };
  });
  return { ...graph, tensors, nodes };
}

/** Constants read in the same use have the same integers: a bias has the scales of its layer's sums. */
function useOf({ op, inputs }: Node, position: number, ties: Ties): string {
  const axis = weighted.get(op);
  if (axis === undefined || position === 0) return 'operand';
  if (position === 1) return `weights along ${axis}`;
  return `bias of ${ties.leader(inputs[0] ?? 0)} and ${inputs[1]}`;
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

/** Of each tensor; int8 where it is absent. Tensors that share a scale share their type. */
export type TensorTypes = ReadonlyMap<TensorId, ActivationType>;

/** The quantization of all activations, from the range of each. */
export function activationQuants(
  graph: Graph,
  ranges: ReadonlyMap<TensorId, RealRange>,
  types: TensorTypes = new Map(),
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
  for (const node of graph.nodes.filter(isCentred)) {
    const leader = ties.leader(node.inputs[0] ?? 0);
    const { min, max } = hulls.get(leader) ?? { min: 0, max: 0 };
    const most = Math.max(-min, max);
    hulls.set(leader, { min: (-128 / 127) * most, max: most });
  }
  const widened = widenedTensors(graph, (id) => types.get(id) ?? 'int8');
  const quantOf = (id: TensorId): ActivationQuant => {
    const leader = ties.leader(id);
    const type = types.get(id) ?? 'int8';
    const given = ties.fixed.get(leader)?.[type];
    const narrow = widened.get(leader);
    if (given === undefined && narrow !== undefined) return widenedQuant(quantOf(narrow));
    return given ?? activationQuant(hulls.get(leader) ?? { min: 0, max: 0 }, type);
  };
  return new Map(
    [...new Set([...computed, ...hulls.keys(), ...tied])].map((id) => [id, quantOf(id)]),
  );
}

/**
 * int8 tensors that become int16, by the leader of the tensor that they become, where nothing else
 * shares its scale: then the conversion loses nothing (`widenedQuant`).
 */
export function widenedTensors(
  graph: Graph,
  typeOf: (id: TensorId) => ActivationType,
): ReadonlyMap<TensorId, TensorId> {
  const ties = tiesOf(graph);
  const copiers = graph.nodes.filter(isCopying);
  const copied = copiers.flatMap(({ outputs }) => outputs);
  const constants = copiers.flatMap(({ inputs }) =>
    inputs.filter((id) => id !== null && tensorOf(graph, id).data !== null),
  ) as readonly TensorId[];
  const made = [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)];
  const makers = [...made.filter((id) => !copied.includes(id)), ...new Set(constants)];
  return new Map(
    graph.nodes.flatMap(({ op, inputs: [from = null], outputs: [to = 0] }) => {
      if (op !== 'quantize' || from === null) return [];
      const leader = ties.leader(to);
      const isWidening = typeOf(from) === 'int8' && typeOf(to) === 'int16';
      const isAlone = makers.filter((id) => ties.leader(id) === leader).length === 1;
      return isWidening && isAlone ? [[leader, from] as const] : [];
    }),
  );
}

/**
 * int16 that holds all numbers of an int8 tensor: with 1/128 of its scale, q − zeroPoint in −255 … 255
 * becomes 128 · (q − zeroPoint) in −32640 … 32640, and the ratio 128 is a shift.
 */
export function widenedQuant({ scale }: ActivationQuant): ActivationQuant {
  return { type: 'int16', scale: scale / 128, zeroPoint: 0 };
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
