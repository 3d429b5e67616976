/** Functions of one element, or of two operands that broadcast. */
import type { Tensor } from '../../ir/graph.js';
import type { BinaryAttrs } from '../../ops/arithmetic/arithmetic.js';
import type { BatchMatmulAttrs } from '../../ops/batch_matmul.js';
import type { CompareAttrs, Relation } from '../../ops/compare.js';
import type { GeluAttrs } from '../../ops/gelu.js';
import type { LeakyReluAttrs } from '../../ops/leaky_relu.js';
import type { LogicalAttrs } from '../../ops/logical.js';
import type { RealFunctionAttrs } from '../../ops/real_function.js';
import { broadcasting, type SelectAttrs } from '../../ops/select.js';
import { broadcastShapes } from '../../ops/shape/broadcast.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { activate, operand, type Trace } from './trace.js';

const unary =
  (f: (tf: Tf, x: TfTensor) => TfTensor): Trace =>
  (tf, _, inputs) => [f(tf, operand(inputs, 0))];

const binary =
  (f: (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor): Trace<BinaryAttrs> =>
  (tf, { attrs }, inputs) => [
    activate(tf, f(tf, operand(inputs, 0), operand(inputs, 1)), attrs.activation),
  ];

export const add = binary((tf, a, b) => tf.add(a, b));
export const sub = binary((tf, a, b) => tf.sub(a, b));
export const mul = binary((tf, a, b) => tf.mul(a, b));

export const div = binary((tf, a, b) => tf.div(a, b));
export const squaredDifference = binary((tf, a, b) => tf.square(tf.sub(a, b)));

export const batchMatmul: Trace<BatchMatmulAttrs> = (tf, { attrs }, inputs) => {
  const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
  // TensorFlow.js has no gradient where matMul broadcasts, and has one of broadcastTo.
  const batches = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), 'batch_matmul');
  const all = (x: TfTensor) => tf.broadcastTo(x, [...batches, ...x.shape.slice(-2)]);
  return [tf.matMul(all(a), all(b), attrs.transposeA, attrs.transposeB)];
};

// TensorFlow.js's own gradients of maximum and minimum have the wrong shape where one broadcasts.
export const maximum = binary((tf, a, b) => tf.add(a, tf.relu(tf.sub(b, a))));
export const minimum = binary((tf, a, b) => tf.sub(a, tf.relu(tf.sub(a, b))));
export const prelu = binary((tf, a, b) => tf.sub(tf.relu(a), tf.mul(tf.relu(tf.neg(a)), b)));

export const relu = unary((tf, x) => tf.relu(x));
export const relu6 = unary((tf, x) => tf.clipByValue(x, 0, 6));
export const reluN1To1 = unary((tf, x) => tf.clipByValue(x, -1, 1));
export const logistic = unary((tf, x) => tf.sigmoid(x));
export const tanh = unary((tf, x) => tf.tanh(x));
export const hardSwish = unary((tf, x) => tf.mul(x, tf.div(tf.clipByValue(tf.add(x, 3), 0, 6), 6)));
export const relu0To1 = unary((tf, x) => tf.clipByValue(x, 0, 1));
export const abs = unary((tf, x) => tf.abs(x));
export const neg = unary((tf, x) => tf.neg(x));
export const elu = unary((tf, x) => tf.elu(x));
export const exp = unary((tf, x) => tf.exp(x));
/** Where these functions have no value, integer kernels give the last of their range. */
const positive = (tf: Tf, x: TfTensor) => tf.maximum(x, 2 ** -100);
export const sqrt = unary((tf, x) => tf.sqrt(positive(tf, x)));
export const log = unary((tf, x) => tf.log(positive(tf, x)));
export const rsqrt = unary((tf, x) => tf.rsqrt(positive(tf, x)));

export const addN: Trace = (tf, _, inputs) => [tf.addN(inputs.flatMap((x) => x ?? []))];
export const pow = binary((tf, a, b) => tf.pow(a, b));
export const floorDiv = binary((tf, a, b) => tf.floor(tf.div(a, b)));
export const floorMod = binary((tf, a, b) => tf.mod(a, b));

/** Truth is 1 and 0, and has no gradient: step(x) is 1 where x > 0. */
const relations: Readonly<Record<Relation, (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor>> = {
  greater: (tf, a, b) => tf.step(tf.sub(a, b)),
  less: (tf, a, b) => tf.step(tf.sub(b, a)),
  greater_equal: (tf, a, b) => tf.sub(1, relations.less(tf, a, b)),
  less_equal: (tf, a, b) => tf.sub(1, relations.greater(tf, a, b)),
  not_equal: (tf, a, b) => tf.add(relations.greater(tf, a, b), relations.less(tf, a, b)),
  equal: (tf, a, b) => tf.sub(1, relations.not_equal(tf, a, b)),
};

export const compare: Trace<CompareAttrs> = (tf, { attrs }, inputs) => [
  relations[attrs.relation](tf, operand(inputs, 0), operand(inputs, 1)),
];
export const logical: Trace<LogicalAttrs> = (tf, { attrs }, inputs) => {
  const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
  return [attrs.function === 'and' ? tf.mul(a, b) : tf.maximum(a, b)];
};
export const logicalNot = unary((tf, x) => tf.sub(1, x));
export const cast = unary((_, x) => x);
export const select: Trace<SelectAttrs> = (tf, view, inputs) => {
  const { shape } = broadcasting(view).inputs[0] as Tensor;
  const chosen = tf.reshape(operand(inputs, 0), [...shape]);
  const [x, y] = [operand(inputs, 1), operand(inputs, 2)];
  return [tf.add(tf.mul(chosen, x), tf.mul(tf.sub(1, chosen), y))];
};

export const realFunction: Trace<RealFunctionAttrs> = (tf, { attrs }, inputs) => [
  tf[attrs.function](operand(inputs, 0)),
];

export const gelu: Trace<GeluAttrs> = (tf, { attrs }, inputs) => {
  const x = operand(inputs, 0);
  const gate = attrs.approximate
    ? tf.tanh(tf.mul(tf.add(x, tf.mul(tf.pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI)))
    : tf.erf(tf.mul(x, Math.SQRT1_2));
  return [tf.mul(tf.mul(x, 0.5), tf.add(gate, 1))];
};

/** Between quantized tensors it changes the scale alone. */
export const quantize = unary((_, x) => x);
export const dequantize = quantize;

export const leakyRelu: Trace<LeakyReluAttrs> = (tf, { attrs }, inputs) => {
  const x = operand(inputs, 0);
  // relu(x) − alpha · relu(−x): TensorFlow.js's own has no gradient on every backend.
  return [tf.sub(tf.relu(x), tf.mul(tf.relu(tf.neg(x)), attrs.alpha))];
};
