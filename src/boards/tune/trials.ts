/**
 * Puts layers into one module, so that a board is flashed once. Each layer appears once for each
 * kernel that computes it.
 */

import { analyse } from '../../compiler/analysis/index.js';
import type {
  Attrs,
  DType,
  Graph,
  Module,
  Node,
  Quant,
  Shape,
  Tensor,
  TensorId,
} from '../../compiler/ir/graph.js';
import { elementCount, mainGraph, tensorOf, viewOf } from '../../compiler/ir/graph.js';
import { matchesOf } from '../../compiler/kernels/index.js';
import type { KernelContext, VariantTraits } from '../../compiler/kernels/variant.js';
import { opOf } from '../../compiler/ops/index.js';
import { runPasses } from '../../compiler/passes/index.js';
import { makePlan } from '../../compiler/plan/index.js';
import { InternalError } from '../../errors.js';
import type { Layer, Pruned } from './layers.js';
import { patterns } from './pruning.js';

const inputScale = 0.05;

type ScaleAndZero = readonly [scale: number, zeroPoint: number];

/** Output quantization of operators, or of one in a type, whose output differs from the input. */
const outputQuants: Readonly<Record<string, ScaleAndZero>> = {
  ...{ logistic: [1 / 256, -128], softmax: [1 / 256, -128], tanh: [1 / 128, 0] },
  ...{ l2_normalization: [1 / 128, 0], log_softmax: [1 / 16, 127] },
  ...{ 'logistic int16': [2 ** -15, 0], 'tanh int16': [2 ** -15, 0] },
  ...{ add: [0.07, -128], sub: [0.07, -128], mul: [0.1, -128], quantize: [0.07, 0] },
};

/**
 * A layer with the variant that computes it, of its operator or of the one that passes made of it.
 */
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
    const isRunnable = ({ needs }: VariantTraits) =>
      needs.every((feature) => context.target.features.has(feature));
    for (const { variant } of matchesOf(view, context, isRunnable)) {
      const name = `${layer.op}_${trials.length}`;
      builder.keep({ ...node, name });
      trials.push({ name, layer, template: variant.template });
    }
  }
  return { module: builder.module(), trials };
}

/** Some of the trials, in a module of their own. */
export function only({ module, trials }: Trials, positions: readonly number[]): Trials {
  const graph = mainGraph(module);
  const nodes = positions.map((position) => graph.nodes[position] as Node);
  const inputs = graph.inputs.filter((id) => nodes.some((node) => node.inputs.includes(id)));
  const outputs = nodes.flatMap((node) => node.outputs);
  return {
    module: { ...module, graphs: [{ ...graph, nodes, inputs, outputs }] },
    trials: positions.map((position) => trials[position] as Trial),
  };
}

/** Every layer once, after the passes, with the kernel chosen for a network of this layer alone. */
export function chosenTrials(
  layers: readonly Layer[],
  { target, optimize }: Pick<KernelContext, 'target' | 'optimize'>,
): Trials {
  const options = { optimize, rounding: 'tflm', faithful: false } as const;
  const builder = new Builder();
  const trials = layers.map((layer, i): Trial => {
    const module = networkOf(layer);
    const graph = mainGraph(module);
    const rest = { keepInput: false, xip: 'ideal' } as const;
    const { plan } = makePlan(module, analyse(graph), target, { ...options, ...rest });
    const { steps } = plan;
    const [step] = steps;
    if (step === undefined || steps.length > 1) {
      throw new InternalError('tune', `${layer.op} is ${steps.length} steps, not one`);
    }
    const name = `${layer.op}_${i}`;
    builder.adopt(graph, { ...(graph.nodes[step.node] as Node), name });
    return { name, layer, template: step.kernel };
  });
  return { module: builder.module(), trials };
}

/** A network of this layer alone, after the passes. */
export function networkOf(layer: Layer): Module {
  const builder = new Builder();
  builder.keep(builder.layer(layer, layer.op));
  return runPasses(builder.module(), { faithful: false });
}

/** Builds one graph; operands of the same shape share an input. */
class Builder {
  private readonly tensors: Tensor[] = [];
  private readonly nodes: Node[] = [];
  private readonly inputs = new Map<string, TensorId>();
  private seed = 1;

  /** Makes a node without adding it to the graph. */
  layer(layer: Layer, name: string): Node {
    const { op, inputs, weights, residual, outputs, attrs } = layer;
    if (layer.dtype !== undefined && weights !== undefined) return this.wide(layer, weights, name);
    const fed: (TensorId | null)[] = inputs.map((shape, i) => this.input(shape, i, layer.dtype));
    if (weights !== undefined) {
      const channels = weights.shape[weights.axis] ?? 1;
      const depth = elementCount(weights.shape) / channels;
      fed.push(this.weights(weights), this.bias(channels));
      // Each of the summed products has a standard deviation of about 40 · 70.
      const terms = Math.max(1, depth * (weights.pruned?.density ?? 1));
      const scale = (inputScale * 0.01 * 2800 * Math.sqrt(terms)) / 60;
      // Some kernels are slower if outputs lie on both sides of the zero point.
      const zeroPoint = attrs.activation === 'relu' ? -128 : 0;
      if (residual === undefined) return this.node(op, name, fed, attrs, [scale, zeroPoint]);
      const mid = { midScale: Math.fround(scale), midZeroPoint: zeroPoint };
      const all = { ...attrs, ...mid, addActivation: 'none' };
      return this.node(op, name, [...fed, this.input(residual, 1)], all, [scale, -128]);
    }
    const type = layer.outputType ?? layer.dtype;
    const quant = outputQuants[`${op} ${type}`] ?? outputQuants[op] ?? [inputScale, -128];
    return this.node(op, name, fed, attrs, quant, outputs, type);
  }

