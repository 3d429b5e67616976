/**
 * Which weights of a layer are zero, and in what pattern, counted over all weights.
 *
 * A layer is a matrix with a row for each output channel. A row holds the weights in reading order:
 * tap after tap, and within a tap input channel after input channel. A pattern describes the
 * positions of the stored weights: all nonzero weights, and the zeros that the pattern cannot leave
 * out.
 *
 * - filters, input channels, taps: each is stored whole or not at all
 * - block R×C: each block of R rows by C columns is stored whole or not at all; the blocks tile
 *   the matrix from its first row and column, and a block may cross from one tap into the next
 * - N:M: N of each M consecutive input channels of a tap are stored; M divides the number of
 *   channels, and N ≤ M/2
 * - unstructured: the nonzero weights alone
 * - dense: all weights
 *
 * A description takes 8 bits for each stored weight, and for the positions as many bits as an ideal
 * code: n·H(k/n) bits for k of n parts (H is the binary entropy), log2(M over N) bits for each
 * group of N:M. A layer has the pattern with the shortest description. On a tie the first wins, in
 * the order dense, filters, input channels, taps, blocks from large to small, N:M, unstructured.
 */
import type { NodeView, Tensor } from '../ir/graph.js';
import { channelCount } from '../ops/arithmetic/bounds.js';
import { opOf } from '../ops/index.js';

export interface LayerSparsity {
  /** Number of weights. */
  readonly count: number;
  readonly zeros: number;
  /** 'dense', 'filters', 'input channels', 'taps', 'block 1x4' (R×C), '2:4' (N:M), 'unstructured'. */
  readonly pattern: string;
  /** Weights that the pattern stores. */
  readonly stored: number;
  /** Filters, input channels and taps whose weights are all zero. */
  readonly zeroFilters: number;
  readonly zeroInputChannels: number;
  readonly zeroTaps: number;
  /** Number of different values; zero counts as one if it occurs. */
  readonly distinctValues: number;
  /** Width of an unsigned integer for every value from the least to the greatest. */
  readonly valueBits: number;
}

/** The sparsity of an int8 convolution or fully connected layer; null for any other node. */
export function sparsityOf(view: NodeView<object>): LayerSparsity | null {
  const matrix = matrixOf(view);
  if (matrix === null) return null;
  const { data } = matrix;
  const whole = wholeParts(matrix);
  const dense = { name: 'dense', stored: data.length, bits: 8 * data.length };
  const candidates = [
    dense,
    ...whole,
    ...blockSides.map(([rows, columns]) => blocks(matrix, rows, columns)),
    ...groupSizes.flatMap((size) => groups(matrix, size)),
    partsOf('unstructured', matrix, data.length, (row, column) => row * matrix.depth + column),
  ];
  const { name, stored } = candidates.reduce((best, one) => (one.bits < best.bits ? one : best));
  const [zeroFilters = 0, zeroInputChannels = 0, zeroTaps = 0] = whole.map((part) => part.empty);
  const values = new Set(data);
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  return {
    count: data.length,
    zeros: zerosIn(data),
    pattern: name,
    stored,
    zeroFilters,
    zeroInputChannels,
    zeroTaps,
    distinctValues: values.size,
    valueBits: Math.ceil(Math.log2(greatest - least + 1)),
  };
}

/** Share of zeros among the elements of a constant; 0 for null. */
export function zeroShare(constant: Tensor | null): number {
  const data = constant?.data ?? [];
  return data.length === 0 ? 0 : zerosIn(data) / data.length;
}

function zerosIn(data: ArrayLike<number | bigint>): number {
  let zeros = 0;
  for (let i = 0; i < data.length; i += 1) if (Number(data[i]) === 0) zeros += 1;
  return zeros;
}

/** Large to small. */
const blockSides = [
  [4, 4],
  [1, 8],
  [4, 1],
  [1, 4],
] as const;
const groupSizes = [2, 4, 8, 16];

interface Matrix {
  /** int8[rows][depth]. */
  readonly data: Int8Array;
  readonly rows: number;
  readonly depth: number;
  /** Weights of one tap in a row: the input channels that it reads. */
  readonly perTap: number;
  /** Channels of the input tensor. */
  readonly inputChannels: number;
  /** The rows are divided into this many groups, each with its own `perTap` input channels. */
  readonly groups: number;
}

