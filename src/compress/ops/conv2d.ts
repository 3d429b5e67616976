/** Filters OHWI become HWIO; groups are convolutions side by side. */
import { type Conv2dAttrs, conv2dDims } from '../../compiler/ops/conv2d.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { activate, operand, type Trace } from './trace.js';
import { padded, padImage, underTap } from './windows.js';

export const conv2d: Trace<Conv2dAttrs> = (tf, view, inputs) => {
  const { groups } = conv2dDims(view);
  const x = operand(inputs, 0);
  const filters = tf.transpose(operand(inputs, 1), [1, 2, 3, 0]) as TfTensor;
  const sum =
    groups === 1
      ? convolve(tf, x, filters, view.attrs)
      : tf.concat(
          tf
            .split(x, groups, 3)
            .map((part, group) =>
              convolve(tf, part, tf.split(filters, groups, 3)[group] as TfTensor, view.attrs),
            ),
          3,
        );
  const bias = inputs[2] ?? null;
  return [activate(tf, bias === null ? sum : tf.add(sum, bias), view.attrs.activation)];
};

function convolve(tf: Tf, x: TfTensor, filters: TfTensor, attrs: Conv2dAttrs): TfTensor {
  const [kernelH = 1, kernelW = 1] = filters.shape;
  if (attrs.dilationH > 1 || attrs.dilationW > 1) return tapByTap(tf, x, filters, attrs);
  const { x: image, pad } = padded(tf, x, kernelH, kernelW, attrs);
  const strides: [number, number] = [attrs.strideH, attrs.strideW];
  return tf.conv2d(image as never, filters as never, strides, pad);
}

/** TensorFlow.js has no gradient for dilated windows: a product of matrices for each tap. */
function tapByTap(tf: Tf, x: TfTensor, filters: TfTensor, attrs: Conv2dAttrs): TfTensor {
  const [kernelH = 1, kernelW = 1, depth = 1, outC = 1] = filters.shape;
  const image = padImage(tf, x, attrs, 0);
  const extent = (whole: number, kernel: number, stride: number, dilation: number) =>
    Math.floor((whole - (kernel - 1) * dilation - 1) / stride) + 1;
  const [n = 1, height = 1, width = 1] = image.shape;
  const outH = extent(height, kernelH, attrs.strideH, attrs.dilationH);
  const outW = extent(width, kernelW, attrs.strideW, attrs.dilationW);
  const sums: TfTensor[] = [];
  for (let ky = 0; ky < kernelH; ky += 1) {
    for (let kx = 0; kx < kernelW; kx += 1) {
      const pixels = underTap(tf, image, [ky, kx], [outH, outW], attrs);
      const weights = tf.slice(filters, [ky, kx, 0, 0], [1, 1, depth, outC]);
      const rows = tf.reshape(pixels, [n * outH * outW, depth]);
      sums.push(tf.matMul(rows, tf.reshape(weights, [depth, outC])));
    }
  }
  return tf.reshape(tf.addN(sums), [n, outH, outW, outC]);
}
