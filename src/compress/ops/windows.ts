/** Padding of convolutions and pools, as TensorFlow.js can differentiate it. */
import { elementCount } from '../../ir/graph.js';
import { type Pads, samePadding, type Window } from '../../ops/shape/window.js';
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
  const selected = [...shape.slice(0, axis), indices.length, ...shape.slice(axis + 1)];
  if (isRun && indices.length === extent) return x;
  if (isRun) {
    return tf.slice(
      x,
      shape.map((_, d) => (d === axis ? first : 0)),
      selected,
    );
  }
  const outer = elementCount(shape.slice(0, axis));
  const flat = tf.reshape(x, [outer, extent, elementCount(shape.slice(axis + 1))]);
  const choice = new Float32Array(indices.length * extent);
  indices.forEach((index, row) => {
    choice[row * extent + index] = 1;
  });
  const matrix = tf.tensor3d(choice, [1, indices.length, extent]);
  return tf.reshape(tf.matMul(tf.tile(matrix, [outer, 1, 1]), flat), selected);
}
