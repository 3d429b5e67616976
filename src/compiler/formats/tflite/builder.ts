/** Operators of a subgraph → nodes of a graph, one after the other. */
import { BonsaiError } from '../../../errors.js';
import { quantizedTypes } from '../../ir/dtypes.js';
import type { Graph, Node, Quant, State, Tensor, TensorId } from '../../ir/graph.js';
import type { RuntimeRounding } from '../../ir/rounding.js';
import { isMoving } from '../../ops/index.js';
import { mostTurns } from '../../ops/while.js';
import { corrupt, decode, defaults } from '../flatbuffer.js';
import { type Edges, innerEdges } from './edges.js';
import { foldableOf, foldedOperators } from './folded.js';
import type { ForeignOperator } from './foreign.js';
import { rows } from './ops.js';
import {
  layerName,
  operatorName,
  placeOf,
  printable,
  type RawModel,
  type RawOperator,
  type RawSubgraph,
  rawTensor,
} from './read.js';
import { attrsOf, type Row } from './rows.js';
import { tensorTypes } from './schema.js';
import { asBias, asIndices, asWeights, importTensor, unpacked } from './tensors.js';
import { unknownOperator } from './unknown.js';
import { Variables, variableOperators } from './variables.js';
import { xnnpackAttrs } from './xnnpack.js';

const convertAgain = 'convert the model again';

/** Whether the importer knows the operator. */
export function isKnown(name: string): boolean {
  return rows.has(name) || foldedOperators.has(name) || variableOperators.has(name);
}

/**
 * Makes the graph of a subgraph. Tensors that no node uses are left out: shapes and axes, which
 * become attributes.
 */
export class GraphBuilder {
  readonly tensors: Tensor[] = [];
  readonly nodes: Node[] = [];
  readonly variables: Variables;
  private readonly builtin: 'tflm' | 'tflite';
  private readonly hasVectors: boolean;
  private readonly delegated: typeof xnnpackAttrs;
  private readonly parameters: ReadonlyMap<number, typeof asWeights>;
  private readonly ids = new Map<number, TensorId>();
  /** Integers to which the file gives no scale. */
  private readonly bare = new Set<TensorId>();
  private readonly seen = new Map<number, Tensor>();

  constructor(
    private readonly raw: RawModel,
    private readonly subgraph: RawSubgraph,
    private readonly edges: Edges,
    private readonly rounding: RuntimeRounding,
  ) {
    // XNNPACK leaves to the builtin kernels what it does not compute.
    this.builtin = rounding === 'tflm' ? 'tflm' : 'tflite';
    this.hasVectors = rounding === 'tflite' || rounding === 'xnnpack';
    this.delegated = rounding === 'xnnpack' ? xnnpackAttrs : () => ({});
    this.parameters = parametersOf(raw, subgraph);
    this.variables = new Variables(raw, this);
  }

  /** The graph's tensor for tensor `index` of the file. */
  idOf(index: number): TensorId {
    const known = this.ids.get(index);
    if (known !== undefined) return known;
    const tensor = this.tensorAt(index);
    const id = this.tensors.push(isBare(tensor) ? { ...tensor, quant: asIntegers } : tensor) - 1;
    if (isBare(tensor)) this.bare.add(id);
    // Only now: a tensor that is refused has no place, and is refused again.
    this.ids.set(index, id);
    return id;
  }

  /** The graph of the nodes so far, without the states of variables. */
  finish(inputs: readonly TensorId[]): Graph {
    const outputs = this.edges.outputs.map((index) => this.idOf(index));
    const name = printable(this.subgraph.name) || 'main';
    return { name, inputs, outputs, nodes: this.nodes, tensors: this.tensors };
  }

