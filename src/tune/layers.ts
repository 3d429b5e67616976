/**
 * Layers that kernels are measured on, each computed by every variant of its operator. One module
 * holds them all, so that a board is flashed once for each goal of --optimize.
 */
import { InternalError } from '../errors.js';
import type { Attrs, Graph, Module, Node, Quant, Shape, Tensor, TensorId } from '../ir/graph.js';
import { viewOf } from '../ir/graph.js';
import type { KernelContext } from '../ir/op.js';
import { opOf } from '../ops/index.js';
import { patterns } from './pruning.js';

export interface Layer {
  readonly op: string;
  /** Shapes of what is fed. */
  readonly inputs: readonly Shape[];
  readonly weights?: {
    readonly shape: Shape;
    /** Output channels run along it. */
    readonly axis: number;
    /** Which of them pruning left; all of them where it is not said. */
    readonly pruned?: Pruned;
    /** Of each of them; default: 8. */
    readonly bits?: number;
  };
  /** Shape of what is added to the outputs, by the kernel of the layer. */
  readonly residual?: Shape;
  readonly attrs: Attrs;
}

export interface Pruned {
  /** A name in pruning.ts. */
  readonly pattern: string;
  /** Share of the weights that are kept, 0 to 1. */
  readonly density: number;
}

const unit = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
const noPads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
const ones = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
const relu = { activation: 'relu', rounding: 'double' };
const signed = { activation: 'none' };

export function conv(
  input: Shape,
  outC: number,
  kernel: readonly [number, number],
  change = {},
): Layer {
  const pads = kernel[0] === 1 ? noPads : ones;
  return {
    op: 'conv2d',
    inputs: [input],
    weights: { shape: [outC, ...kernel, input[3] ?? 1], axis: 0 },
    attrs: { ...unit, ...pads, ...relu, ...change },
  };
}

function depthwise(input: Shape, kernel: number, stride: number): Layer {
  const channels = input[3] ?? 1;
  return {
    op: 'depthwise_conv2d',
    inputs: [input],
    weights: { shape: [1, kernel, kernel, channels], axis: 3 },
    attrs: { ...unit, strideH: stride, strideW: stride, ...ones, depthMultiplier: 1, ...relu },
  };
}

export function dense(inputs: number, outputs: number): Layer {
  const weights = { shape: [outputs, inputs], axis: 0 };
  return { op: 'fully_connected', inputs: [[1, inputs]], weights, attrs: relu };
}

/** The same layer with some weights at 0. */
export function prune(layer: Layer, pruned: Pruned): Layer {
  const { weights } = layer;
  return weights === undefined ? layer : { ...layer, weights: { ...weights, pruned } };
}

/** The same layer with weights of fewer bits than 8. */
function narrow(layer: Layer, bits: number): Layer {
  const { weights } = layer;
  return weights === undefined ? layer : { ...layer, weights: { ...weights, bits } };
}

function pool(op: string, input: Shape, kernel: number): Layer {
  const slides = { kernelH: kernel, kernelW: kernel, strideH: kernel, strideW: kernel };
  return { op, inputs: [input], attrs: { ...slides, ...noPads, activation: 'none' } };
}

const wide: Shape = [1, 8, 8, 16];
const deep: Shape = [1, 4, 4, 64];
const odd: Shape = [1, 7, 5, 19];
const shallow: Shape = [1, 12, 12, 3];

const some = { pattern: 'unstructured', density: 0.5 };
const few = { pattern: 'unstructured', density: 0.2 };
const hardlyAny = { pattern: 'unstructured', density: 0.05 };
const blocks = { pattern: 'blocks 1x4', density: 0.3 };
const groups = { pattern: 'n of 8', density: 0.25 };

const binary = (op: string) =>
  [wide, deep, odd].map(
    (shape): Layer => ({ op, inputs: [shape, shape], attrs: { activation: 'none' } }),
  );

