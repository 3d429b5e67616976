/** A small CNN for images of 28×28 pixels, and how it is trained. */
import type { Network } from '../steps.js';

/**
 * Three convolutions, two fully connected layers: 224 000 weights with 16, 32 and 64 filters.
 *
 * @param widths filters of the convolutions
 */
export const cnn =
  (widths: readonly number[] = [16, 32, 64]): Network =>
  ({ layers, sequential }, initializer) => {
    const convolution = (filters: number, index: number) =>
      layers.conv2d({
        ...{ filters, kernelSize: 3, padding: 'same', activation: 'relu' },
        kernelInitializer: initializer(),
        ...(index === 0 ? { inputShape: [28, 28, 1] } : {}),
      });
    const pool = () => layers.maxPooling2d({ poolSize: 2, strides: 2 });
    const dense = (units: number, activation: 'relu' | 'softmax') =>
      layers.dense({ units, activation, kernelInitializer: initializer() });
    return sequential({
      layers: [
        ...widths.flatMap((filters, i) => [...(i > 0 ? [pool()] : []), convolution(filters, i)]),
        ...[layers.flatten(), dense(64, 'relu'), dense(10, 'softmax')],
      ],
    });
  };

export const training = {
  ...{ epochs: 12, batch: 128, learningRate: 0.002 },
  augmentation: { kind: 'image', flip: true, shift: 0.05, brightness: 0 },
} as const;