  /**
   * Adds the operator's node, or changes what is known of a variable.
   *
   * @throws BonsaiError
   */
  add(operator: RawOperator, index: number): void {
    const name = operatorName(this.raw, operator);
    const where = placeOf(this.raw, this.subgraph, operator, index);
    const layer = layerName(this.subgraph, operator, index);
    if (variableOperators.has(name)) {
      this.useVariable(name, operator, { name: layer, ops: [index] }, where);
      return;
    }
    if (operator.graphs !== undefined) {
      this.nodes.push(this.owner(name, operator, operator.graphs, { name: layer, ops: [index] }));
      return;
    }
    // Only one that cannot be folded is left.
    foldedOperators.get(name)?.(
      foldableOf(this.raw, this.subgraph, operator, where, this.edges.constants),
    );
    const row = rows.get(name);
    if (row === undefined) throw this.unknown(operator, index);
    const { outputs } = operator;
    const made = outputs.filter((i) => outputs.length === 1 || !this.isEmpty(i));
    const foreign = {
      where,
      options: optionsOf(this.raw, row, operator, where),
      inputs: operator.inputs.map((i) => (i < 0 ? null : this.tensorAt(i))),
      outputs: made.map((i) => this.tensorAt(i)),
      rounding: this.builtin,
      hasVectors: this.hasVectors,
      isPacked: operator.inputs.some((i) => i >= 0 && this.typeOf(i) === 'int4'),
      isDelegated: false,
    };
    const delegated = this.delegated(name, foreign);
    const isDelegated = Object.keys(delegated).length > 0;
    const own = this.ownStates(operator, row, layer, where);
    const node: Node = {
      op: operatorOf(row, foreign),
      name: layer,
      inputs: [...own.map(({ tensor }) => tensor), ...this.operandsOf(operator, row, where)],
      outputs: [...made.map((output) => this.idOf(output)), ...own.map(({ next }) => next)],
      attrs: {
        ...attrsOf(row, { ...foreign, isDelegated }),
        ...(row.roundsByShape ? {} : row.rounding[this.builtin]),
        ...delegated,
      },
      ops: [index],
      fused: [],
    };
    // TFLM's kernels that read a scale have 0 for it, and give zeros.
    if (!isMoving(node)) this.requireScales(node);
    this.nodes.push(node);
  }

  /** The node of an IF or WHILE, with its graphs. */
  private owner(
    name: string,
    operator: RawOperator,
    subgraphs: readonly RawSubgraph[],
    at: Pick<Node, 'name' | 'ops'>,
  ): Node {
    const inputs = operator.inputs.map((index) => this.idOf(index));
    const outputs = operator.outputs.map((index) => this.idOf(index));
    const graphs = subgraphs.map((subgraph) => this.owned(subgraph));
    const node = { ...at, inputs, outputs, graphs, fused: [] };
    const [condition, body] = graphs;
    if (name === 'IF' || condition === undefined || body === undefined) {
      return { ...node, op: 'if', attrs: {} };
    }
    const initial = inputs.map((id) => this.tensors[id] ?? null);
    return { ...node, op: 'while', attrs: { turns: mostTurns(initial, condition, body) ?? -1 } };
  }

  /** The graph of a subgraph that an operator runs. */
  private owned(subgraph: RawSubgraph): Graph {
    const edges = innerEdges(this.raw, subgraph);
    const builder = new GraphBuilder(this.raw, subgraph, edges, this.rounding);
    const operators = [...subgraph.operators.entries()].filter(([i]) => !edges.skipped.has(i));
    for (const [index, operator] of operators) {
      const name = operatorName(this.raw, operator);
      if (operator.graphs === undefined && !isKnown(name)) throw builder.unknown(operator, index);
    }
    const ids = edges.inputs.map((index) => builder.idOf(index));
    for (const [index, operator] of operators) {
      const name = operatorName(this.raw, operator);
      if (variableOperators.has(name) || rows.get(name)?.states !== undefined) {
        const where = placeOf(this.raw, subgraph, operator, index);
        const hint = 'keep what a model remembers outside of its branches and loops';
        throw new BonsaiError('unsupported-operator', where, 'remembers within IF or WHILE', hint);
      }
      builder.add(operator, index);
    }
    return builder.finish(ids);
  }