/** Shapes of the kinds that sensor models have. */
export const calibration: readonly Layer[] = [
  ...[wide, deep, odd].flatMap((shape) => [8, 24].map((outC) => conv(shape, outC, [1, 1]))),
  ...[wide, odd, shallow].flatMap((shape) => [8, 20].map((outC) => conv(shape, outC, [3, 3]))),
  conv(shallow, 16, [3, 3], { strideH: 2, strideW: 2 }),
  conv([1, 16, 10, 1], 16, [5, 3], { strideH: 2, strideW: 2 }),
  ...[wide, deep, odd].flatMap((shape) => [1, 2].map((stride) => depthwise(shape, 3, stride))),
  depthwise([1, 12, 12, 8], 5, 1),
  ...[0.5, 0.2, 0.08].flatMap((density) =>
    [conv(deep, 24, [1, 1]), conv(wide, 12, [3, 3]), conv(odd, 8, [3, 3])].map((layer) =>
      prune(layer, { pattern: 'unstructured', density }),
    ),
  ),
  dense(64, 12),
  dense(128, 64),
  dense(128, 32),
  dense(320, 16),
  dense(19, 40),
  ...[some, few, hardlyAny].map((pruned) => prune(dense(640, 12), pruned)),
  ...[few, hardlyAny].map((pruned) => prune(dense(128, 40), pruned)),
  ...[some, few, hardlyAny].map((pruned) => prune(conv(odd, 20, [3, 3]), pruned)),
  ...[few, groups].map((pruned) => prune(conv(deep, 24, [1, 1]), pruned)),
  ...[some, blocks].map((pruned) => prune(conv(wide, 16, [3, 3]), pruned)),
  prune(dense(128, 40), blocks),
  ...[4, 7].flatMap((bits) => [
    narrow(conv(odd, 56, [1, 1]), bits),
    narrow(conv(wide, 20, [3, 3]), bits),
    narrow(dense(320, 16), bits),
    narrow(prune(conv(deep, 64, [1, 1]), some), bits),
    narrow(prune(dense(128, 40), few), bits),
  ]),
  // So few values that a code is the smallest, beside positions of every kind.
  ...[some, few, blocks].flatMap((pruned) => [
    narrow(prune(conv(odd, 20, [3, 3]), pruned), 3),
    narrow(prune(dense(128, 40), pruned), 3),
  ]),
  narrow(prune(dense(320, 16), few), 3),
  ...[conv(deep, 64, [1, 1]), dense(128, 40)].map((layer) => narrow(prune(layer, groups), 7)),
  conv(deep, 24, [1, 1], signed),
  conv(odd, 20, [3, 3], signed),
  { ...conv(wide, 16, [3, 3]), residual: wide },
  { ...conv(wide, 16, [1, 1], signed), residual: wide },
  { ...conv(deep, 64, [1, 1], signed), residual: deep },
  { ...prune(conv(wide, 16, [3, 3]), few), residual: wide },
  { ...prune(conv(deep, 64, [1, 1]), few), residual: deep },
  ...binary('add'),
  ...binary('mul'),
  pool('average_pool2d', wide, 2),
  pool('average_pool2d', deep, 4),
  pool('average_pool2d', odd, 3),
  pool('max_pool2d', wide, 2),
  pool('max_pool2d', deep, 4),
  pool('max_pool2d', odd, 3),
  ...[wide, deep, odd].map(
    (shape): Layer => ({ op: 'logistic', inputs: [shape], attrs: { algorithm: 'fixed' } }),
  ),
  ...['fixed', 'table'].flatMap((algorithm) =>
    [12, 40].map(
      (classes): Layer => ({
        op: 'softmax',
        inputs: [[1, classes]],
        attrs: { beta: 1, algorithm },
      }),
    ),
  ),
];

const inputScale = 0.05;

/** Where it is not the input's. */
const outputScales: Readonly<Record<string, number>> = {
  ...{ logistic: 1 / 256, softmax: 1 / 256, add: 0.07, mul: 0.1 },
};

/** A layer computed by one variant of its operator. */
export interface Trial {
  /** Name of the node. */
  readonly name: string;
  readonly layer: Layer;
  readonly template: string;
}

export interface Trials {
  readonly module: Module;
  /** In the order of the module's nodes. */
  readonly trials: readonly Trial[];
}

/** Every layer once for each variant that the target can run. */
export function trialsOf(layers: readonly Layer[], context: KernelContext): Trials {
  const builder = new Builder();
  const trials: Trial[] = [];
  for (const layer of layers) {
    const node = builder.layer(layer, 'probe');
    const view = viewOf(builder.graph(), node);
    for (const variant of opOf(node).variants) {
      const isRunnable = variant.needs.every((feature) => context.target.features.has(feature));
      if (!isRunnable || !variant.when(view, context)) continue;
      const name = `${layer.op}_${trials.length}`;
      builder.keep({ ...node, name });
      trials.push({ name, layer, template: variant.template });
    }
  }
  return { module: builder.module(), trials };
}

/** One graph; operands of the same shape are the same input. */
class Builder {
  private readonly tensors: Tensor[] = [];
  private readonly nodes: Node[] = [];
  private readonly inputs = new Map<string, TensorId>();
  private seed = 1;

  /** A node that is not yet part of the graph. */
  layer({ op, inputs, weights, residual, attrs }: Layer, name: string): Node {
    const fed: (TensorId | null)[] = inputs.map((shape, i) => this.input(shape, i));
    if (weights !== undefined) {
      const channels = weights.shape[weights.axis] ?? 1;
      const depth = weights.shape.reduce((product, extent) => product * extent, 1) / channels;
      fed.push(this.weights(weights), this.bias(channels));
      // Sums of `depth` products of a standard deviation of about 40 · 70.
      const terms = Math.max(1, depth * (weights.pruned?.density ?? 1));
      const scale = (inputScale * 0.01 * 2800 * Math.sqrt(terms)) / 60;
      // Outputs on both sides of the zero point take some kernels longer.
      const zeroPoint = attrs.activation === 'relu' ? -128 : 0;
      if (residual === undefined) return this.node(op, name, fed, attrs, scale, zeroPoint);
      const mid = { midScale: Math.fround(scale), midZeroPoint: zeroPoint };
      const all = { ...attrs, ...mid, addActivation: 'none' };
      return this.node(op, name, [...fed, this.input(residual, 1)], all, scale);
    }
    return this.node(op, name, fed, attrs, outputScales[op] ?? inputScale);
  }

