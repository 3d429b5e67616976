/** A subgraph of a .tflite file → the IR's graph. */
import { BonsaiError } from '../../../errors.js';
import type { Graph, Module, TensorData } from '../../ir/graph.js';
import type { RuntimeRounding } from '../../ir/rounding.js';
import { evaluateGraph } from '../../ops/evaluate.js';
import { corrupt } from '../flatbuffer.js';
import { GraphBuilder, isKnown } from './builder.js';
import { type Edges, edgesOf } from './edges.js';
import { rows } from './ops.js';
import {
  operatorName,
  printable,
  type RawModel,
  type RawSubgraph,
  type RawTensor,
  rawTensor,
} from './read.js';
import { tensorTypes } from './schema.js';
import { initialSubgraph, type Variables } from './variables.js';

/** The subgraph that runs. CALL_ONCE, IF and WHILE call others. */
export const main = 0;

/** The most operators that a model may have; real models have hundreds. */
export const maxOperators = 65536;

export interface ImportedGraph {
  readonly graph: Graph;
  /** Tensor indices of the file's inputs and outputs, in the order of the graph's. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Absent: no conversion is left to the caller. */
  readonly edgeTypes?: NonNullable<Module['edgeTypes']>;
}

/**
 * Operators keep their order and indices. Tensors that no node uses are left out: shapes and axes,
 * which become attributes.
 *
 * @throws BonsaiError
 */
export function importMain(raw: RawModel, rounding: RuntimeRounding): ImportedGraph {
  const subgraph = raw.subgraphs[main];
  if (subgraph === undefined) throw corrupt(raw.source, 'has no subgraph');
  for (const [what, list] of Object.entries({
    operators: subgraph.operators,
    inputs: subgraph.inputs,
    outputs: subgraph.outputs,
  })) {
    if (list.length > 0) continue;
    throw new BonsaiError('bad-graph', raw.source.where, `has no ${what}`, convertAgain);
  }
  const { graph, variables, edges } = importSubgraph(raw, subgraph, rounding);
  const initial = initialValues(raw, subgraph, rounding);
  return {
    graph: variables.finish(graph, initial),
    inputs: subgraph.inputs,
    outputs: subgraph.outputs,
    ...edgeTypesOf(raw, subgraph, edges),
  };
}

/** The types outside of conversions that are left to the caller. */
function edgeTypesOf(
  raw: RawModel,
  subgraph: RawSubgraph,
  edges: Edges,
): Pick<ImportedGraph, 'edgeTypes'> {
  const outside = (side: 'inputs' | 'outputs') =>
    subgraph[side].map((tensor, i) => {
      if (edges[side][i] === tensor) return null;
      const isFloat = tensorTypes[rawTensor(raw, subgraph, tensor).type] === 'float32';
      return isFloat ? 'float32' : 'uint8';
    });
  const edgeTypes = { inputs: outside('inputs'), outputs: outside('outputs') };
  const isSame = [...edgeTypes.inputs, ...edgeTypes.outputs].every((type) => type === null);
  return isSame ? {} : { edgeTypes };
}

/**
 * The values that CALL_ONCE assigns to variables, computed here: its subgraphs have no inputs.
 *
 * @throws BonsaiError 'unsupported-operator' for a subgraph that calls another one
 */
function initialValues(
  raw: RawModel,
  { operators }: RawSubgraph,
  rounding: RuntimeRounding,
): ReadonlyMap<string, TensorData> {
  const values = new Map<string, TensorData>();
  operators.forEach((operator, index) => {
    if (operatorName(raw, operator) !== 'CALL_ONCE') return;
    const where = `operator ${index} (CALL_ONCE)`;
    const subgraph = raw.subgraphs[initialSubgraph(raw, operator, where)];
    if (subgraph === undefined) throw corrupt(raw.source, `${where} calls a missing subgraph`);
    if (subgraph.operators.some((inner) => operatorName(raw, inner) === 'CALL_ONCE')) {
      const hint = 'initialize variables with constants';
      throw new BonsaiError('unsupported-operator', where, 'calls a subgraph that calls one', hint);
    }
    if (subgraph.inputs.length > 0) {
      throw new BonsaiError('bad-graph', where, 'calls a subgraph with inputs', convertAgain);
    }
    const { graph, variables } = importSubgraph(raw, subgraph, rounding);
    const assigned = [...variables.assigned()];
    const evaluated = { ...graph, outputs: assigned.map(([, id]) => id) };
    const { outputs } = evaluateGraph(evaluated, []);
    assigned.forEach(([name], i) => {
      values.set(name, outputs[i] as TensorData);
    });
  });
  return values;
}

