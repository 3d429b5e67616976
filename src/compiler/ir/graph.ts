/**
 * The intermediate representation: readonly data, NHWC throughout.
 *
 * A pass is a function from Module (or Graph) to a new one. The IR holds no physical layout: the
 * order of interleaved weights and the offsets in the arena belong to the plan.
 */

import { type DType, dtypes, type TensorData } from './dtypes.js';

export { allocate, type DType, dtypes, isInteger, type TensorData } from './dtypes.js';

export type Shape = readonly number[];

/**
 * Affine quantization: real = scale · (q − zeroPoint).
 * Per tensor: one scale, one zero point. Per channel: one of each for every index along `axis`.
 */
export interface Quant {
  readonly scales: readonly number[];
  readonly zeroPoints: readonly number[];
  /** The dimension that `scales` follows; null for per-tensor. */
  readonly axis: number | null;
}

/** Index into Graph.tensors. */
export type TensorId = number;

export interface Tensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly quant: Quant | null;
  /** Elements of a constant; null for an input of the graph and for a computed tensor. */
  readonly data: TensorData | null;
  /** Index in the source model's tensor list; null for a tensor that a pass made. */
  readonly source: number | null;
}

export type AttrValue = number | boolean | string | readonly number[];
export type Attrs = Readonly<Record<string, AttrValue>>;

export interface Node<A extends object = Attrs> {
  /** The operator: the name of its file in src/compiler/ops. */
  readonly op: string;
  /** For people: the source layer's name. */
  readonly name: string;
  /** null where an optional input is absent. */
  readonly inputs: readonly (TensorId | null)[];
  readonly outputs: readonly TensorId[];
  readonly attrs: A;
  /** Indices of the source operators that this node stands for, ascending. */
  readonly ops: readonly number[];
  /** Operators that passes have fused into this one, in source order. */
  readonly fused: readonly string[];
  /** The graphs that it runs, such as the branches of an 'if'. Absent: none. */
  readonly graphs?: readonly Graph[];
}

/** Nodes are in an order in which each tensor is written before it is read. */
export interface Graph {
  readonly name: string;
  readonly tensors: readonly Tensor[];
  readonly nodes: readonly Node[];
  readonly inputs: readonly TensorId[];
  readonly outputs: readonly TensorId[];
  /** Absent: none. */
  readonly states?: readonly State[];
  /** Absent: each node runs once, in order. `flattened` makes it of nodes that own graphs. */
  readonly flow?: Flow;
}

/** What of a flat graph runs, and how often: branches and loops are sections of its nodes. */
export interface Flow {
  /** Sections that contain others come before these. */
  readonly sections: readonly Section[];
  /**
   * Tensors in the memory of another one (or in memory of their own, as key of themselves): the
   * results of branches lie where the result of the 'if' does, the next value of what a loop carries
   * where its value is.
   */
  readonly places: ReadonlyMap<TensorId, TensorId>;
}

/** The nodes `first` to `last`, which run if the condition has the value `runsIf`. */
export interface Section {
  readonly first: number;
  readonly last: number;
  /** A bool. */
  readonly condition: TensorId;
  readonly runsIf: boolean;
  /** Absent: a branch. */
  readonly loop?: Loop;
}

export interface Loop {
  /** After the last node of the section the run goes on here: where the condition is computed. */
  readonly again: number;
  /** The most turns that are possible. */
  readonly turns: number;
  /** What each turn takes from the turn before: a tensor, and the one that holds its next value. */
  readonly carried: readonly (readonly [tensor: TensorId, next: TensorId])[];
}

/**
 * A value that outlives a run: a variable, the frames that a stream still needs. It has memory of
 * its own beside the arena, and two tensors, one before and one after its change within a run.
 */
