/**
 * The operators around the integer network that are no work for the device: conversions from and to
 * float at the model's edge, constants stored as float16, arithmetic on shapes.
 */
import { allocate, elementCount, type Tensor, type TensorData } from '../../ir/graph.js';
import { spend } from '../flatbuffer.js';
import { floatOfHalf } from '../half.js';
import { foldedOf } from './folded.js';
import { rows } from './ops.js';
import {
  operatorName,
  type RawModel,
  type RawOperator,
  type RawSubgraph,
  type RawTensor,
  rawTensor,
} from './read.js';
import { tensorTypes } from './schema.js';
import { importTensor } from './tensors.js';

export interface Edges {
  /** Input and output tensors of the network, in the order of the file's inputs and outputs. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Operators that do not become a node. */
  readonly skipped: ReadonlySet<number>;
  /** Tensors that a skipped operator would have computed from a constant. */
  readonly constants: ReadonlyMap<number, Tensor>;
}

/**
 * If a float (or uint8) input is only quantized, or an output only dequantized, the conversion is
 * left to the caller: the graph then has the int8 tensor as its input or output, with the scale and
 * zero point of the conversion. Operators on shapes are skipped, since every shape is known.
 */
export function edgesOf(raw: RawModel, subgraph: RawSubgraph): Edges {
  const skipped = new Set<number>();
  const constants = new Map<number, Tensor>();
  const readers = readersOf(subgraph);
  const writers = new Map(
    subgraph.operators.flatMap((operator, index) =>
      operator.outputs.map((tensor) => [tensor, { operator, index }] as const),
    ),
  );
  const name = (operator: RawOperator) => operatorName(raw, operator);
  const at = (index: number | undefined) => rawTensor(raw, subgraph, index ?? -1);

  const inputs = subgraph.inputs.map((input) => {
    const [only, ...others] = readers.get(input) ?? [];
    if (only === undefined || others.length > 0 || subgraph.outputs.includes(input)) return input;
    const output = only.operator.outputs[0] ?? input;
    if (name(only.operator) !== 'QUANTIZE' || !isEdge(at(input), at(output))) return input;
    skipped.add(only.index);
    return output;
  });
  const outputs = subgraph.outputs.map((output) => {
    const writer = writers.get(output);
    const source = writer?.operator.inputs[0];
    if (writer === undefined || source === undefined || source < 0) return output;
    const converts = ['DEQUANTIZE', 'QUANTIZE'].includes(name(writer.operator));
    // Every output must be computed, so a network that only converts keeps its conversions.
    const computed = writers.has(source) && !skipped.has(writers.get(source)?.index ?? -1);
    if (!converts || readers.has(output) || !computed || !isEdge(at(output), at(source))) {
      return output;
    }
    skipped.add(writer.index);
    return source;
  });

  compute(raw, subgraph, skipped, constants);
  skipShapeArithmetic(raw, subgraph, new Set(outputs), skipped);
  return { inputs, outputs, skipped, constants };
}

/** Those of a subgraph that an operator runs: it takes and gives tensors as they are. */
export function innerEdges(raw: RawModel, subgraph: RawSubgraph): Edges {
  const { inputs, outputs } = subgraph;
  const skipped = new Set<number>();
  const constants = new Map<number, Tensor>();
  compute(raw, subgraph, skipped, constants);
  return { inputs, outputs, skipped, constants };
}

/** Those of an operator alone. */
export const noEdges: Edges = {
  ...{ inputs: [], outputs: [] },
  ...{ skipped: new Set(), constants: new Map() },
};

/** Adds what operators compute of shapes and constants. */
function compute(
  raw: RawModel,
  subgraph: RawSubgraph,
  skipped: Set<number>,
  constants: Map<number, Tensor>,
): void {
  const at = (index: number) => rawTensor(raw, subgraph, index);
  subgraph.operators.forEach((operator, index) => {
    const [source = -1] = operator.inputs;
    const [output = -1] = operator.outputs;
    if (operatorName(raw, operator) !== 'DEQUANTIZE' || skipped.has(index) || source < 0) return;
    const values = dequantized(raw, importTensor(raw, at(source), source));
    if (values === null) return;
    constants.set(output, { ...importTensor(raw, at(output), output), data: values });
    skipped.add(index);
  });
  subgraph.operators.forEach((operator, index) => {
    const [output = -1] = operator.outputs;
    // What is refused here is refused later, if what it computes is needed.
    const folded = output < 0 ? null : foldedOf(raw, subgraph, operator, index, constants);
    if (folded === null) return;
    const { shape } = folded;
    const tensor = importTensor(raw, { ...at(output), shape: [...shape] }, output);
    const data = allocate(tensor.dtype, elementCount(shape));
    folded.elements().forEach((value, i) => {
      data[i] = (tensor.dtype === 'int64' ? BigInt(value) : value) as never;
    });
    constants.set(output, { ...tensor, data });
    skipped.add(index);
  });
}