/** The graph of a subgraph, and its variables, which `finish` makes to states. */
function importSubgraph(
  raw: RawModel,
  subgraph: RawSubgraph,
  rounding: RuntimeRounding,
): { readonly graph: Graph; readonly variables: Variables; readonly edges: Edges } {
  checkIndices(raw, subgraph);
  for (const index of subgraph.inputs) {
    checkSignature(raw, rawTensor(raw, subgraph, index), index);
  }
  const edges = edgesOf(raw, subgraph);
  const builder = new GraphBuilder(raw, subgraph, edges, rounding);
  const remaining = [...subgraph.operators.entries()].filter(
    ([index]) => !edges.skipped.has(index),
  );
  // Unknown operators are refused before anything else: other errors may follow from one.
  for (const [index, operator] of remaining) {
    if (operator.graphs !== undefined) continue;
    if (!isKnown(operatorName(raw, operator))) throw builder.unknown(operator, index);
  }
  const inputs = edges.inputs.map((index) => builder.idOf(index));
  for (const [index, operator] of remaining) builder.add(operator, index);
  return { graph: builder.finish(inputs), variables: builder.variables, edges };
}

const convertAgain = 'convert the model again';

/** Refuses inputs, outputs and operators that refer to a missing tensor. */
export function checkIndices(raw: RawModel, subgraph: RawSubgraph): void {
  const { tensors, operators, inputs, outputs } = subgraph;
  if (operators.length > maxOperators) {
    const message = `has ${operators.length} operators; at most ${maxOperators} are possible`;
    throw new BonsaiError('too-large', raw.source.where, message, 'use a smaller model');
  }
  const check = (indices: readonly number[], lowest: number, where: string) => {
    const bad = indices.find((index) => index < lowest || index >= tensors.length);
    if (bad === undefined) return;
    const message = `refers to tensor ${bad}; the model has ${tensors.length}`;
    throw new BonsaiError('bad-graph', where, message, convertAgain);
  };
  check(inputs, 0, 'inputs of the model');
  check(outputs, 0, 'outputs of the model');
  operators.forEach((operator, index) => {
    const where = `operator ${index} (${operatorName(raw, operator)})`;
    // An optional input that is absent is −1.
    check(operator.inputs, -1, where);
    check(operator.outputs, 0, where);
    // CALL_ONCE and ASSIGN_VARIABLE have no output; others are refused elsewhere as unknown.
    if (operator.outputs.length > 0 || !rows.has(operatorName(raw, operator))) return;
    throw new BonsaiError('bad-graph', where, 'has no output', convertAgain);
  });
}

/**
 * An input with dynamic extents runs with the extents in its shape: a batch of 1, or the size to
 * which the file was resized. A dynamic extent of 1 is refused, since the converter may have stored
 * 1 for an unknown size.
 */
function checkSignature(
  raw: RawModel,
  { name, shape, shapeSignature }: RawTensor,
  index: number,
): void {
  const open = shapeSignature.flatMap((extent, d) =>
    extent < 0 && (d > 0 || shape[0] !== 1) ? [d] : [],
  );
  if (open.length === 0) return;
  const where = `input tensor ${index} "${printable(name)}"`;
  const message = `has the dynamic shape [${shapeSignature.join(', ')}]`;
  const extents = shapeSignature.map((extent) => (extent < 0 ? '?' : extent)).join(',');
  const hint = `give the extents: --shape "${printable(name)}=${extents}", with a number for each ?`;
  const error = new BonsaiError('bad-shape', where, message, hint);
  if (open.some((d) => (shape[d] ?? 1) <= 1)) throw error;
  raw.ignore(error);
}
