/** Where an int8 graph loses the signal of its float twin, layer by layer. */
import { type Graph, type TensorData, tensorOf } from '../../compiler/ir/graph.js';
import { type Dataset, subset } from '../data/dataset.js';
import { realValues } from '../float-graph.js';
import { integerRunner } from '../integer.js';
import { quantizedSamples, signalToNoise } from '../score.js';
import type { Tf } from '../tensorflow.js';
import { tensorElements } from './observe.js';

export interface LayerNoise {
  /** Index of the node. */
  readonly index: number;
  readonly name: string;
  readonly op: string;
  /** Signal to noise of the output, all layers before it quantized too, in dB. */
  readonly snrDb: number;
}

/** Samples that are compared, at most: every tensor of theirs is kept. */
const mostSamples = 32;

export function layerNoise(
  tf: Tf,
  float: Graph,
  integer: Graph,
  data: Dataset,
): readonly LayerNoise[] {
  const count = Math.min(mostSamples, data.count);
  const few = subset(
    data,
    Array.from({ length: count }, (_, i) => i),
  );
  const ids = float.nodes.flatMap(({ outputs }) => outputs.slice(0, 1));
  const wanted = tensorElements(tf, float, few, ids);
  const samples = quantizedSamples(integer, few, 0, count);
  const got = integerRunner(tf, integer).run(samples, count);
  return integer.nodes.map(({ name, op, outputs: [id = 0] }, index) => {
    const real = realValues(tensorOf(integer, id), got.get(id) as TensorData);
    return { index, name, op, snrDb: signalToNoise(wanted.get(id) as Float32Array, real) };
  });
}
