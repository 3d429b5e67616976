/** Pools read the elements inside the image alone: padding neither counts nor wins. */
import type { PoolAttrs } from '../../compiler/ops/shape/pool.js';
import type { TfTensor } from '../tensorflow.js';
import { activate, operand, type Trace } from './trace.js';
import { padded, padImage } from './windows.js';

const windowOf = (attrs: PoolAttrs) => ({ ...attrs, dilationH: 1, dilationW: 1 });

export const averagePool2d: Trace<PoolAttrs> = (tf, { attrs }, inputs) => {
  const { kernelH, kernelW } = attrs;
  const kernel: [number, number] = [kernelH, kernelW];
  const strides: [number, number] = [attrs.strideH, attrs.strideW];
  const x = operand(inputs, 0);
  const { x: image, pad } = padded(tf, x, kernelH, kernelW, windowOf(attrs));
  const mean = tf.avgPool(image as never, kernel, strides, pad);
  if (image === x) return [activate(tf, mean, attrs.activation)];
  // The share of each window that lies inside the image.
  const inside = padImage(tf, tf.onesLike(x), attrs, 0);
  const share = tf.avgPool(inside as never, kernel, strides, 'valid');
  return [activate(tf, tf.div(mean, share), attrs.activation)];
};

export const l2Pool2d: Trace<PoolAttrs> = (tf, view, inputs) => {
  const x = operand(inputs, 0);
  const attrs = { ...view.attrs, activation: 'none' } as const;
  const [mean] = averagePool2d(tf, { ...view, attrs }, [tf.square(x)]);
  // The root has no gradient at 0.
  const root = tf.sqrt(tf.maximum(mean as TfTensor, 2 ** -100));
  return [activate(tf, root, view.attrs.activation)];
};

export const maxPool2d: Trace<PoolAttrs> = (tf, { attrs }, inputs) => {
  const { kernelH, kernelW } = attrs;
  const lowest = -3.4e38;
  const { x, pad } = padded(tf, operand(inputs, 0), kernelH, kernelW, windowOf(attrs), lowest);
  const strides: [number, number] = [attrs.strideH, attrs.strideW];
  return [activate(tf, tf.maxPool(x as never, [kernelH, kernelW], strides, pad), attrs.activation)];
};