  /** A layer of int16 with weights: they need no bias, and have the zero point 0. */
  private wide(
    { op, inputs, attrs, dtype }: Layer,
    weights: NonNullable<Layer['weights']>,
    name: string,
  ): Node {
    const fed = inputs.map((shape, i) => this.input(shape, i, dtype));
    const terms = elementCount(weights.shape) / (weights.shape[weights.axis] ?? 1);
    // Products have a standard deviation of about 40 · 19 000, the outputs one of 8000.
    const scale = (inputScale * 0.01 * 40 * 19000 * Math.sqrt(terms)) / 8000;
    const operands = [...fed, this.weights(weights), null];
    return this.node(op, name, operands, attrs, [scale, 0], [[]], dtype);
  }

  private node(
    op: string,
    name: string,
    inputs: Node['inputs'],
    attrs: Attrs,
    [scale, zeroPoint]: ScaleAndZero,
    shapes: readonly Shape[] = [[]],
    dtype: DType = 'int8',
  ): Node {
    const quant = quantOf(dtype, scale, zeroPoint);
    const made = { name: `${op}_output`, quant, dtype };
    const outputs = shapes.map((shape) => this.tensor({ ...made, shape }));
    const node: Node = { op, name, inputs, outputs, attrs, ops: [], fused: [] };
    const inferred = opOf(node).infer(viewOf(this.graph(), node));
    outputs.forEach((id, i) => {
      const shape = inferred[i];
      if (shape === undefined) throw new InternalError('tune', `${op} has no output ${i}`);
      this.tensors[id] = { ...(this.tensors[id] as Tensor), shape };
    });
    opOf(node).check(viewOf(this.graph(), node));
    return node;
  }

  /** Adds a copy of a node with its own outputs. */
  keep(node: Node): void {
    const outputs = node.outputs.map((id) => this.tensor(this.tensors[id] as Tensor));
    this.nodes.push({ ...node, outputs, ops: [this.nodes.length] });
  }

  /** Adds a node of another graph with its constants; its inputs become inputs of this graph. */
  adopt(graph: Graph, node: Node): void {
    const inputs = node.inputs.map((id) => {
      if (id === null) return null;
      const tensor = tensorOf(graph, id);
      const position = graph.inputs.indexOf(id);
      return position < 0 ? this.tensor(tensor) : this.input(tensor.shape, position, tensor.dtype);
    });
    const outputs = node.outputs.map((id) => this.tensor(tensorOf(graph, id)));
    this.nodes.push({ ...node, inputs, outputs, ops: [this.nodes.length] });
  }

  private input(shape: Shape, position: number, dtype: DType = 'int8'): TensorId {
    const key = `${position}: ${dtype} ${shape}`;
    const known = this.inputs.get(key);
    if (known !== undefined) return known;
    const quant = quantOf(dtype, inputScale, dtype === 'int16' ? 0 : -128);
    const id = this.tensor({ name: `input_${this.inputs.size}`, shape, quant, dtype });
    this.inputs.set(key, id);
    return id;
  }

  private weights({ shape, axis, pruned, bits = 8 }: NonNullable<Layer['weights']>): TensorId {
    const count = elementCount(shape);
    const isKept = pruned === undefined ? () => true : this.keepOf(shape, pruned);
    const data = Int8Array.from({ length: count }, (_, i) =>
      isKept(i) ? this.weight() >> (8 - bits) : 0,
    );
    const channels = shape[axis] ?? 1;
    const scales = Array.from({ length: channels }, () => Math.fround(0.01));
    const quant = { scales, zeroPoints: scales.map(() => 0), axis };
    return this.tensor({ name: 'weights', shape, quant, data });
  }

  /** Whether a weight of [filters][taps][channels] is kept, by position. */
  private keepOf(shape: Shape, { pattern, density }: Pruned): (position: number) => boolean {
    const keep = patterns[pattern]?.(() => this.uniform(), density);
    if (keep === undefined) throw new InternalError('tune', `no pattern ${pattern}`);
    const [channels = 1, ...taps] = shape.slice(1).reverse();
    const tapCount = elementCount(taps);
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

  /** A random number in [0, 1). */
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
      inputNames: names(graph.inputs),
      outputNames: names(graph.outputs),
    };
  }
}

/** null for types that stand for themselves. */
function quantOf(dtype: DType, scale: number, zeroPoint: number): Quant | null {
  if (dtype !== 'int8' && dtype !== 'int16') return null;
  return { scales: [Math.fround(scale)], zeroPoints: [zeroPoint], axis: null };
}
