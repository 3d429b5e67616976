/** A convolution of the image with zeros between its pixels, by the taps from last to first. */
import { type TransposedAxis, transposedAxes } from '../../compiler/ops/shape/phases.js';
import type { TransposeConvAttrs } from '../../compiler/ops/transpose_conv.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { activate, operand, type Trace } from './trace.js';
import { spread } from './windows.js';

export const transposeConv: Trace<TransposeConvAttrs> = (tf, view, inputs) => {
  const [rows, columns] = transposedAxes(view);
  const image = between(tf, between(tf, operand(inputs, 0), 1, rows), 2, columns);
  const filters = tf.reverse(tf.transpose(operand(inputs, 1), [1, 2, 3, 0]), [0, 1]);
  const sum = tf.conv2d(image as never, filters as never, 1, 'valid');
  const bias = inputs[2] ?? null;
  return [activate(tf, bias === null ? sum : tf.add(sum, bias), view.attrs.activation)];
};

/** Input i lies where the last tap of output i · stride − pad reads. */
function between(
  tf: Tf,
  x: TfTensor,
  axis: number,
  { input, kernel, stride, pad, output }: TransposedAxis,
): TfTensor {
  const places = Array.from({ length: input }, (_, i) => kernel - 1 - pad + i * stride);
  return spread(tf, x, axis, places, output + kernel - 1);
}
