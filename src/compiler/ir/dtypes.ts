/** Element types: the one place that has each type's bytes, range, array and name in C. */

/** Elements of a tensor in row-major order. float16 is kept as its bits, bool as 0 and 1. */
export type TensorData =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** What holds for one element type. */
interface DTypeTraits {
  /** Of an element in a file and in memory; two int4 share a byte in files alone. */
  readonly bytes: number;
  /** The least and the greatest integer; null for floats, and for int64, which no double holds. */
  readonly range: readonly [low: number, high: number] | null;
  /** An array for `count` elements, zeroed. */
  allocate(count: number): TensorData;
  /** The type of an element in C (stdint.h); null where no tensor in the arena has this type. */
  readonly ctype: CType | null;
  /** In comments of generated C and in names of kernels: 's8'. */
  readonly short: string;
}

/** Element types as C names them (stdint.h). */
export type CType =
  | 'int8_t'
  | 'uint8_t'
  | 'int16_t'
  | 'uint16_t'
  | 'int32_t'
  | 'uint32_t'
  | 'int64_t'
  | 'float';

export const dtypes = {
  int8: {
    bytes: 1,
    range: [-128, 127],
    allocate: (count) => new Int8Array(count),
    ctype: 'int8_t',
    short: 's8',
  },
  uint8: {
    bytes: 1,
    range: [0, 255],
    allocate: (count) => new Uint8Array(count),
    ctype: 'uint8_t',
    short: 'u8',
  },
  int16: {
    bytes: 2,
    range: [-32768, 32767],
    allocate: (count) => new Int16Array(count),
    ctype: 'int16_t',
    short: 's16',
  },
  int32: {
    bytes: 4,
    range: [-(2 ** 31), 2 ** 31 - 1],
    allocate: (count) => new Int32Array(count),
    ctype: 'int32_t',
    short: 's32',
  },
  int64: {
    bytes: 8,
    range: null,
    allocate: (count) => new BigInt64Array(count),
    ctype: null,
    short: 's64',
  },
  float16: {
    bytes: 2,
    range: null,
    allocate: (count) => new Uint16Array(count),
    ctype: null,
    short: 'f16',
  },
  float32: {
    bytes: 4,
    range: null,
    allocate: (count) => new Float32Array(count),
    ctype: 'float',
    short: 'f32',
  },
  float64: {
    bytes: 8,
    range: null,
    allocate: (count) => new Float64Array(count),
    ctype: null,
    short: 'f64',
  },
  bool: {
    bytes: 1,
    range: [0, 1],
    allocate: (count) => new Uint8Array(count),
    ctype: 'uint8_t',
    short: 'bool',
  },
  int4: {
    bytes: 0.5,
    range: [-8, 7],
    allocate: (count) => new Int8Array(count),
    ctype: null,
    short: 's4',
  },
} as const satisfies Readonly<Record<string, DTypeTraits>>;

export type DType = keyof typeof dtypes;

const floats: ReadonlySet<DType> = new Set(['float16', 'float32', 'float64']);

export function isInteger(dtype: DType): boolean {
  return !floats.has(dtype);
}

/** Types that tensors in the arena can have, and so inputs and outputs of a model. */
export const arenaTypes: readonly DType[] = ['int8', 'uint8', 'int16', 'int32', 'bool', 'float32'];

/** The types of quantized activations: each needs a scale and a zero point. */
export const quantizedTypes: readonly DType[] = ['int4', 'int8', 'uint8', 'int16'];

/** The integers that a type holds. @throws RangeError for floats and int64 */
export function rangeOfType(dtype: DType): readonly [low: number, high: number] {
  const { range } = dtypes[dtype];
  if (range === null) throw new RangeError(`${dtype} has no range of integers`);
  return range;
}

/** An array of the right type for `count` elements of `dtype`, zeroed. */
export function allocate(dtype: DType, count: number): TensorData {
  return dtypes[dtype].allocate(count);
}