  /** @throws BonsaiError 'bad-quantization' where the file leaves out a scale */
  private requireScales(node: Node): void {
    const bare = [...node.inputs, ...node.outputs].find((id) => id !== null && this.bare.has(id));
    if (bare != null) quantized({ ...(this.tensors[bare] as Tensor), quant: null });
  }

  /** A tensor without elements, as Keras's GRU splits off: a reader of it is refused. */
  private isEmpty(index: number): boolean {
    return rawTensor(this.raw, this.subgraph, index).shape.includes(0);
  }

  /** The type in the file. */
  private typeOf(index: number) {
    return tensorTypes[rawTensor(this.raw, this.subgraph, index).type];
  }

  private tensorAt(index: number): Tensor {
    const known = this.seen.get(index) ?? this.edges.constants.get(index);
    if (known !== undefined) return known;
    const imported = importTensor(this.raw, rawTensor(this.raw, this.subgraph, index), index);
    const tensor = this.parameters.get(index)?.(this.raw, imported) ?? imported;
    this.seen.set(index, tensor);
    return tensor;
  }

  private operandsOf({ inputs }: RawOperator, row: Row, where: string) {
    const positions = row.operands === 'all' ? inputs.map((_, i) => i) : row.operands;
    return positions.map((position) => {
      const input = inputs[position] ?? -1;
      if (input >= 0) return this.idOf(input);
      if (row.optional.includes(position)) return null;
      throw new BonsaiError('bad-graph', where, `has no input ${position}`, convertAgain);
    });
  }

  private useVariable(
    name: string,
    operator: RawOperator,
    at: Pick<Node, 'name' | 'ops'>,
    where: string,
  ): void {
    const [handle = -1, value = -1] = operator.inputs;
    const [output = -1] = operator.outputs;
    if (name === 'VAR_HANDLE') this.variables.addHandle(output, operator, where);
    if (name === 'READ_VARIABLE') {
      const tensor = quantized(this.tensorAt(output));
      this.ids.set(output, this.variables.read(handle, tensor, at, where));
    }
    if (name === 'ASSIGN_VARIABLE') this.variables.assign(handle, this.idOf(value), at, where);
  }

  /** The states of an operator that remembers: its variable tensors, and a place in one. */
  private ownStates(
    { inputs }: RawOperator,
    { states = [] }: Row,
    layer: string,
    where: string,
  ): readonly Pick<State, 'tensor' | 'next'>[] {
    const place = { dtype: 'int32', shape: [1], quant: null, data: null, source: null } as const;
    return states.map((position) => {
      if (position === 'place') return this.variables.own({ ...place, name: `${layer}/place` });
      const index = inputs[position] ?? -1;
      if (index >= 0) return this.variables.own({ ...quantized(this.tensorAt(index)), data: null });
      throw new BonsaiError('bad-graph', where, `has no input ${position}`, convertAgain);
    });
  }

  /** The error for an operator that the importer does not know. */
  unknown(operator: RawOperator, index: number): BonsaiError {
    const isFloat = operator.outputs.some(
      (output) => tensorTypes[rawTensor(this.raw, this.subgraph, output).type] === 'float32',
    );
    const where = placeOf(this.raw, this.subgraph, operator, index);
    return unknownOperator(operatorName(this.raw, operator), where, isFloat);
  }
}

/** The operator of the IR. */
function operatorOf({ op, computed }: Row, { inputs }: ForeignOperator<unknown>): string {
  return computed !== undefined && inputs[computed.input]?.data === null ? computed.op : op;
}

