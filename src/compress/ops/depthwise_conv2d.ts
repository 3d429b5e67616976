/** Filters [1, height, width, channels · multiplier]: output channel c · multiplier + m reads c. */
import type { DepthwiseConv2dAttrs } from '../../compiler/ops/depthwise_conv2d.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { activate, operand, type Trace } from './trace.js';
import { padded, padImage, underTap } from './windows.js';

export const depthwiseConv2d: Trace<DepthwiseConv2dAttrs> = (tf, view, inputs) => {
  const { attrs } = view;
  const x = operand(inputs, 0);
  const filters = operand(inputs, 1);
  const isPlain = attrs.dilationH === 1 && attrs.dilationW === 1;
  // TensorFlow.js computes windows with equal strides alone.
  const sum =
    isPlain && attrs.strideH === attrs.strideW
      ? whole(tf, x, filters, attrs)
      : tapByTap(tf, x, filters, attrs, view.outputs[0]?.shape ?? []);
  const bias = inputs[2] ?? null;
  return [activate(tf, bias === null ? sum : tf.add(sum, bias), attrs.activation)];
};

function whole(tf: Tf, x: TfTensor, filters: TfTensor, attrs: DepthwiseConv2dAttrs): TfTensor {
  const [, kernelH = 1, kernelW = 1] = filters.shape;
  const { x: image, pad } = padded(tf, x, kernelH, kernelW, attrs);
  const channels = x.shape[3] ?? 1;
  const filter = tf.reshape(filters, [kernelH, kernelW, channels, attrs.depthMultiplier]);
  const strides: [number, number] = [attrs.strideH, attrs.strideW];
  return tf.depthwiseConv2d(image as never, filter as never, strides, pad);
}

function tapByTap(
  tf: Tf,
  x: TfTensor,
  filters: TfTensor,
  attrs: DepthwiseConv2dAttrs,
  output: readonly number[],
): TfTensor {
  const [, kernelH = 1, kernelW = 1, outC = 1] = filters.shape;
  const [n = 1, outH = 1, outW = 1] = output;
  const channels = x.shape[3] ?? 1;
  const multiplier = outC / channels;
  const image = padImage(tf, x, attrs, 0);
  const sums: TfTensor[] = [];
  for (let ky = 0; ky < kernelH; ky += 1) {
    for (let kx = 0; kx < kernelW; kx += 1) {
      const pixels = underTap(tf, image, [ky, kx], [outH, outW], attrs);
      const weights = tf.slice(filters, [0, ky, kx, 0], [1, 1, 1, outC]);
      const byChannel = tf.reshape(pixels, [n * outH * outW, channels, 1]);
      sums.push(tf.mul(byChannel, tf.reshape(weights, [1, channels, multiplier])));
    }
  }
  return tf.reshape(tf.addN(sums), [n, outH, outW, outC]);
}
