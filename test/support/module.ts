/** Builds modules in a few lines: one operator or a small graph. */
import { rangeOfType } from '../../src/compiler/ir/dtypes.js';
import {
  type Attrs,
  allocate,
  type DType,
  elementCount,
  type Graph,
  isInteger,
  type Module,
  type Node,
  type Quant,
  type Section,
  type Shape,
  type State,
  statesOf,
  type Tensor,
  type TensorData,
  type TensorId,
  viewOf,
} from '../../src/compiler/ir/graph.js';
import { opOf } from '../../src/compiler/ops/index.js';

export function perTensorQuant(scale: number, zeroPoint: number): Quant {
  return { scales: [Math.fround(scale)], zeroPoints: [zeroPoint], axis: null };
}

/** One scale per index along `axis`; zero points are 0. */
export function perChannelQuant(scales: readonly number[], axis: number): Quant {
  return { scales: scales.map(Math.fround), zeroPoints: scales.map(() => 0), axis };
}

export interface NodeOptions {
  readonly name?: string;
  /** Quantization of every output, null for a type without; by default that of input 0. */
  readonly quant?: Quant | null;
  /** Output shapes, for operators whose attributes do not determine them. */
  readonly shapes?: readonly Shape[];
  /** Number of outputs. Default 1. */
  readonly outputs?: number;
  /** Type of every output; by default that of input 0. */
  readonly dtype?: DType;
  /** Types of the outputs, if these differ; int32 is quantized as output 0 alone, where that is asked. */
  readonly dtypes?: readonly DType[];
  /** What the node owns. */
  readonly graphs?: readonly Graph[];
}

/** Adds tensors and nodes in order; shapes of outputs come from the operator's `infer`. */
export class GraphBuilder {
  private readonly tensors: Tensor[] = [];
  private readonly nodes: Node[] = [];
  private readonly inputs: TensorId[] = [];
  private readonly states: State[] = [];

  /** By default an int8 with some quantization; `quant` of a type without one is null. */
  input(
    shape: Shape,
    quant: Quant | null = perTensorQuant(0.5, 3),
    name?: string,
    dtype: DType = 'int8',
  ): TensorId {
    const id = this.tensor(name ?? `input_${this.inputs.length}`, shape, quant, dtype);
    this.inputs.push(id);
    return id;
  }

  /** A state, which 'assign', 'push' or another node with it as an input changes (`changes`). */
  state(initial: TensorData, shape: Shape, quant: Quant | null = perTensorQuant(0.5, 3)): TensorId {
    const name = `state_${this.states.length}`;
    const tensor = this.tensor(name, shape, quant, typeOfArray(initial));
    this.states.push({ name, tensor, next: tensor, initial });
    return tensor;
  }

  /** Makes `next` the value of a state after the run. Returns `next`. */
  changes(state: TensorId, next: TensorId): TensorId {
    const index = this.states.findIndex(({ tensor }) => tensor === state);
    this.states[index] = { ...(this.states[index] as State), next };
    const { dtype, quant } = this.tensors[state] as Tensor;
    this.tensors[next] = { ...(this.tensors[next] as Tensor), dtype, quant };
    return next;
  }

  /** A constant, by default of its array's type; `quant` null for plain numbers. */
  constant(
    data: TensorData,
    shape: Shape = [data.length],
    quant: Quant | null = null,
    dtype: DType = typeOfArray(data),
  ): TensorId {
    const name = `constant_${this.tensors.length}`;
    return this.tensors.push({ name, dtype, shape, quant, data, source: null }) - 1;
  }

