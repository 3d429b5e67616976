/** Operators that move elements, or reduce whole axes. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import type { ConcatenationAttrs } from '../../ops/concatenation.js';
import { opOf } from '../../ops/index.js';
import type { MeanAttrs } from '../../ops/mean.js';
import type { PadAttrs } from '../../ops/pad.js';
import {
  nearestPixels,
  type ResizeNearestNeighborAttrs,
} from '../../ops/resize_nearest_neighbor.js';
import { eachElement, type Moving } from '../../ops/shape/movement.js';
import type { SoftmaxAttrs } from '../../ops/softmax.js';
import type { SplitAttrs } from '../../ops/split.js';
import type { StridedSliceAttrs } from '../../ops/strided_slice.js';
import type { TransposeAttrs } from '../../ops/transpose.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { activate, operand, type Trace } from './trace.js';
import { select } from './windows.js';

/** reshape, squeeze, expand_dims */
export const sameElements: Trace = (tf, view, inputs) => [
  tf.reshape(operand(inputs, 0), [...(view.outputs[0]?.shape ?? [])]),
];

/** Any movement without padding: elements of the inputs at the places that it moves from. */
export const moved: Trace = (tf, view, inputs) => {
  const sources = sourcesOf(view);
  const all = tf.concat(inputs.map((x) => tf.reshape(x as TfTensor, [-1])));
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

/** For every element of each output its place among the elements of all inputs, one after another. */
function sourcesOf(view: NodeView<object>): readonly Int32Array[] {
  const sources = view.outputs.map(({ shape }) => new Int32Array(elementCount(shape)));
  const firsts: number[] = [];
  let count = 0;
  for (const input of view.inputs) {
    firsts.push(count);
    count += elementCount(input?.shape ?? []);
  }
  for (const move of (opOf(view.node) as Moving).moves(view as NodeView)) {
    const first = firsts[move.input] as number;
    eachElement(move, (source, target) => {
      (sources[move.output] as Int32Array)[target] = first + source;
    });
  }
  return sources;
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

export const softmax: Trace<SoftmaxAttrs> = (tf, { attrs }, inputs) => [
  tf.softmax(tf.mul(operand(inputs, 0), attrs.beta)),
];
