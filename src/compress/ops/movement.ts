/** Operators that move elements, or compute along whole axes. */

import { at, elementCount, type NodeView } from '../../compiler/ir/graph.js';
import type { ArgExtremeAttrs } from '../../compiler/ops/arg_extreme.js';
import type { ConcatenationAttrs } from '../../compiler/ops/concatenation.js';
import type { CumsumAttrs } from '../../compiler/ops/cumsum.js';
import { opOf } from '../../compiler/ops/index.js';
import { leastNorm } from '../../compiler/ops/l2_normalization.js';
import type { MeanAttrs } from '../../compiler/ops/mean.js';
import type { PadAttrs } from '../../compiler/ops/pad.js';
import {
  type Between,
  interpolation,
  type ResizeBilinearAttrs,
  unitOf,
} from '../../compiler/ops/resize_bilinear.js';
import {
  nearestPixels,
  type ResizeNearestNeighborAttrs,
} from '../../compiler/ops/resize_nearest_neighbor.js';
import { linesOf } from '../../compiler/ops/shape/lines.js';
import { eachElement, type Moving } from '../../compiler/ops/shape/movement.js';
import type { ReductionAttrs } from '../../compiler/ops/shape/reduction.js';
import type { SoftmaxAttrs } from '../../compiler/ops/softmax.js';
import type { SplitAttrs } from '../../compiler/ops/split.js';
import type { StridedSliceAttrs } from '../../compiler/ops/strided_slice.js';
import type { TransposeAttrs } from '../../compiler/ops/transpose.js';
import { BonsaiError } from '../../errors.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { activate, operand, type Trace } from './trace.js';
import { select } from './windows.js';

/** reshape, squeeze, expand_dims */
export const sameElements: Trace = (tf, view, inputs) => [
  tf.reshape(operand(inputs, 0), [...(view.outputs[0]?.shape ?? [])]),
];

/** Operators whose results have no slope, or that take integers. */
export const untraced: Trace = (_, view) => {
  throw new BonsaiError(
    'unsupported-operator',
    at(view.node),
    'has no gradient, and is not trained',
    'compress the network before it, or behind it',
  );
};

/** Each sum is a column of a matrix of ones and zeros: TensorFlow.js's own has a wrong gradient. */
export const cumsum: Trace<CumsumAttrs> = (tf, view, inputs) => {
  const { exclusive, reverse } = view.attrs;
  const { blocks, extent: depth, inner } = linesOf(view);
  const isPart = (from: number, to: number) =>
    from === to ? !exclusive : reverse ? from > to : from < to;
  const parts = Float32Array.from({ length: depth * depth }, (_, i) =>
    Number(isPart(Math.floor(i / depth), i % depth)),
  );
  const apart = tf.reshape(operand(inputs, 0), [blocks, depth, inner]);
  const lines = tf.reshape(tf.transpose(apart, [0, 2, 1]), [blocks * inner, depth]);
  const sums = tf.matMul(lines, tf.tensor2d(parts, [depth, depth]));
  const along = tf.transpose(tf.reshape(sums, [blocks, inner, depth]), [0, 2, 1]);
  return [tf.reshape(along, [...(view.outputs[0]?.shape ?? [])])];
};

/** Any movement: elements of the inputs at the places that it moves from, and 0 where it pads. */
export const moved: Trace = (tf, view, inputs) => {
  const { sources, used } = sourcesOf(view);
  const flat = used.map((position) => tf.reshape(operand(inputs, position), [-1]));
  const all = tf.concat([...flat, tf.zeros([1])]);
  return view.outputs.map(({ shape }, position) =>
    tf.reshape(taken(tf, all, sources[position] as Int32Array), [...shape]),
  );
};

/** Elements of a vector. TensorFlow.js's own gradient of `gather` has no kernel in WebAssembly. */
function taken(tf: Tf, all: TfTensor, places: Int32Array): TfTensor {
  const take = tf.customGrad((x) => ({
    value: tf.gather(x as TfTensor, tf.tensor1d(places, 'int32')),
    // An element's gradient is the sum over all places that it was taken to.
    gradFunc: (dy: TfTensor) =>
      tf.scatterND(tf.tensor2d(places, [places.length, 1], 'int32'), dy, [all.size]),
  }));
  return take(all);
}

/** For every element of each output its place in the inputs `used`, in a row; behind them: padding. */
function sourcesOf(view: NodeView<object>) {
  const moves = (opOf(view.node) as Moving).moves(view as NodeView);
  const used = [...new Set(moves.map(({ input }) => input))].sort((a, b) => a - b);
  const counts = used.map((position) => elementCount(view.inputs[position]?.shape ?? []));
  const padding = counts.reduce((a, b) => a + b, 0);
  const sources = view.outputs.map(({ shape }) =>
    new Int32Array(elementCount(shape)).fill(padding),
  );
  const firsts = used.map((_, i) => counts.slice(0, i).reduce((a, b) => a + b, 0));
  for (const move of moves) {
    const first = firsts[used.indexOf(move.input)] as number;
    eachElement(move, (source, target) => {
      (sources[move.output] as Int32Array)[target] = first + source;
    });
  }
  return { sources, used };
}