interface Place {
  readonly operator: RawOperator;
  readonly index: number;
}

/** The operators that read each tensor. */
function readersOf(subgraph: RawSubgraph): ReadonlyMap<number, readonly Place[]> {
  const readers = new Map<number, Place[]>();
  subgraph.operators.forEach((operator, index) => {
    for (const tensor of operator.inputs) {
      const places = readers.get(tensor) ?? [];
      places.push({ operator, index });
      readers.set(tensor, places);
    }
  });
  return readers;
}

/**
 * Whether `outer` holds the same values as the integers of `inner`: as float, or as uint8 shifted
 * by 128 for int8.
 */
function isEdge(outer: RawTensor, inner: RawTensor): boolean {
  const integers = tensorTypes[inner.type] ?? '';
  if (!['int8', 'int16', 'uint8'].includes(integers)) return false;
  if (outer.shape.join() !== inner.shape.join()) return false;
  if (tensorTypes[outer.type] === 'float32') return true;
  const [a, b] = [outer.quantization, inner.quantization];
  return (
    integers === 'int8' &&
    tensorTypes[outer.type] === 'uint8' &&
    isShift(a?.scale[0], b?.scale[0]) &&
    a?.zeroPoint[0] === (b?.zeroPoint[0] ?? 0) + 128
  );
}

/** Whether a change of scale maps every difference of two bytes to itself, under any rounding. */
function isShift(outer: number | undefined, inner: number | undefined): boolean {
  // |x| ≤ 255, so x · ratio is within 1/4 of x and rounds to x.
  return outer !== undefined && inner !== undefined && Math.abs(outer / inner - 1) < 1 / 1024;
}

/** Skips operators that only compute shapes and whose result no remaining operator needs. */
function skipShapeArithmetic(
  raw: RawModel,
  subgraph: RawSubgraph,
  needed: Set<number>,
  skipped: Set<number>,
): void {
  for (const [index, operator] of [...subgraph.operators.entries()].reverse()) {
    if (skipped.has(index)) continue;
    // An operator without outputs has an effect, such as setting a variable.
    if (operator.outputs.length === 0) continue;
    const isShape = operator.outputs.every((output) =>
      ['int32', 'int64'].includes(tensorTypes[rawTensor(raw, subgraph, output).type] ?? ''),
    );
    if (isShape && !operator.outputs.some((output) => needed.has(output))) {
      skipped.add(index);
      continue;
    }
    const operands = rows.get(operatorName(raw, operator))?.operands ?? 'all';
    operator.inputs.forEach((input, position) => {
      if (operands === 'all' || operands.includes(position)) needed.add(input);
    });
  }
}

/** Real values of a constant; null for a computed tensor, or a type that does not store weights. */
function dequantized(raw: RawModel, tensor: Tensor): Float32Array | null {
  const { data, quant, shape } = tensor;
  if (data === null) return null;
  if (tensor.dtype === 'float16') {
    spend(raw.source, 4 * data.length);
    return Float32Array.from(data as Uint16Array, floatOfHalf);
  }
  if (tensor.dtype !== 'int8' || quant === null) return null;
  spend(raw.source, 4 * data.length);
  const { scales, zeroPoints, axis } = quant;
  const inner = axis === null ? data.length : elementCount(shape.slice(axis + 1));
  return Float32Array.from(data as Exclude<TensorData, BigInt64Array>, (q, i) => {
    const channel = Math.floor(i / inner) % scales.length;
    return (scales[channel] ?? 0) * (q - (zeroPoints[channel] ?? 0));
  });
}