/** The tensors that are weights or biases, and the function that adapts each. */
function parametersOf(raw: RawModel, subgraph: RawSubgraph): ReadonlyMap<number, typeof asWeights> {
  const readings: readonly (readonly [RegExp, position: number, typeof asWeights])[] = [
    [/^(DEPTHWISE_)?CONV_2D$/, 1, (raw, tensor) => asWeights(raw, unpacked(raw, tensor))],
    // No runtime unpacks them: TFLM refuses int4, the desktop reads it as if it were int8.
    [/^TRANSPOSE_CONV$/, 1, asWeights],
    [/^FULLY_CONNECTED$/, 1, unpacked],
    [/^((DEPTHWISE_)?CONV_2D|FULLY_CONNECTED)$/, 2, asBias],
    [/^TRANSPOSE_CONV$/, 3, asBias],
  ];
  const parameters = new Map<number, typeof asWeights>();
  for (const operator of subgraph.operators) {
    for (const [names, position, reading] of readings) {
      const index = operator.inputs[position] ?? -1;
      // No runtime that computes int4 by int16 has the bits of int8 weights.
      if (reading === unpacked && inputType(raw, subgraph, operator) === 'int16') continue;
      if (names.test(operatorName(raw, operator))) parameters.set(index, reading);
    }
  }
  for (const index of computedIndices(raw, subgraph)) parameters.set(index, asIndices);
  return parameters;
}

/** The type of an operator's first input. */
function inputType(raw: RawModel, subgraph: RawSubgraph, { inputs }: RawOperator) {
  const [first = -1] = inputs;
  return first < 0 ? null : tensorTypes[rawTensor(raw, subgraph, first).type];
}

/** The position of the input that holds indices. */
const indexInputs: ReadonlyMap<string, number> = new Map([
  ['EMBEDDING_LOOKUP', 0],
  ['GATHER', 1],
  ['ONE_HOT', 0],
]);

/**
 * What CAST, ARG_MAX and ARG_MIN make and operators read as indices alone. Positions are also cast:
 * an extent is below 2^31.
 */
function computedIndices(raw: RawModel, { operators, outputs }: RawSubgraph): ReadonlySet<number> {
  const madeBy = (names: readonly string[]) =>
    operators.flatMap((operator) =>
      names.includes(operatorName(raw, operator)) ? operator.outputs : [],
    );
  const positions = new Set(madeBy(['ARG_MAX', 'ARG_MIN']));
  const indices = new Set([...positions, ...madeBy(['CAST'])]);
  for (const operator of operators) {
    const name = operatorName(raw, operator);
    for (const [position, input] of operator.inputs.entries()) {
      const isCast = name === 'CAST' && positions.has(input);
      if (position !== indexInputs.get(name) && !isCast) indices.delete(input);
    }
  }
  for (const output of outputs) indices.delete(output);
  return indices;
}

/** An operator's options; an absent table has every field at its default. */
export function optionsOf(raw: RawModel, row: Row, operator: RawOperator, where: string) {
  const { builtinOptions, builtinOptionsType } = operator;
  if (row.optionsType === 0 || builtinOptions === null || builtinOptionsType === 0) {
    return defaults(row.options);
  }
  if (builtinOptionsType === row.optionsType) return decode(builtinOptions, row.options);
  throw corrupt(raw.source, `${where} has the options of another operator`);
}

const isBare = ({ quant, dtype }: Tensor) => quant === null && quantizedTypes.includes(dtype);

/** Refuses integer activations and weights without a scale. */
function quantized(tensor: Tensor): Tensor {
  if (!isBare(tensor)) return tensor;
  const where = `tensor ${tensor.source} "${tensor.name}"`;
  const message = `is ${tensor.dtype}, but has no scale and zero point`;
  const hint = 'quantize the model fully to int8 with a representative dataset';
  throw new BonsaiError('bad-quantization', where, message, hint);
}

/** Of integers that stand for themselves: TFLM has zeros, of which those that read no scale see nothing. */
const asIntegers: Quant = { scales: [1], zeroPoints: [0], axis: null };