export const concatenation: Trace<ConcatenationAttrs> = (tf, { attrs }, inputs) => [
  activate(tf, tf.concat(inputs as TfTensor[], attrs.axis), attrs.activation),
];

export const split: Trace<SplitAttrs> = (tf, { attrs, outputs }, inputs) => {
  const x = operand(inputs, 0);
  // TensorFlow.js's gradient of a split fails for a single part.
  if (outputs.length === 1) return [x];
  const sizes = outputs.map(({ shape }) => shape[attrs.axis] ?? 1);
  return tf.split(x, sizes, attrs.axis);
};

export const stridedSlice: Trace<StridedSliceAttrs> = (tf, { attrs, outputs }, inputs) => {
  const { begin, strides, counts } = attrs;
  const x = operand(inputs, 0);
  const taken = counts.reduce<TfTensor>((slice, count, axis) => {
    const [first = 0, stride = 1] = [begin[axis], strides[axis]];
    return select(
      tf,
      slice,
      axis,
      Array.from({ length: count }, (_, i) => first + i * stride),
    );
  }, x);
  return [tf.reshape(taken, [...(outputs[0]?.shape ?? [])])];
};

export const transpose: Trace<TransposeAttrs> = (tf, { attrs }, inputs) => [
  tf.transpose(operand(inputs, 0), [...attrs.perm]),
];

export const pad: Trace<PadAttrs> = (tf, { attrs }, inputs) => {
  const x = operand(inputs, 0);
  const pairs = x.shape.map((_, d): [number, number] => [
    attrs.pads[2 * d] ?? 0,
    attrs.pads[2 * d + 1] ?? 0,
  ]);
  return [tf.pad(x, pairs, attrs.value ?? 0)];
};

export const resizeNearestNeighbor: Trace<ResizeNearestNeighborAttrs> = (tf, view, inputs) => {
  const { rows, columns } = nearestPixels(view);
  return [select(tf, select(tf, operand(inputs, 0), 1, [...rows]), 2, [...columns])];
};

export const mean: Trace<MeanAttrs> = (tf, { attrs }, inputs) => [
  tf.mean(operand(inputs, 0), [...attrs.axes], attrs.keepDims),
];

export const reduceSum: Trace<ReductionAttrs> = (tf, { attrs }, inputs) => [
  tf.sum(operand(inputs, 0), [...attrs.axes], attrs.keepDims),
];

export const reduceMax: Trace<ReductionAttrs> = (tf, { attrs }, inputs) => [
  tf.max(operand(inputs, 0), [...attrs.axes], attrs.keepDims),
];

export const reduceMin: Trace<ReductionAttrs> = (tf, { attrs }, inputs) => [
  tf.neg(tf.max(tf.neg(operand(inputs, 0)), [...attrs.axes], attrs.keepDims)),
];

/** An index has no gradient. */
export const argExtreme: Trace<ArgExtremeAttrs> = (tf, { attrs }, inputs) => {
  const index = tf.customGrad((given) => {
    const x = given as TfTensor;
    const found = attrs.function === 'max' ? tf.argMax(x, attrs.axis) : tf.argMin(x, attrs.axis);
    return { value: tf.cast(found, 'float32'), gradFunc: () => tf.zerosLike(x) };
  });
  return [index(operand(inputs, 0))];
};

export const l2Normalization: Trace = (tf, _, inputs) => {
  const x = operand(inputs, 0);
  const square = tf.sum(tf.square(x), -1, true);
  return [tf.div(x, tf.sqrt(tf.maximum(square, leastNorm ** 2)))];
};

export const resizeBilinear: Trace<ResizeBilinearAttrs> = (tf, view, inputs) => {
  const { rows, columns } = interpolation(view);
  const between = (x: TfTensor, axis: number, points: readonly Between[]) => {
    const near = select(
      tf,
      x,
      axis,
      points.map(({ first }) => first),
    );
    const next = points.map((point) => point.next);
    const shares = tf.reshape(
      tf.tensor1d(points.map(({ share }) => share / unitOf(view))),
      near.shape.map((_, d) => (d === axis ? points.length : 1)),
    );
    return tf.add(near, tf.mul(tf.sub(select(tf, x, axis, next), near), shares));
  };
  return [between(between(operand(inputs, 0), 1, rows), 2, columns)];
};

export const logSoftmax: Trace = (tf, _, inputs) => [tf.logSoftmax(operand(inputs, 0))];

export const softmax: Trace<SoftmaxAttrs> = (tf, { attrs }, inputs) => [
  tf.softmax(tf.mul(operand(inputs, 0), attrs.beta)),
];
