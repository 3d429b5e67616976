/** Element-wise operators, and products of matrices. */
import type { Tensor } from '../../compiler/ir/graph.js';
import type { BinaryAttrs } from '../../compiler/ops/arithmetic/arithmetic.js';
import type { BatchMatmulAttrs } from '../../compiler/ops/batch_matmul.js';
import { scalars } from '../../compiler/ops/scalar.js';
import { broadcasting, type SelectAttrs } from '../../compiler/ops/select.js';
import { broadcastShapes } from '../../compiler/ops/shape/broadcast.js';
import type { TfTensor } from '../tensorflow.js';
import { traced } from './expression.js';
import { activate, operand, type Trace } from './trace.js';

/** Of operators that are expressions (ops/scalar.ts). */
export const scalarTraces: Readonly<Record<string, Trace>> = Object.fromEntries(
  [...scalars].map(([name, { functionOf, isPair }]): [string, Trace] => [
    name,
    (tf, { attrs }, inputs) => {
      const elements = { x: operand(inputs, 0), ...(isPair ? { y: operand(inputs, 1) } : {}) };
      const { activation = 'none' } = attrs as Partial<BinaryAttrs>;
      return [activate(tf, traced(tf, functionOf(attrs).f, elements), activation)];
    },
  ]),
);

export const batchMatmul: Trace<BatchMatmulAttrs> = (tf, { attrs }, inputs) => {
  const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
  // TensorFlow.js has no gradient where matMul broadcasts, and has one of broadcastTo.
  const batches = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), 'batch_matmul');
  const all = (x: TfTensor) => tf.broadcastTo(x, [...batches, ...x.shape.slice(-2)]);
  return [tf.matMul(all(a), all(b), attrs.transposeA, attrs.transposeB)];
};

export const addN: Trace = (tf, _, inputs) => [tf.addN(inputs.flatMap((x) => x ?? []))];

export const select: Trace<SelectAttrs> = (tf, view, inputs) => {
  const { shape } = broadcasting(view).inputs[0] as Tensor;
  const chosen = tf.reshape(operand(inputs, 0), [...shape]);
  const [x, y] = [operand(inputs, 1), operand(inputs, 2)];
  return [tf.add(tf.mul(chosen, x), tf.mul(tf.sub(1, chosen), y))];
};

/** Another type, or another scale, of the same values. */
export const same: Trace = (_, __, inputs) => [operand(inputs, 0)];
