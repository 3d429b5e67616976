/** Tensors of a .tflite file → tensors of the IR. */
import { BonsaiError } from '../../errors.js';
import {
  byteCount,
  type DType,
  dtypes,
  elementCount,
  isInteger,
  type Quant,
  type Shape,
  type Tensor,
  type TensorData,
} from '../../ir/graph.js';
import { corrupt, spend } from '../flatbuffer.js';
import { bufferBytes, printable, type RawModel, type RawTensor } from './read.js';
import { tensorTypes } from './schema.js';

/** An activation beyond this fits no target's memory, and no host's if a file is hostile. */
const maxTensorBytes = 2 ** 26;
const maxRank = 8;

/** Views of the file by element type; 4-bit integers and float16 have no array of their own. */
const arrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const satisfies Partial<Record<DType, unknown>>;

/**
 * Tensor `index` of the main subgraph. Constants are views of the file's bytes where its alignment
 * allows, so a large model costs no copy.
 *
 * @throws BonsaiError 'unsupported-type', 'bad-shape', 'too-large', 'unsupported-attribute', …
 */
export function importTensor(raw: RawModel, tensor: RawTensor, index: number): Tensor {
  const name = printable(tensor.name);
  const where = `tensor ${index} "${name}"`;
  const dtype = dtypeOf(tensor, where);
  checkShape(tensor.shape, where);
  if (tensor.sparsity !== null) {
    const message = 'is stored in sparse form, which is not read';
    throw new BonsaiError('unsupported-attribute', where, message, densify);
  }
  const shaped = { name, dtype, shape: tensor.shape };
  const bytes = bufferBytes(raw, tensor.buffer);
  if (bytes === null && byteCount(shaped) > maxTensorBytes) {
    const message = `takes ${byteCount(shaped)} bytes; at most ${maxTensorBytes} are possible`;
    throw new BonsaiError('too-large', where, message, 'use smaller inputs or fewer channels');
  }
  return {
    ...shaped,
    quant: isInteger(dtype) ? quantOf(tensor, where) : null,
    data: bytes === null ? null : elements(raw, bytes, shaped, where),
    source: index,
  };
}

const densify = 'convert without experimental sparsity (Optimize.EXPERIMENTAL_SPARSITY)';

function dtypeOf(tensor: RawTensor, where: string): DType {
  const type = tensorTypes[tensor.type];
  if (type !== undefined && type in dtypes) return type as DType;
  throw new BonsaiError(
    'unsupported-type',
    where,
    `has the element type ${type ?? tensor.type}, which is not supported`,
    'quantise the model fully to int8',
  );
}

function checkShape(shape: Shape, where: string): void {
  const text = `[${shape.join(', ')}]`;
  if (shape.some((extent) => extent < 1)) {
    throw new BonsaiError('bad-shape', where, `has the dynamic or empty shape ${text}`, fixShape);
  }
  if (shape.length > maxRank) {
    const message = `has ${shape.length} dimensions; at most ${maxRank} are possible`;
    throw new BonsaiError('bad-shape', where, message, 'use a model with fewer dimensions');
  }
  if (!Number.isSafeInteger(elementCount(shape))) {
    const message = `has the shape ${text}, beyond any memory`;
    throw new BonsaiError('too-large', where, message, 'use a smaller model');
  }
}

export const fixShape =
  'give the model a fixed input shape before conversion (batch size and image size)';

function quantOf(tensor: RawTensor, where: string): Quant | null {
  const quantization = tensor.quantization;
  if (quantization === null || quantization.scale.length === 0) return null;
  if (quantization.detailsType !== 0) {
    const message = 'is quantised in blocks or by a custom scheme';
    const hint = 'quantise per tensor or per channel';
    throw new BonsaiError('unsupported-attribute', where, message, hint);
  }
  const { scale: scales, zeroPoint, quantizedDimension } = quantization;
  // One zero point for all channels is common; TFLM reads it so too.
  const zeroPoints = zeroPoint.length === 1 ? scales.map(() => zeroPoint[0] ?? 0) : zeroPoint;
  return { scales, zeroPoints, axis: scales.length === 1 ? null : quantizedDimension };
}

function elements(
  raw: RawModel,
  bytes: Uint8Array,
  tensor: Pick<Tensor, 'dtype' | 'shape'>,
  where: string,
): TensorData {
  const count = elementCount(tensor.shape);
  const expected = byteCount(tensor);
  if (bytes.length !== expected) {
    const shape = `${tensor.dtype}[${tensor.shape.join(', ')}]`;
    const message = `${where} has ${bytes.length} bytes of data; ${shape} takes ${expected}`;
    throw corrupt(raw.source, message);
  }
  if (tensor.dtype === 'int4') {
    spend(raw.source, count);
    // The first element is in the low half; shifting up and back extends its sign.
    return Int8Array.from({ length: count }, (_, i) => {
      const pair = bytes[i >> 1] ?? 0;
      return ((i % 2 === 0 ? pair << 28 : pair << 24) | 0) >> 28;
    });
  }
  const type = arrays[tensor.dtype];
  if (bytes.byteOffset % type.BYTES_PER_ELEMENT === 0) {
    return new type(bytes.buffer as ArrayBuffer, bytes.byteOffset, count);
  }
  spend(raw.source, expected);
  return new type(bytes.slice().buffer, 0, count);
}
