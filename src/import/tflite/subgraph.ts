/** A subgraph of a .tflite file → the IR's graph. */
import { BonsaiError } from '../../errors.js';
import type { Graph, Node, State, Tensor, TensorData, TensorId } from '../../ir/graph.js';
import { evaluateGraph } from '../../ops/evaluate.js';
import { corrupt, decode, defaults } from '../flatbuffer.js';
import { edgesOf } from './edges.js';
import { rows } from './ops.js';
import {
  layerName,
  operatorName,
  printable,
  type RawModel,
  type RawOperator,
  type RawSubgraph,
  type RawTensor,
  rawTensor,
} from './read.js';
import type { AnyRow } from './rows.js';
import { tensorTypes } from './schema.js';
import { asBias, asWeights, fixShape, importTensor } from './tensors.js';
import { unknownOperator } from './unknown.js';
import { initialSubgraph, Variables, variableOperators } from './variables.js';

/** The subgraph that runs. Only control flow operators call others, and those are refused. */
export const main = 0;

/** The most operators that a model may have; real models have hundreds. */
const maxOperators = 65536;

export interface ImportedGraph {
  readonly graph: Graph;
  /** Tensor indices of the file's inputs and outputs, in the order of the graph's. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/**
 * Operators keep their order and indices. Tensors that no node uses are left out: shapes and axes,
 * which become attributes.
 *
 * @throws BonsaiError
 */
export function importMain(raw: RawModel, rounding: 'tflm' | 'tflite'): ImportedGraph {
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
  const { graph, variables } = importSubgraph(raw, subgraph, rounding);
  const initial = initialValues(raw, subgraph, rounding);
  return {
    graph: variables.finish(graph, initial),
    inputs: subgraph.inputs,
    outputs: subgraph.outputs,
  };
}

/**
 * The values that CALL_ONCE assigns to variables, computed here: its subgraphs have no inputs.
 *
 * @throws BonsaiError 'unsupported-operator' for a subgraph that calls another one
 */
function initialValues(
  raw: RawModel,
  { operators }: RawSubgraph,
  rounding: 'tflm' | 'tflite',
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
  rounding: 'tflm' | 'tflite',
): { readonly graph: Graph; readonly variables: Variables } {
  checkIndices(raw, subgraph);
  const edges = edgesOf(raw, subgraph);
  checkOperators(raw, subgraph, edges.skipped);
  const parameters = parametersOf(raw, subgraph);
  const tensors: Tensor[] = [];
  const ids = new Map<number, TensorId>();
  const seen = new Map<number, Tensor>();
  const tensorAt = (index: number): Tensor => {
    const known = seen.get(index) ?? edges.constants.get(index);
    if (known !== undefined) return known;
    const imported = importTensor(raw, rawTensor(raw, subgraph, index), index);
    const tensor = parameters.get(index)?.(raw, imported) ?? imported;
    seen.set(index, tensor);
    return tensor;
  };
  const idOf = (index: number): TensorId => {
    const known = ids.get(index);
    if (known !== undefined) return known;
    ids.set(index, tensors.length);
    tensors.push(quantized(tensorAt(index)));
    return tensors.length - 1;
  };
  const inputs = edges.inputs.map(idOf);
  const nodes: Node[] = [];
  const variables = new Variables(raw, { tensors, nodes });
  const useVariable = (name: string, { inputs, outputs }: RawOperator, place: Place) => {
    const [handle = -1, value = -1] = inputs;
    const [output = -1] = outputs;
    const { operator, layer, where, index } = place;
    const at = { name: layer, ops: [index] };
    if (name === 'VAR_HANDLE') variables.addHandle(output, operator, where);
    if (name === 'READ_VARIABLE') {
      ids.set(output, variables.read(handle, quantized(tensorAt(output)), at, where));
    }
    if (name === 'ASSIGN_VARIABLE') variables.assign(handle, idOf(value), at, where);
  };
  subgraph.operators.forEach((operator, index) => {
    if (edges.skipped.has(index)) return;
    const name = operatorName(raw, operator);
    const layer = layerName(subgraph, operator, index);
    const where = `operator ${index} (${name}) "${layer}"`;
    if (variableOperators.has(name)) {
      useVariable(name, operator, { operator, layer, where, index });
      return;
    }
    const row = rows.get(name) as AnyRow;
    const foreign = {
      where,
      options: optionsOf(raw, row, operator, where),
      inputs: operator.inputs.map((i) => (i < 0 ? null : tensorAt(i))),
      outputs: operator.outputs.map(tensorAt),
      rounding,
    };
    const operands = row.operands === 'all' ? operator.inputs.map((_, i) => i) : row.operands;
    const own = ownStates(variables, operator, row, tensorAt, layer, where);
    nodes.push({
      op: row.op,
      name: layer,
      inputs: [
        ...own.map(({ tensor }) => tensor),
        ...operands.map((position) => {
          const input = operator.inputs[position] ?? -1;
          if (input >= 0) return idOf(input);
          if (row.optional.includes(position)) return null;
          throw new BonsaiError('bad-graph', where, `has no input ${position}`, convertAgain);
        }),
      ],
      outputs: [...operator.outputs.map(idOf), ...own.map(({ next }) => next)],
      attrs: { ...row.attrs(foreign), ...row.rounding[rounding] },
      ops: [index],
      fused: [],
    });
  });
  const outputs = edges.outputs.map(idOf);
  const name = printable(subgraph.name) || 'main';
  return { graph: { name, inputs, outputs, nodes, tensors }, variables };
}

/** The states of an operator that remembers: its variable tensors, and a place in one. */
function ownStates(
  variables: Variables,
  { inputs }: RawOperator,
  { states = [] }: AnyRow,
  tensorAt: (index: number) => Tensor,
  layer: string,
  where: string,
): readonly Pick<State, 'tensor' | 'next'>[] {
  const place = { dtype: 'int32', shape: [1], quant: null, data: null, source: null } as const;
  return states.map((position) => {
    if (position === 'place') return variables.own({ ...place, name: `${layer}/place` });
    const index = inputs[position] ?? -1;
    if (index >= 0) return variables.own({ ...quantized(tensorAt(index)), data: null });
    throw new BonsaiError('bad-graph', where, `has no input ${position}`, convertAgain);
  });
}

/** An operator of the file, for errors and for the node that it becomes. */
interface Place {
  readonly operator: RawOperator;
  readonly layer: string;
  readonly where: string;
  readonly index: number;
}

const convertAgain = 'convert the model again';

/**
 * Refuses unknown operators before anything else: other errors may follow from one.
 *
 * @throws BonsaiError 'unsupported-operator'
 */
function checkOperators(raw: RawModel, subgraph: RawSubgraph, skipped: ReadonlySet<number>): void {
  subgraph.operators.forEach((operator, index) => {
    const name = operatorName(raw, operator);
    if (skipped.has(index) || rows.has(name) || variableOperators.has(name)) return;
    const where = `operator ${index} (${name}) "${layerName(subgraph, operator, index)}"`;
    const isFloat = operator.outputs.some(
      (output) => tensorTypes[rawTensor(raw, subgraph, output).type] === 'float32',
    );
    throw unknownOperator(name, where, isFloat);
  });
}

/** The tensors that are weights or biases, and the function that adapts each. */
function parametersOf(
  raw: RawModel,
  { operators }: RawSubgraph,
): ReadonlyMap<number, typeof asWeights> {
  const readings: readonly (readonly [RegExp, position: number, typeof asWeights])[] = [
    [/^(DEPTHWISE_)?CONV_2D$/, 1, asWeights],
    [/^((DEPTHWISE_)?CONV_2D|FULLY_CONNECTED)$/, 2, asBias],
  ];
  const parameters = new Map<number, typeof asWeights>();
  for (const operator of operators) {
    for (const [names, position, reading] of readings) {
      const index = operator.inputs[position] ?? -1;
      if (names.test(operatorName(raw, operator))) parameters.set(index, reading);
    }
  }
  return parameters;
}

/** An operator's options; an absent table has every field at its default. */
function optionsOf(raw: RawModel, row: AnyRow, operator: RawOperator, where: string) {
  const { builtinOptions, builtinOptionsType } = operator;
  if (row.optionsType === 0 || builtinOptions === null || builtinOptionsType === 0) {
    return defaults(row.options);
  }
  if (builtinOptionsType === row.optionsType) return decode(builtinOptions, row.options);
  throw corrupt(raw.source, `${where} has the options of another operator`);
}

/** Refuses integer activations and weights without a scale. */
function quantized(tensor: Tensor): Tensor {
  const needsScale = ['int4', 'int8', 'uint8', 'int16'].includes(tensor.dtype);
  if (!needsScale || tensor.quant !== null) return tensor;
  const where = `tensor ${tensor.source} "${tensor.name}"`;
  const message = `is ${tensor.dtype}, but has no scale and zero point`;
  const hint = 'quantize the model fully to int8 with a representative dataset';
  throw new BonsaiError('bad-quantization', where, message, hint);
}

/** Refuses inputs, outputs and operators that refer to a missing tensor. */
function checkIndices(raw: RawModel, subgraph: RawSubgraph): void {
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
  for (const index of inputs) checkSignature(raw, rawTensor(raw, subgraph, index), index);
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
  const error = new BonsaiError('bad-shape', where, message, fixShape);
  if (open.some((d) => (shape[d] ?? 1) <= 1)) throw error;
  raw.ignore(error);
}