  /** All outputs of a new node. */
  nodeAll(
    op: string,
    inputs: readonly (TensorId | null)[],
    attrs: Attrs = {},
    options: NodeOptions = {},
  ): readonly TensorId[] {
    const index = this.nodes.length;
    const name = options.name ?? `${op}_${index}`;
    const inherited = this.tensors[inputs[0] ?? -1]?.quant ?? null;
    const quant = options.quant === undefined ? inherited : options.quant;
    const dtype = options.dtype ?? this.tensors[inputs[0] ?? -1]?.dtype ?? 'int8';
    const count = options.outputs ?? (options.dtypes ?? options.shapes)?.length ?? 1;
    const outputs = Array.from({ length: count }, (_, i) =>
      this.tensor(
        `${name}/out_${i}`,
        options.shapes?.[i] ?? [],
        options.dtypes?.[i] === 'int32' && (i > 0 || options.quant === undefined) ? null : quant,
        options.dtypes?.[i] ?? dtype,
      ),
    );
    const node: Node = {
      ...{ op, name, inputs, outputs, attrs, ops: [index], fused: [] },
      ...(options.graphs === undefined ? {} : { graphs: options.graphs }),
    };
    const shapes = opOf(node).infer(viewOf(this.graph('partial', []), node));
    outputs.forEach((id, i) => {
      const shape = shapes[i];
      if (shape === undefined) throw new RangeError(`${op} infers no shape for output ${i}`);
      this.tensors[id] = { ...(this.tensors[id] as Tensor), shape };
    });
    this.nodes.push(node);
    return outputs;
  }

  /** Output 0 of a new node. */
  node(
    op: string,
    inputs: readonly (TensorId | null)[],
    attrs: Attrs = {},
    options: NodeOptions = {},
  ): TensorId {
    return this.nodeAll(op, inputs, attrs, options)[0] as TensorId;
  }

  /** Sets type and quantization of an output. */
  retype(id: TensorId, kind: Pick<Tensor, 'dtype' | 'quant'>): void {
    const { dtype, quant } = kind;
    this.tensors[id] = { ...(this.tensors[id] as Tensor), dtype, quant };
  }

  shape(id: TensorId): Shape {
    return (this.tensors[id] as Tensor).shape;
  }

  quant(id: TensorId): Quant {
    return (this.tensors[id] as Tensor).quant as Quant;
  }

  /** The module, after `check` of every node. */
  module(outputs: readonly TensorId[], name = 'model'): Module {
    const graph = this.graph('main', outputs);
    for (const node of graph.nodes) opOf(node).check(viewOf(graph, node));
    const names = (ids: readonly TensorId[]) => ids.map((id) => (this.tensors[id] as Tensor).name);
    return {
      name,
      sha256: '00'.repeat(32),
      graphs: [graph],
      inputNames: names(this.inputs),
      outputNames: names(outputs),
    };
  }

  private graph(name: string, outputs: readonly TensorId[]): Graph {
    const { tensors, nodes, inputs, states } = this;
    const graph = { name, tensors: [...tensors], nodes: [...nodes], inputs: [...inputs], outputs };
    return states.length === 0 ? graph : { ...graph, states: [...states] };
  }

  private tensor(name: string, shape: Shape, quant: Quant | null, dtype: DType): TensorId {
    return this.tensors.push({ name, dtype, shape, quant, data: null, source: null }) - 1;
  }
}

/** The type that an array most likely holds. */
function typeOfArray(data: TensorData): DType {
  const types: readonly DType[] = ['int8', 'uint8', 'int16', 'int32', 'int64', 'float32'];
  const found = types.find((type) => allocate(type, 0).constructor === data.constructor);
  if (found === undefined) throw new RangeError(`no type for a ${data.constructor.name}`);
  return found;
}

