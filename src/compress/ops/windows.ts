/** Padding of convolutions and pools, as TensorFlow.js can differentiate it. */
import { elementCount } from '../../compiler/ir/graph.js';
import { type Pads, samePadding, type Window } from '../../compiler/ops/shape/window.js';
import type { Tf, TfTensor } from '../tensorflow.js';

export interface Padded {
  readonly x: TfTensor;
  readonly pad: 'same' | 'valid';
}

/**
 * TensorFlow.js has gradients for 'same' and 'valid' padding alone; any other padding is added to
 * the input as `value`.
 */
export function padded(
  tf: Tf,
  x: TfTensor,
  kernelH: number,
  kernelW: number,
  window: Window,
  value = 0,
): Padded {
  const { padTop, padBottom, padLeft, padRight } = window;
  if (padTop + padBottom + padLeft + padRight === 0) return { x, pad: 'valid' };
  if (isSame(x.shape, kernelH, kernelW, window)) return { x, pad: 'same' };
  return { x: padImage(tf, x, window, value), pad: 'valid' };
}

export function padImage(tf: Tf, x: TfTensor, pads: Pads, value: number): TfTensor {
  const { padTop, padBottom, padLeft, padRight } = pads;
  return tf.pad(
    x,
    [
      [0, 0],
      [padTop, padBottom],
      [padLeft, padRight],
      [0, 0],
    ],
    value,
  );
}

function isSame(input: readonly number[], kernelH: number, kernelW: number, w: Window): boolean {
  const [, inH = 0, inW = 0] = input;
  const rows = samePadding(inH, kernelH, w.strideH, w.dilationH);
  const columns = samePadding(inW, kernelW, w.strideW, w.dilationW);
  const needed = [...rows, ...columns];
  return [w.padTop, w.padBottom, w.padLeft, w.padRight].every((pad, side) => pad === needed[side]);
}

/**
 * The input under tap (ky, kx) for every output pixel, of an input with its padding:
 * [n, outH, outW, channels].
 */
export function underTap(
  tf: Tf,
  x: TfTensor,
  [ky, kx]: readonly [number, number],
  [outH, outW]: readonly [number, number],
  w: Window,
): TfTensor {
  const every = (count: number, first: number, stride: number) =>
    Array.from({ length: count }, (_, i) => first + i * stride);
  const rows = select(tf, x, 1, every(outH, ky * w.dilationH, w.strideH));
  return select(tf, rows, 2, every(outW, kx * w.dilationW, w.strideW));
}

/**
 * The elements at `indices` along `axis`. A product with a matrix of zeros and ones where they are
 * not neighbours: TensorFlow.js has no gradient of a gather or a strided slice on every backend.
 */
export function select(tf: Tf, x: TfTensor, axis: number, indices: readonly number[]): TfTensor {
  const { shape } = x;
  const extent = shape[axis] ?? 1;
  const [first = 0] = indices;
  const isRun = indices.every((index, i) => index === first + i);
  if (isRun && indices.length === extent) return x;
  if (isRun) {
    return tf.slice(
      x,
      shape.map((_, d) => (d === axis ? first : 0)),
      [...shape.slice(0, axis), indices.length, ...shape.slice(axis + 1)],
    );
  }
  const pairs = indices.map((index, row) => [row, index] as const);
  return moved(tf, x, axis, pairs, indices.length);
}

/** Each element along `axis` moves to its place in `places` among `extent` ones; others are 0. */
export function spread(
  tf: Tf,
  x: TfTensor,
  axis: number,
  places: readonly number[],
  extent: number,
): TfTensor {
  const pairs = places.map((place, index) => [place, index] as const);
  const inside = pairs.filter(([place]) => place >= 0 && place < extent);
  return moved(tf, x, axis, inside, extent);
}

/** A product with the matrix that has a 1 at each of `pairs`. */
function moved(
  tf: Tf,
  x: TfTensor,
  axis: number,
  pairs: readonly (readonly [row: number, column: number])[],
  rows: number,
): TfTensor {
  const { shape } = x;
  const extent = shape[axis] ?? 1;
  const outer = elementCount(shape.slice(0, axis));
  const flat = tf.reshape(x, [outer, extent, elementCount(shape.slice(axis + 1))]);
  const choice = new Float32Array(rows * extent);
  for (const [row, column] of pairs) choice[row * extent + column] = 1;
  const matrix = tf.tensor3d(choice, [1, rows, extent]);
  const product = tf.matMul(tf.tile(matrix, [outer, 1, 1]), flat);
  return tf.reshape(product, [...shape.slice(0, axis), rows, ...shape.slice(axis + 1)]);
}
