/**
 * NumPy's .npy: a magic number, a Python dictionary as text, the elements (NumPy's NEP 1, 'A Simple
 * File Format for NumPy Arrays'). npyjs, the package for it, brings a client for HTTP that warns on
 * newer releases of Node; the format is simpler than that.
 */
import { floatOfHalf } from '../../compiler/formats/half.js';
import { elementCount, type Shape } from '../../compiler/ir/graph.js';
import { printableLine } from '../../printable.js';
import { badData } from './dataset.js';
import { maxElements } from './samples.js';

export interface NpyArray {
  /** NumPy's type without its byte order: 'f4', 'u1' … */
  readonly type: string;
  readonly shape: Shape;
  /** Its elements in row-major order, read and unpacked when they are wanted. @throws BonsaiError 'bad-data' */
  data(): ArrayLike<number>;
}

/** A file, of which the header alone is read until its elements are wanted. */
export interface NpySource {
  readonly where: string;
  readonly bytes: number;
  /** The first bytes, at least as many where the file has them. */
  start(bytes: number): Uint8Array;
  whole(): Uint8Array;
}

/** An array of numbers has about 100 bytes of text; types with names may have any number. */
const headerBytes = 4096;

const arrays = {
  b1: Uint8Array,
  f2: Uint16Array,
  f4: Float32Array,
  f8: Float64Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
} as const;

const saveAgain = "save it again: np.save(file, x.astype('float32'))";

/** @throws BonsaiError 'bad-data' for anything but a whole array of numbers */
export function readNpy(source: NpySource): NpyArray {
  const { where } = source;
  const { text, dataAt } = headerOf(source);
  const descr = /'descr': *'([<>|=]?)([a-zA-Z]\d*)'/.exec(text);
  const order = /'fortran_order': *(True|False)/.exec(text)?.[1];
  const extents = /'shape': *\(([\d, ]*)\)/.exec(text)?.[1];
  if (descr === null || order === undefined || extents === undefined) {
    throw badData(where, `has the header ${printableLine(text)}`, saveAgain);
  }
  const [, byteOrder = '', type = ''] = descr;
  const Type = arrays[type as keyof typeof arrays];
  if (Type === undefined || byteOrder === '>') {
    const message = `holds elements of the type ${byteOrder}${type}, which is not supported`;
    throw badData(where, message, saveAgain);
  }
  const shape = extents.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  const count = elementCount(shape);
  if (count > maxElements) {
    const message = `declares ${count} elements; at most ${maxElements} are possible`;
    throw badData(where, message, 'give fewer samples');
  }
  const stored = source.bytes - dataAt;
  const needed = count * Type.BYTES_PER_ELEMENT;
  if (stored !== needed) {
    const message = `has ${stored} bytes of data; [${shape.join(', ')}] of ${type} take ${needed}`;
    throw badData(where, message, stored < needed ? 'the file is cut off' : saveAgain);
  }
  return {
    ...{ type, shape },
    data() {
      // A copy, so that elements are aligned; slice() of Node's buffers makes none.
      const raw = new Type(new Uint8Array(source.whole().subarray(dataAt)).buffer);
      const numbers = numbersOf(raw, type);
      return order === 'True' ? rowMajor(numbers, shape) : numbers;
    },
  };
}

function headerOf({ where, bytes, start }: NpySource): { text: string; dataAt: number } {
  const first = start(headerBytes + 12);
  const magic = '\x93NUMPY';
  if (Buffer.from(first.subarray(0, 6)).toString('latin1') !== magic) {
    throw badData(where, 'is not a .npy file: its magic number is missing', saveAgain);
  }
  const view = new DataView(first.buffer, first.byteOffset, first.byteLength);
  const isOld = first[6] === 1;
  const textAt = isOld ? 10 : 12;
  if (first.length < textAt) throw badData(where, 'ends in its header', 'the file is cut off');
  const length = isOld ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataAt = textAt + length;
  if (dataAt > bytes) throw badData(where, 'ends in its header', 'the file is cut off');
  const text = Buffer.from(first.subarray(textAt, Math.min(dataAt, textAt + headerBytes)));
  return { text: text.toString('latin1').trim(), dataAt };
}

function numbersOf(raw: ArrayLike<number | bigint>, type: string): ArrayLike<number> {
  if (type === 'f2') return Float32Array.from(raw as ArrayLike<number>, floatOfHalf);
  if (type === 'i8' || type === 'u8') return Float64Array.from(raw as ArrayLike<bigint>, Number);
  return raw as ArrayLike<number>;
}

/** Elements whose first index runs fastest, in the order in which the last one does. */
function rowMajor(data: ArrayLike<number>, shape: Shape): Float64Array {
  const strides = shape.map((_, d) => elementCount(shape.slice(0, d)));
  const index = shape.map(() => 0);
  const ordered = new Float64Array(data.length);
  let from = 0;
  for (let to = 0; to < data.length; to += 1) {
    ordered[to] = data[from] as number;
    for (let d = shape.length - 1; d >= 0; d -= 1) {
      index[d] = (index[d] as number) + 1;
      from += strides[d] as number;
      if ((index[d] as number) < (shape[d] as number)) break;
      from -= (strides[d] as number) * (shape[d] as number);
      index[d] = 0;
    }
  }
  return ordered;
}
