/** Tensors of a .tflite file → tensors of the IR. */
import { BonsaiError } from '../../../errors.js';
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

/**
 * The largest activation in bytes: more fits no target, and a hostile file could exhaust the host.
 */
const maxTensorBytes = 2 ** 26;
const maxRank = 8;

/** Array types of the views into the file; float16 is read as its bits, int4 is unpacked. */
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
    const message = 'is stored in sparse form, which is not supported';
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
    quant: isInteger(dtype) ? quantOf(raw, tensor, dtype, where) : null,
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
    'quantize the model fully to int8',
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

const fixShape = 'give the model a fixed input shape before conversion (batch size and image size)';

/** Types of activations and weights, which need scale and zero point; not biases, shapes, axes. */
const quantized: ReadonlySet<DType> = new Set(['int4', 'int8', 'uint8', 'int16']);

function quantOf(raw: RawModel, tensor: RawTensor, dtype: DType, where: string): Quant | null {
  const quantization = tensor.quantization;
  if (quantization === null || quantization.scale.length === 0) return null;
  if (!quantized.has(dtype)) return unreadQuant(raw, tensor, quantization, where);
  if (quantization.detailsType !== 0) {
    const message = 'is quantized in blocks or by a custom scheme';
    const hint = 'quantize per tensor or per channel';
    throw new BonsaiError('unsupported-attribute', where, message, hint);
  }
  const { scale: scales, zeroPoint, quantizedDimension } = quantization;
  // One zero point for all channels is common, and TFLM accepts it too.
  const zeroPoints = zeroPoint.length === 1 ? scales.map(() => zeroPoint[0] ?? 0) : zeroPoint;
  return { scales, zeroPoints, axis: scales.length === 1 ? null : quantizedDimension };
}

type Quantization = NonNullable<RawTensor['quantization']>;

/** Quantization that no runtime reads; kept where it is valid, since the file is written back. */
function unreadQuant(
  raw: RawModel,
  { shape }: RawTensor,
  { scale: scales, zeroPoint, quantizedDimension, detailsType }: Quantization,
  where: string,
): Quant | null {
  const ignore = (message: string) =>
    raw.ignore(new BonsaiError('bad-quantization', where, message, 'quantize the model again'));
  const isValid = (scale: number) => scale > 0 && Number.isFinite(scale);
  const zeroPoints = scales.map(() => 0);
  if (detailsType !== 0 || !scales.every(isValid) || zeroPoint.some((value) => value !== 0)) {
    ignore('has invalid quantization');
    return null;
  }
  if (scales.length === 1) return { scales, zeroPoints, axis: null };
  if (shape[quantizedDimension] === scales.length) {
    return { scales, zeroPoints, axis: quantizedDimension };
  }
  ignore(`has ${scales.length} scales along dimension ${quantizedDimension} of [${shape}]`);
  return shape.length === 1 && shape[0] === scales.length ? { scales, zeroPoints, axis: 0 } : null;
}

/** Weights as the runtimes read them: those of int4 each in an int8. */
export function unpacked(_: RawModel, tensor: Tensor): Tensor {
  return tensor.dtype === 'int4' ? { ...tensor, dtype: 'int8' } : tensor;
}

/** Those of a convolution, whose zero points the runtimes do not read. */
export function asWeights(raw: RawModel, tensor: Tensor): Tensor {
  const { quant, name, source } = tensor;
  if (quant === null || quant.zeroPoints.every((zeroPoint) => zeroPoint === 0)) return tensor;
  const message = 'has zero points other than 0, and is the weights of a convolution';
  const where = `tensor ${source} "${name}"`;
  raw.ignore(new BonsaiError('bad-quantization', where, message, 'quantize the model again'));
  return { ...tensor, quant: { ...quant, zeroPoints: quant.zeroPoints.map(() => 0) } };
}

/** A bias as the runtimes read it: a vector, whatever its shape. */
export function asBias(_: RawModel, tensor: Tensor): Tensor {
  const { shape, quant } = tensor;
  if (shape.length === 1 || tensor.data === null) return tensor;
  const flat = { ...tensor, shape: [elementCount(shape)] };
  return quant?.axis == null ? flat : { ...flat, quant: { ...quant, axis: 0 } };
}

function elements(
  raw: RawModel,
  stored: Uint8Array,
  tensor: Pick<Tensor, 'dtype' | 'shape'>,
  where: string,
): TensorData {
  const count = elementCount(tensor.shape);
  const expected = byteCount(tensor);
  if (stored.length !== expected) {
    const shape = `${tensor.dtype}[${tensor.shape.join(', ')}]`;
    const message = `has ${stored.length} bytes of data; ${shape} takes ${expected}`;
    const error = corrupt(raw.source, `${where} ${message}`);
    if (stored.length < expected) throw error;
    raw.ignore(new BonsaiError(error.code, where, message, error.hint));
  }
  const bytes = stored.subarray(0, expected);
  if (tensor.dtype === 'int4') {
    spend(raw.source, count);
    // The first element is in the low nibble; shifting up and back extends its sign.
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
  // Not slice(), which is another view where the file is a Buffer.
  return new type(Uint8Array.from(bytes).buffer, 0, count);
}

/**
 * Computed indices of int64 as int32. Only those beyond 2^31, which are outside any tensor, differ:
 * CAST saturates.
 */
export function asIndices(_: RawModel, tensor: Tensor): Tensor {
  const isWide = tensor.dtype === 'int64' && tensor.data === null;
  return isWide ? { ...tensor, dtype: 'int32' } : tensor;
}