/** All modules side by side in one, so that one compilation covers tens of cases. */
export function mergeModules(modules: readonly Module[], name = 'merged'): Module {
  const tensors: Tensor[] = [];
  const nodes: Node[] = [];
  const inputs: TensorId[] = [];
  const outputs: TensorId[] = [];
  const states: State[] = [];
  const sections: Section[] = [];
  const places = new Map<TensorId, TensorId>();
  modules.forEach((module, index) => {
    const graph = module.graphs[0] as Graph;
    const first = tensors.length;
    for (const section of graph.flow?.sections ?? []) {
      sections.push(movedSection(section, first, nodes.length));
    }
    for (const [id, place] of graph.flow?.places ?? []) places.set(id + first, place + first);
    const moved = (ids: readonly TensorId[]) => ids.map((id) => id + first);
    for (const tensor of graph.tensors)
      tensors.push({ ...tensor, name: `${index}/${tensor.name}` });
    for (const node of graph.nodes) {
      nodes.push({
        ...node,
        name: `case ${index}: ${node.name}`,
        inputs: node.inputs.map((id) => (id === null ? null : id + first)),
        outputs: moved(node.outputs),
        ops: [nodes.length],
      });
    }
    inputs.push(...moved(graph.inputs));
    outputs.push(...moved(graph.outputs));
    for (const { tensor, next, ...state } of statesOf(graph)) {
      states.push({ ...state, tensor: tensor + first, next: next + first });
    }
  });
  const names = (ids: readonly TensorId[]) => ids.map((id) => (tensors[id] as Tensor).name);
  return {
    name,
    sha256: '00'.repeat(32),
    graphs: [
      {
        ...{ name: 'main', tensors, nodes, inputs, outputs, states },
        ...(sections.length === 0 ? {} : { flow: { sections, places } }),
      },
    ],
    inputNames: names(inputs),
    outputNames: names(outputs),
  };
}

function movedSection(section: Section, tensors: number, nodes: number): Section {
  const { first, last, condition, loop } = section;
  const moved = {
    ...section,
    ...{ first: first + nodes, last: last + nodes, condition: condition + tensors },
  };
  if (loop === undefined) return moved;
  const carried = loop.carried.map(([id, next]) => [id + tensors, next + tensors] as const);
  return { ...moved, loop: { ...loop, again: loop.again + nodes, carried } };
}

/** Deterministic pseudo-random numbers (mulberry32). */
export class Random {
  constructor(private state: number) {}

  /** An integer from `low` to `high`, both inclusive. */
  integer(low: number, high: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return low + (((t ^ (t >>> 14)) >>> 0) % (high - low + 1));
  }

  /** int8 values, about a quarter of them extreme. */
  int8(count: number, low = -128, high = 127): Int8Array {
    return Int8Array.from({ length: count }, () => {
      const kind = this.integer(0, 7);
      return kind === 0 ? low : kind === 1 ? high : this.integer(low, high);
    });
  }

  /** Elements of a type over its whole range, about a quarter of the integers extreme. */
  elements(dtype: DType, count: number): TensorData {
    const data = allocate(dtype, count);
    if (!isInteger(dtype)) return data.fill(0 as never).map(() => this.real() as never);
    const [low, high] = rangeOfType(dtype);
    return data.fill(0 as never).map(() => {
      const kind = this.integer(0, 7);
      return (kind === 0 ? low : kind === 1 ? high : this.integer(low, high)) as never;
    });
  }

  /** From −8 to 8, one in 16 as large as 2^24. */
  real(): number {
    const value = this.integer(-(2 ** 23), 2 ** 23) / 2 ** 20;
    return this.integer(0, 15) === 0 ? value * 2 ** 21 : value;
  }

  int32(count: number, low: number, high: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.integer(low, high));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)] as T;
  }
}

/** Ends the name of an input whose elements are indices from 0 on. */
export const indicesBelow = (extent: number) => `indices below ${extent}`;

/** Random elements for every input of the main graph; its name may bound them (`indicesBelow`). */
export function randomInputs(module: Module, seed: number): readonly TensorData[] {
  const graph = module.graphs[0] as Graph;
  const random = new Random(seed);
  return graph.inputs.map((id) => {
    const { shape, dtype, name } = graph.tensors[id] as Tensor;
    const count = elementCount(shape);
    const extent = /indices below (\d+)$/.exec(name)?.[1];
    if (extent !== undefined) {
      const indices = random.int32(count, 0, Number(extent) - 1);
      return dtype === 'int16' ? Int16Array.from(indices) : indices;
    }
    return dtype === 'int8' ? random.int8(count) : random.elements(dtype, count);
  });
}
