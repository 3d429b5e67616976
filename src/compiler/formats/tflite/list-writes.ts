/**
 * TensorFlow converts a write into a list, as recurrent layers make them that return sequences, to the
 * rows before, the new row and the rows after, concatenated (ConvertTensorListSetItem of
 * tensorflow/compiler/mlir/lite/transforms/lower_static_tensor_list.cc). The extents of these parts
 * depend on the loop's counter. For an index within the list all of it is one DYNAMIC_UPDATE_SLICE,
 * which that converter can write itself. (For another index no runtime has a result.)
 */
import { decode } from '../flatbuffer.js';
import { builtinCode } from './builtins.js';
import { rows } from './ops.js';
import {
  bufferBytes,
  operatorName,
  type RawModel,
  type RawOperator,
  type RawSubgraph,
} from './read.js';
import { tensorTypes } from './schema.js';

/** The model with DYNAMIC_UPDATE_SLICE for writes into lists. */
export function withListWrites(raw: RawModel): RawModel {
  const code = raw.operatorCodes.length;
  const subgraphs = raw.subgraphs.map((subgraph) => withWritesOf(raw, subgraph, code));
  if (subgraphs.every((subgraph, i) => subgraph === raw.subgraphs[i])) return raw;
  const update = {
    ...{ builtinCode: builtinCode('DYNAMIC_UPDATE_SLICE'), deprecatedBuiltinCode: 127 },
    ...{ customCode: '', version: 1 },
  };
  return { ...raw, operatorCodes: [...raw.operatorCodes, update], subgraphs };
}

/** @param code the operator code of DYNAMIC_UPDATE_SLICE */
function withWritesOf(raw: RawModel, subgraph: RawSubgraph, code: number): RawSubgraph {
  const makers = makersOf(subgraph);
  const tensors = [...subgraph.tensors];
  const parts = new Set<RawOperator>();
  const operators = subgraph.operators.flatMap((operator) => {
    const write = writeOf({ raw, subgraph, makers }, operator);
    if (write === null) return [operator];
    for (const part of write.parts) parts.add(part);
    const { list, row, index, zeros, follows } = write;
    const start = tensors.length;
    const { shape = [] } = tensors[list] ?? {};
    const like = tensors[index] as RawSubgraph['tensors'][number];
    tensors.push({ ...like, shape: [shape.length], shapeSignature: [], buffer: 0 });
    return [
      // The axis is that of a concatenation of vectors.
      { ...follows, inputs: [index, zeros], outputs: [start] },
      {
        ...{ opcodeIndex: code, builtinOptionsType: 0, builtinOptions: null },
        ...{ inputs: [list, row, start], outputs: operator.outputs },
      },
    ];
  });
  if (parts.size === 0) return subgraph;
  return { ...subgraph, tensors, operators: withoutUnread(operators, parts, subgraph.outputs) };
}

interface Place {
  readonly raw: RawModel;
  readonly subgraph: RawSubgraph;
  /** The operator that makes a tensor. */
  readonly makers: ReadonlyMap<number, RawOperator>;
}

const makersOf = ({ operators }: RawSubgraph) =>
  new Map(operators.flatMap((operator) => operator.outputs.map((output) => [output, operator])));

/** Operators in their order without those of `parts` whose results nobody reads. */
function withoutUnread(
  operators: readonly RawOperator[],
  parts: ReadonlySet<RawOperator>,
  outputs: readonly number[],
): readonly RawOperator[] {
  const read = new Set(outputs);
  const kept = operators.toReversed().filter((operator) => {
    const isKept = !parts.has(operator) || operator.outputs.some((output) => read.has(output));
    if (isKept) for (const input of operator.inputs) read.add(input);
    return isKept;
  });
  return kept.reverse();
}

/** Tensors of a write of `row` at [index, ...zeros] into `list`. */
interface Write {
  readonly list: number;
  readonly row: number;
  readonly index: number;
  readonly zeros: number;
  /** The concatenation that makes [index + 1, ...zeros]. */
  readonly follows: RawOperator;
  /** The operators that make the rows before and after. */
  readonly parts: readonly RawOperator[];
}

/** The write that ends in a concatenation; null for others. */
function writeOf(place: Place, operator: RawOperator): Write | null {
  if (nameOf(place, operator) !== 'CONCATENATION' || operator.inputs.length !== 3) return null;
  const [before = -1, row = -1, after = -1] = operator.inputs;
  const first = makerOf(place, before, 'SLICE');
  const last = makerOf(place, after, 'SLICE');
  const [list = -1, begin = -1, size = -1] = first?.inputs ?? [];
  const [sameList = -1, next = -1, rest = -1] = last?.inputs ?? [];
  const counted = makerOf(place, size, 'CONCATENATION');
  const follows = makerOf(place, next, 'CONCATENATION');
  if (!first || !last || !counted || !follows || list !== sameList) return null;
  const [index = -1, all = -1] = counted.inputs;
  const [second = -1, zeros = -1] = follows.inputs;
  const isWhole =
    isFilled(place, begin, 0) &&
    isFilled(place, rest, -1) &&
    isFilled(place, all, -1) &&
    isFilled(place, zeros, 0) &&
    isNext(place, index, second);
  const [output = -1] = operator.outputs;
  const { tensors } = place.subgraph;
  const shapes = [list, row, output].map((i) => tensors[i]?.shape ?? []);
  const [listShape = [], rowShape = [], shape = []] = shapes;
  const fits =
    listShape.join() === shape.join() && [1, ...listShape.slice(1)].join() === rowShape.join();
  if (!isWhole || !fits) return null;
  const heads = [index, second].flatMap((i) => place.makers.get(i) ?? []);
  return { list, row, index, zeros, follows, parts: [first, last, counted, follows, ...heads] };
}

function nameOf({ raw }: Place, operator: RawOperator | undefined): string {
  return operator === undefined ? '' : operatorName(raw, operator);
}

function makerOf(place: Place, tensor: number, name: string): RawOperator | null {
  const maker = place.makers.get(tensor);
  return maker !== undefined && nameOf(place, maker) === name ? maker : null;
}

/** Whether a tensor is a constant of int32 with one value in all elements. */
function isFilled(place: Place, tensor: number, value: number): boolean {
  const values = integers(place, tensor);
  return values.length > 0 && values.every((each) => each === value);
}

/** Whether [second] is [index] + 1, each of them a scalar with a new dimension. */
function isNext(place: Place, index: number, second: number): boolean {
  const scalarOf = (tensor: number) => makerOf(place, tensor, 'RESHAPE')?.inputs[0] ?? tensor;
  const sum = makerOf(place, scalarOf(second), 'ADD');
  if (sum === null || isClamped(sum)) return false;
  const [a = -1, b = -1] = sum.inputs;
  const from = scalarOf(index);
  return (a === from && isFilled(place, b, 1)) || (b === from && isFilled(place, a, 1));
}

/** Whether a sum has a fused activation. */
function isClamped({ builtinOptions }: RawOperator): boolean {
  const fields = rows.get('ADD')?.options ?? {};
  return builtinOptions !== null && decode(builtinOptions, fields).activation !== 0;
}

/** The elements of a constant of int32; none of others. */
function integers({ raw, subgraph }: Place, index: number): readonly number[] {
  const tensor = subgraph.tensors[index];
  if (tensor === undefined || tensorTypes[tensor.type] !== 'int32') return [];
  const bytes = bufferBytes(raw, tensor.buffer) ?? new Uint8Array();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => view.getInt32(4 * i, true));
}
