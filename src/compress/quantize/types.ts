/**
 * Which layers run in int8 and which in int16. A kernel of 16x8 reads and writes int16, so a node
 * `quantize` stands between a tensor of one type and a layer of the other, and nowhere else.
 */

import { hasWideForm } from '../../compiler/formats/tflite/writers.js';
import {
  at,
  type Graph,
  isInteger,
  type Node,
  type Tensor,
  type TensorId,
} from '../../compiler/ir/graph.js';
import { typesOf } from '../../compiler/ir/op.js';
import { opOf } from '../../compiler/ops/index.js';
import { BonsaiError } from '../../errors.js';
import { nodeNames, weighted } from '../float-graph.js';
import { type ActivationType, isCopying, type TensorTypes } from './scheme.js';

export interface TypeOptions {
  /** Of all layers but those named. */
  readonly activations: ActivationType;
  /** By the names of nodes (`nodeNames`). */
  readonly layers?:
    | Readonly<Record<string, { readonly activations?: ActivationType | undefined }>>
    | undefined;
}

/** A graph with conversions, and the type of each tensor that integers will hold. */
export interface TypedGraph {
  readonly graph: Graph;
  readonly types: TensorTypes;
}

/**
 * The graph with conversions where types meet; those of an earlier call go. Tensors keep their ids.
 * Operators that copy integers have the type of what they read, unless they are named. An input of the
 * model is int16 if all layers that read it are.
 *
 * @param given has come through `separated`
 * @throws BonsaiError 'unsupported-type' for an operator that has no int16 kernel
 */
export function withTypes(given: Graph, options: TypeOptions): TypedGraph {
  const graph = withoutConversions(given);
  const typing = new Typing(graph, options);
  for (const id of graph.inputs) typing.types.set(id, typing.ofInput(id));
  for (const [index, node] of graph.nodes.entries()) typing.add(node, index);
  const { tensors, nodes, types } = typing;
  return { graph: { ...graph, tensors, nodes }, types };
}

class Typing {
  readonly tensors: Tensor[];
  readonly nodes: Node[] = [];
  readonly types = new Map<TensorId, ActivationType>();
  readonly #names: readonly string[];
  readonly #asked: readonly (ActivationType | undefined)[];
  /** A tensor in its other type. */
  readonly #others = new Map<TensorId, TensorId>();

  constructor(
    readonly graph: Graph,
    readonly options: TypeOptions,
  ) {
    const own = new Map(Object.entries(options.layers ?? {}));
    this.tensors = [...graph.tensors];
    this.#names = nodeNames(graph);
    this.#asked = this.#names.map((name) => own.get(name)?.activations);
  }

  /** Whether all layers that read a tensor are int16; those that copy it do not decide. */
  ofInput(id: TensorId): ActivationType {
    const readers = this.#deciding(id);
    return readers.size > 0 && [...readers].every((type) => type === 'int16') ? 'int16' : 'int8';
  }

  #deciding(id: TensorId): ReadonlySet<ActivationType> {
    const { nodes, outputs } = this.graph;
    const readers = nodes.flatMap((node, index) => {
      if (!node.inputs.includes(id)) return [];
      const asked = this.#asked[index];
      const isPassing = asked === undefined && isCopying(node);
      return isPassing ? node.outputs.flatMap((out) => [...this.#deciding(out)]) : [asked];
    });
    const ends = outputs.includes(id) ? [undefined] : [];
    return new Set([...readers, ...ends].map((type) => type ?? this.options.activations));
  }

  add(node: Node, index: number): void {
    const type = this.#asked[index] ?? this.#usual(node);
    if (type === 'int16' && !hasWideKernel(node)) {
      throw noWideKernel(
        node,
        this.#asked[index] === undefined ? (this.#names[index] ?? '') : null,
      );
    }
    const inputs = node.inputs.map((id, position) => {
      const isWeights = position === 1 && weighted.has(node.op);
      return id === null || isWeights ? id : this.#as(id, type);
    });
    for (const id of node.outputs) this.types.set(id, type);
    this.nodes.push({ ...node, inputs });
  }

  /** Of a node that no option names. */
  #usual(node: Node): ActivationType {
    const { activations } = this.options;
    if (!isCopying(node) && node.op !== 'quantize') return activations;
    const read = node.inputs.flatMap((id) => (id === null ? [] : (this.types.get(id) ?? [])));
    if (read.length === 0) return activations;
    const isWide = read.includes('int16') && (activations === 'int16' || hasWideKernel(node));
    return isWide ? 'int16' : 'int8';
  }

  /** The tensor, or what a conversion makes of it; a constant gets a copy. */
  #as(id: TensorId, type: ActivationType): TensorId {
    const tensor = this.tensors[id] as Tensor;
    if (isInteger(tensor.dtype)) return id;
    const own = this.types.get(id);
    if (own === undefined) this.types.set(id, type);
    if (own === undefined || own === type) return id;
    const known = this.#others.get(id);
    if (known !== undefined) return known;
    const name = `${tensor.name}${suffixes[type]}`;
    const other = this.tensors.push({ ...tensor, name, source: null }) - 1;
    this.types.set(other, type);
    this.#others.set(id, other);
    if (tensor.data === null) this.nodes.push(conversion(name, id, other));
    return other;
  }
}

const suffixes = { int8: '/as-int8', int16: '/as-int16' } as const;

function conversion(name: string, input: TensorId, output: TensorId): Node {
  const attrs = { algorithm: 'scalar' };
  return { op: 'quantize', name, inputs: [input], outputs: [output], attrs, ops: [], fused: [] };
}

/** Whether a node is a conversion of `withTypes`. */
export function isConversion({ op, name }: Node): boolean {
  return op === 'quantize' && Object.values(suffixes).some((suffix) => name.endsWith(suffix));
}

function withoutConversions(graph: Graph): Graph {
  const sources = new Map(
    graph.nodes
      .filter(isConversion)
      .map(({ inputs: [input = null], outputs: [output = 0] }) => [output, input] as const),
  );
  if (sources.size === 0) return graph;
  const sourceOf = (id: TensorId | null) => (id === null ? null : (sources.get(id) ?? id));
  const nodes = graph.nodes
    .filter((node) => !isConversion(node))
    .map((node) => ({ ...node, inputs: node.inputs.map(sourceOf) }));
  return { ...graph, nodes };
}

/** Whether both bonsaic and TFLite have one: the result is a file for any runtime. */
export function hasWideKernel(node: Node): boolean {
  return typesOf(opOf(node)).includes('int16') && hasWideForm(node);
}

/** @param name of the node among all, where no option names it */
function noWideKernel(node: Node, name: string | null): BonsaiError {
  const layers = `"layers": {"${name}": {"activations": "int8"}}`;
  const hint =
    name === null
      ? 'leave "activations" out for this layer'
      : `keep it in int8, in the step "quantize" of a recipe: ${layers}`;
  return new BonsaiError('unsupported-type', at(node), 'has no kernel for int16', hint);
}
