/** Weights [outputs, depth]; the input is read as rows of `depth`. */
import type { FullyConnectedAttrs } from '../../compiler/ops/fully_connected.js';
import { activate, operand, type Trace } from './trace.js';

export const fullyConnected: Trace<FullyConnectedAttrs> = (tf, view, inputs) => {
  const weights = operand(inputs, 1);
  const depth = weights.shape[1] ?? 1;
  const rows = tf.reshape(operand(inputs, 0), [-1, depth]);
  const sum = tf.matMul(rows, weights, false, true);
  const bias = inputs[2] ?? null;
  const output = tf.reshape(bias === null ? sum : tf.add(sum, bias), [
    ...(view.outputs[0]?.shape ?? []),
  ]);
  return [activate(tf, output, view.attrs.activation)];
};
