/** Where an int8 graph loses the signal of its float twin, layer by layer. */
import { type Graph, type TensorData, type TensorId, tensorOf } from '../../ir/graph.js';
import type { Dataset } from '../data/dataset.js';
import { realValues } from '../float-graph.js';
import { integerRunner } from '../integer.js';
import { quantizedSamples, signalToNoise } from '../score.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { runnerOf } from '../trace.js';
import { batchOf } from './observe.js';

export interface LayerNoise {
  /** Index of the node. */
  readonly index: number;
  readonly name: string;
  readonly op: string;
  /** Signal to noise of the output, all layers before it quantized too, in dB. */
  readonly snrDb: number;
}

/** @param most samples that are compared, since every tensor is kept */
export function layerNoise(
  tf: Tf,
  float: Graph,
  integer: Graph,
  data: Dataset,
  most = 32,
): readonly LayerNoise[] {
  const count = Math.min(most, data.count);
  const wanted = new Map<TensorId, Float32Array>();
  tf.tidy(() => {
    const computed = (id: TensorId, value: TfTensor) => {
      wanted.set(id, value.dataSync() as Float32Array);
      return value;
    };
    runnerOf(tf, float).run([batchOf(tf, data, 0, count)], { computed });
  });
  const samples = quantizedSamples(integer, data, 0, count);
  const got = integerRunner(tf, integer).run([samples], count);
  return integer.nodes.map(({ name, op, outputs: [id = 0] }, index) => {
    const real = realValues(tensorOf(integer, id), got.get(id) as TensorData);
    return { index, name, op, snrDb: signalToNoise(wanted.get(id) as Float32Array, real) };
  });
}