function matrixOf(view: NodeView<object>): Matrix | null {
  const { absorbs, filters } = opOf(view.node);
  const [input, weights] = view.inputs;
  if (!absorbs?.zeroPoint || input == null || !(weights?.data instanceof Int8Array)) {
    return null;
  }
  const { shape, data } = weights;
  const inputChannels = channelCount(input);
  const last = shape.at(-1) ?? 1;
  if (filters === 'last') {
    const depth = data.length / last;
    const rows = data.map((_, i) => data[(i % depth) * last + Math.floor(i / depth)] as number);
    const groups = inputChannels;
    return { data: rows, rows: last, depth, perTap: 1, inputChannels, groups };
  }
  const rows = shape[0] ?? 1;
  const depth = data.length / rows;
  if (shape.length > 2) {
    return { data, rows, depth, perTap: last, inputChannels, groups: inputChannels / last };
  }
  // A fully connected layer that reads whole pixels has one tap for each pixel.
  const perTap = depth % inputChannels === 0 ? inputChannels : depth;
  return { data, rows, depth, perTap, inputChannels: perTap, groups: 1 };
}

interface Candidate {
  readonly name: string;
  readonly stored: number;
  readonly bits: number;
}

/** A pattern whose parts are stored whole or not at all; `empty` counts those not stored. */
interface PartPattern extends Candidate {
  readonly empty: number;
}

function partsOf(
  name: string,
  { data, rows, depth }: Matrix,
  count: number,
  partOf: (row: number, column: number) => number,
): PartPattern {
  const sizes = new Uint32Array(count);
  const isStored = new Uint8Array(count);
  for (let row = 0, i = 0; row < rows; row += 1) {
    for (let column = 0; column < depth; column += 1, i += 1) {
      const part = partOf(row, column);
      sizes[part] = (sizes[part] as number) + 1;
      if (data[i] !== 0) isStored[part] = 1;
    }
  }
  const stored = sizes.reduce((sum, size, part) => sum + size * (isStored[part] as number), 0);
  const kept = isStored.reduce((sum, one) => sum + one, 0);
  return { name, stored, bits: 8 * stored + count * entropy(kept / count), empty: count - kept };
}

/** Binary entropy in bits, for probabilities p and 1 − p. */
function entropy(p: number): number {
  return p === 0 || p === 1 ? 0 : -p * Math.log2(p) - (1 - p) * Math.log2(1 - p);
}

/** Filters, input channels, taps. */
function wholeParts(matrix: Matrix): readonly PartPattern[] {
  const { rows, depth, perTap, inputChannels, groups } = matrix;
  const inputChannel = (row: number, column: number) =>
    Math.floor((row * groups) / rows) * perTap + (column % perTap);
  return [
    partsOf('filters', matrix, rows, (row) => row),
    partsOf('input channels', matrix, inputChannels, inputChannel),
    partsOf('taps', matrix, depth / perTap, (_, column) => Math.floor(column / perTap)),
  ];
}

function blocks(matrix: Matrix, rows: number, columns: number): PartPattern {
  const across = Math.ceil(matrix.depth / columns);
  const count = Math.ceil(matrix.rows / rows) * across;
  return partsOf(
    `block ${rows}x${columns}`,
    matrix,
    count,
    (row, column) => Math.floor(row / rows) * across + Math.floor(column / columns),
  );
}

/** N:M with the N of the fullest group. */
function groups({ data, perTap }: Matrix, size: number): readonly Candidate[] {
  if (perTap % size !== 0) return [];
  let most = 1;
  for (let first = 0; first < data.length; first += size) {
    let stored = 0;
    for (let i = first; i < first + size; i += 1) if (data[i] !== 0) stored += 1;
    most = Math.max(most, stored);
  }
  if (most > size / 2) return [];
  const count = data.length / size;
  const bits = count * (8 * most + Math.log2(binomial(size, most)));
  return [{ name: `${most}:${size}`, stored: count * most, bits }];
}

function binomial(n: number, k: number): number {
  let ways = 1;
  for (let i = 1; i <= k; i += 1) ways = (ways * (n - k + i)) / i;
  return ways;
}
