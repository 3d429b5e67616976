/** A small CNN for a second of speech: 64 windows of 32 bands. */
import type { Network } from '../steps.js';
import { bands, frames } from './features.js';

/** 47 000 weights; four convolutions 3×3, of which the first goes two steps at a time. */
export const cnn: Network = ({ layers, sequential }, initializer) => {
  const convolution = (filters: number, more: object = {}) =>
    layers.conv2d({
      ...{ filters, kernelSize: 3, padding: 'same', activation: 'relu', ...more },
      kernelInitializer: initializer(),
    });
  const pool = () => layers.maxPooling2d({ poolSize: 2, strides: 2 });
  return sequential({
    layers: [
      ...[convolution(16, { strides: 2, inputShape: [frames, bands, 1] })],
      ...[convolution(32), pool(), convolution(48), pool(), convolution(64)],
      ...[layers.globalAveragePooling2d({}), layers.dropout({ rate: 0.2 })],
      layers.dense({ units: 10, activation: 'softmax', kernelInitializer: initializer() }),
    ],
  });
};
