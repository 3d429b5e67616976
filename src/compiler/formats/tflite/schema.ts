/**
 * The tables of a .tflite file: each field and its slot, in the order of the published schema
 * (tensorflow/lite/schema, version 3, identifier TFL3). Fields that bonsaic does not read are left
 * out. The reader (import) and the writer (write) share these tables. Options of operators that become
 * nodes are in ops.ts.
 */
import type { DType } from '../../ir/graph.js';
import {
  bytes,
  flag,
  int32,
  numbers,
  scalar,
  string,
  table,
  tables,
  union,
} from '../flatbuffer.js';

export const identifier = 'TFL3';

/** Names by TensorType; types that DType lacks cannot be imported. */
export const tensorTypes = [
  'float32',
  'float16',
  'int32',
  'uint8',
  'int64',
  'string',
  'bool',
  'int16',
  'complex64',
  'int8',
  'float64',
  'complex128',
  'uint64',
  'resource',
  'variant',
  'uint32',
  'uint16',
  'int4',
  'bfloat16',
  'int2',
  'uint4',
] as const satisfies readonly (DType | string)[];

/** Tensor data starts at a multiple of this, as the published schema requires (force_align). */
export const bufferAlign = 16;

export const quantizationFields = {
  scale: numbers(2, 'float32'),
  zeroPoint: numbers(3, 'int64'),
  /** Nonzero for a custom or block-wise scheme. */
  detailsType: scalar(4, 'uint8'),
  quantizedDimension: int32(6),
};

/** Only its presence is read: the tensor's values are stored sparsely. */
const sparsityFields = {};

export const tensorFields = {
  shape: numbers(0, 'int32'),
  type: scalar(1, 'int8'),
  buffer: scalar(2, 'uint32'),
  name: string(3),
  quantization: table(4, quantizationFields),
  isVariable: flag(5),
  sparsity: table(6, sparsityFields),
  /** The shape with −1 for dynamic extents; empty when all are fixed. */
  shapeSignature: numbers(7, 'int32'),
};

export const operatorFields = {
  opcodeIndex: scalar(0, 'uint32'),
  inputs: numbers(1, 'int32'),
  outputs: numbers(2, 'int32'),
  builtinOptionsType: scalar(3, 'uint8'),
  builtinOptions: union(4),
};

export const subgraphFields = {
  tensors: tables(0, tensorFields),
  inputs: numbers(1, 'int32'),
  outputs: numbers(2, 'int32'),
  operators: tables(3, operatorFields),
  name: string(4),
};

export const operatorCodeFields = {
  /** The 8-bit code of old files; the larger of the two codes is valid. */
  deprecatedBuiltinCode: scalar(0, 'int8'),
  customCode: string(1),
  version: int32(2, 1),
  builtinCode: int32(3),
};

export const bufferFields = {
  data: bytes(0, bufferAlign),
  /** Data after the flatbuffer: where it starts in the file, and its length. */
  offset: scalar(1, 'uint64'),
  size: scalar(2, 'uint64'),
};

const tensorMapFields = { name: string(0), tensorIndex: scalar(1, 'uint32') };

export const signatureFields = {
  inputs: tables(0, tensorMapFields),
  outputs: tables(1, tensorMapFields),
  signatureKey: string(2),
  subgraphIndex: scalar(4, 'uint32'),
};

export const modelFields = {
  version: scalar(0, 'uint32'),
  operatorCodes: tables(1, operatorCodeFields),
  subgraphs: tables(2, subgraphFields),
  description: string(3),
  buffers: tables(4, bufferFields),
  signatureDefs: tables(7, signatureFields),
};

export const ifOptions = { thenSubgraph: int32(0), elseSubgraph: int32(1) };
export const whileOptions = { condSubgraph: int32(0), bodySubgraph: int32(1) };
export const callOnceOptions = { initSubgraph: int32(0) };
export const varHandleOptions = { container: string(0), sharedName: string(1) };