export interface State {
  readonly name: string;
  /** The value with which a run begins. No node writes it. */
  readonly tensor: TensorId;
  /**
   * The value with which the run ends, in the same memory: an output of a node that reads `tensor`
   * and changes it in place. No later node reads `tensor`.
   */
  readonly next: TensorId;
  /** The value before the first run and after a reset. */
  readonly initial: TensorData;
}

/** The type of an input or output in the model's file, whose conversion is left to the caller. */
export type EdgeType = 'uint8' | 'float32';

export interface Module {
  /** The model's name as a C identifier: the file's name, sanitised. */
  readonly name: string;
  /** SHA-256 of the source file, hex. */
  readonly sha256: string;
  /** The first graph is the one that runs. */
  readonly graphs: readonly Graph[];
  /** Names of the main graph's inputs and outputs for the user: the signature's, else the tensors'. */
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * The types of the main graph's inputs and outputs in the file, where they are others than the
   * graph's; null: the same. Absent: all are the same.
   */
  readonly edgeTypes?: {
    readonly inputs: readonly (EdgeType | null)[];
    readonly outputs: readonly (EdgeType | null)[];
  };
  /** Faults in parts of the file that TFLM never reads, one line each. */
  readonly ignored?: readonly string[];
}

/** A node with its tensors resolved: the argument of an operator's functions. */
export interface NodeView<A extends object = Attrs> {
  readonly node: Node<A>;
  readonly attrs: A;
  readonly inputs: readonly (Tensor | null)[];
  readonly outputs: readonly Tensor[];
}

export function elementCount(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Bytes that a tensor's elements occupy, unpadded. */
export function byteCount(tensor: Pick<Tensor, 'shape' | 'dtype'>): number {
  return Math.ceil(elementCount(tensor.shape) * dtypes[tensor.dtype].bytes);
}

export function isConstant(tensor: Tensor): boolean {
  return tensor.data !== null;
}

export function statesOf(graph: Pick<Graph, 'states'>): readonly State[] {
  return graph.states ?? [];
}

/** How often a node of a flat graph runs at most. */
export function turnsOf({ flow }: Pick<Graph, 'flow'>, node: number): number {
  const loops = (flow?.sections ?? []).flatMap(({ loop, last }) =>
    loop !== undefined && loop.again <= node && node <= last ? [loop.turns] : [],
  );
  return loops.reduce((all, turns) => all * turns, 1);
}

/** The tensors that have values before a run: inputs and states. */
export function sourcesOf(graph: Graph): readonly TensorId[] {
  return [...graph.inputs, ...statesOf(graph).map(({ tensor }) => tensor)];
}

/** The tensors that are read after a run: outputs and the next values of states. */
export function resultsOf(graph: Graph): readonly TensorId[] {
  return [...graph.outputs, ...statesOf(graph).map(({ next }) => next)];
}

/** The graph that runs. */
export function mainGraph(module: Module): Graph {
  const graph = module.graphs[0];
  if (graph === undefined) throw new RangeError('a module has at least one graph');
  return graph;
}

export function tensorOf(graph: Graph, id: TensorId): Tensor {
  const tensor = graph.tensors[id];
  if (tensor === undefined) throw new RangeError(`tensor ${id} is not in graph "${graph.name}"`);
  return tensor;
}

export function viewOf<A extends object = Attrs>(graph: Graph, node: Node<A>): NodeView<A> {
  return {
    node,
    attrs: node.attrs,
    inputs: node.inputs.map((id) => (id === null ? null : tensorOf(graph, id))),
    outputs: node.outputs.map((id) => tensorOf(graph, id)),
  };
}

/** The place that an error names: 'operator 3 (conv2d) "block1/conv"'. */
export function at(node: Pick<Node<object>, 'op' | 'name' | 'ops'>): string {
  const indices = node.ops.length > 0 ? `operator ${node.ops.join('+')} ` : 'operator ';
  return `${indices}(${node.op}) "${node.name}"`;
}

/** The bytes of an array, not copied; host and boards are little-endian. */
export function rawBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
