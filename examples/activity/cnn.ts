/** A small CNN for windows of 64 samples of six axes. */
import type { Network } from '../steps.js';
import { activities, axes, windowLength } from './motions.js';

/** 6 300 weights; three convolutions over time. */
export const cnn: Network = ({ layers, sequential }, initializer) => {
  const convolution = (filters: number, more: object = {}) =>
    layers.conv1d({
      ...{ filters, kernelSize: 5, padding: 'same', activation: 'relu', ...more },
      kernelInitializer: initializer(),
    });
  return sequential({
    layers: [
      ...[convolution(16, { strides: 2, inputShape: [windowLength, axes] }), convolution(24)],
      ...[layers.maxPooling1d({ poolSize: 2, strides: 2 }), convolution(32)],
      ...[layers.globalAveragePooling1d({})],
      layers.dense({
        ...{ units: activities.length, activation: 'softmax' },
        kernelInitializer: initializer(),
      }),
    ],
  });
};