  private node(
    op: string,
    name: string,
    inputs: Node['inputs'],
    attrs: Attrs,
    scale: number,
    zeroPoint = -128,
  ): Node {
    const output = this.tensor({
      name: `${op}_output`,
      shape: [],
      quant: { scales: [Math.fround(scale)], zeroPoints: [zeroPoint], axis: null },
    });
    const node: Node = { op, name, inputs, outputs: [output], attrs, ops: [], fused: [] };
    const [shape] = opOf(node).infer(viewOf(this.graph(), node));
    if (shape === undefined) throw new InternalError('tune', `${op} has no output`);
    this.tensors[output] = { ...(this.tensors[output] as Tensor), shape };
    opOf(node).check(viewOf(this.graph(), node));
    return node;
  }

  /** Adds a copy of a node with an output of its own. */
  keep(node: Node): void {
    const [output] = node.outputs;
    const copy = this.tensor(this.tensors[output as TensorId] as Tensor);
    this.nodes.push({ ...node, outputs: [copy], ops: [this.nodes.length] });
  }

  private input(shape: Shape, position: number): TensorId {
    const key = `${position}: ${shape}`;
    const known = this.inputs.get(key);
    if (known !== undefined) return known;
    const quant: Quant = { scales: [Math.fround(inputScale)], zeroPoints: [-128], axis: null };
    const id = this.tensor({ name: `input_${this.inputs.size}`, shape, quant });
    this.inputs.set(key, id);
    return id;
  }

  private weights({ shape, axis, pruned, bits = 8 }: NonNullable<Layer['weights']>): TensorId {
    const count = shape.reduce((product, extent) => product * extent, 1);
    const isKept = pruned === undefined ? () => true : this.keepOf(shape, pruned);
    const data = Int8Array.from({ length: count }, (_, i) =>
      isKept(i) ? this.weight() >> (8 - bits) : 0,
    );
    const channels = shape[axis] ?? 1;
    const scales = Array.from({ length: channels }, () => Math.fround(0.01));
    const quant = { scales, zeroPoints: scales.map(() => 0), axis };
    return this.tensor({ name: 'weights', shape, quant, data });
  }

  /** Of weights [filters][taps][channels], by position. */
  private keepOf(shape: Shape, { pattern, density }: Pruned): (position: number) => boolean {
    const keep = patterns[pattern]?.(() => this.uniform(), density);
    if (keep === undefined) throw new InternalError('tune', `no pattern ${pattern}`);
    const [channels = 1, ...taps] = shape.slice(1).reverse();
    const tapCount = taps.reduce((product, extent) => product * extent, 1);
    return (position) => {
      const tap = Math.floor(position / channels);
      return keep(Math.floor(tap / tapCount), tap % tapCount, position % channels);
    };
  }

  private bias(channels: number): TensorId {
    const data = Int32Array.from({ length: channels }, () => this.weight() * 10);
    return this.tensor({ name: 'bias', shape: [channels], quant: null, dtype: 'int32', data });
  }

  /** Bell-shaped like trained weights: the mean of four uniform values. */
  private weight(): number {
    let sum = 0;
    for (let i = 0; i < 4; i++) sum += Math.floor(256 * this.uniform()) - 127.5;
    return Math.max(-127, Math.min(127, Math.round(sum / 2.6)));
  }

  /** At least 0, below 1. */
  private uniform(): number {
    this.seed = (Math.imul(this.seed, 1664525) + 1013904223) >>> 0;
    return this.seed / 2 ** 32;
  }

  private tensor(given: Pick<Tensor, 'name' | 'shape' | 'quant'> & Partial<Tensor>): TensorId {
    return this.tensors.push({ dtype: 'int8', data: null, ...given, source: null }) - 1;
  }

  graph(): Graph {
    const inputs = [...this.inputs.values()];
    const outputs = this.nodes.slice(-1).flatMap((node) => node.outputs);
    return { name: 'calibration', tensors: this.tensors, nodes: this.nodes, inputs, outputs };
  }

  module(): Module {
    const graph = this.graph();
    const names = (ids: readonly TensorId[]) => ids.map((id) => `tensor_${id}`);
    return {
      name: 'calibration',
      sha256: '00'.repeat(32),
      graphs: [graph],
      states: [],
      inputNames: names(graph.inputs),
      outputNames: names(graph.outputs),
    };
  }
}
