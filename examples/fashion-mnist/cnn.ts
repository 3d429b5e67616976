/** A small CNN for images of 28×28 pixels, as TensorFlow.js makes it. */
import { loadBackend } from '../../src/compress/tensorflow.js';
import { importModel } from '../../src/import/index.js';
import type { Module } from '../../src/ir/graph.js';

/**
 * Three convolutions, two fully connected layers: 224 000 weights with 16, 32 and 64 filters.
 *
 * @param widths filters of the convolutions
 */
export async function untrainedCnn(seed: number, widths = [16, 32, 64]): Promise<Module> {
  // TensorFlow.js makes the layers' first weights on the backend of its own core.
  await loadBackend('wasm');
  const { initializers, layers, sequential } = await import('@tensorflow/tfjs-layers');
  let drawn = seed;
  const kernelInitializer = () => {
    drawn += 1;
    return initializers.heNormal({ seed: drawn });
  };
  const convolution = (filters: number, index: number) =>
    layers.conv2d({
      ...{ filters, kernelSize: 3, padding: 'same', activation: 'relu' },
      kernelInitializer: kernelInitializer(),
      ...(index === 0 ? { inputShape: [28, 28, 1] } : {}),
    });
  const pool = () => layers.maxPooling2d({ poolSize: 2, strides: 2 });
  const dense = (units: number, activation: 'relu' | 'softmax') =>
    layers.dense({ units, activation, kernelInitializer: kernelInitializer() });
  const model = sequential({
    layers: [
      ...widths.flatMap((filters, i) => [...(i > 0 ? [pool()] : []), convolution(filters, i)]),
      ...[layers.flatten(), dense(64, 'relu'), dense(10, 'softmax')],
    ],
  });
  return imported(model);
}

type Layers = typeof import('@tensorflow/tfjs-layers');

/** As if it had been saved as model.json with its weights beside it. */
async function imported(model: ReturnType<Layers['sequential']>): Promise<Module> {
  const saved: { module?: Module } = {};
  await model.save({
    async save({ modelTopology, weightSpecs = [], weightData }) {
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
      const json = { format: 'layers-model', modelTopology, weightsManifest };
      const parts = Array.isArray(weightData) ? weightData : [weightData];
      const weights = Buffer.concat(parts.map((part) => Buffer.from(part as ArrayBuffer)));
      saved.module = importModel(Buffer.from(JSON.stringify(json)), {
        ...{ name: 'fashion_mnist', where: 'model.json', rounding: 'tflm' },
        beside: () => weights,
      });
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    },
  });
  if (saved.module === undefined) throw new Error('TensorFlow.js has saved nothing');
  return saved.module;
}
