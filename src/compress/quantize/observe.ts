/** Ranges of activations, from running a float graph over samples. */
import { elementCount, type Graph, type TensorId } from '../../compiler/ir/graph.js';
import type { Dataset } from '../data/dataset.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { type Hooks, type Runner, runnerOf } from '../trace.js';
import type { RealRange } from './scheme.js';

/** How often values fell into equal bins between `min` and `max`. */
export interface Histogram extends RealRange {
  readonly counts: Float64Array;
}

const binCount = 2048;

export type Observation = ReadonlyMap<TensorId, Histogram>;

/**
 * Histograms of the graph's inputs and of every computed tensor. Runs the samples twice: for the
 * extremes, then for the counts between them.
 */
export function observe(tf: Tf, runner: Runner, data: Dataset, batch = 64): Observation {
  const extremes = new Map<TensorId, { min: number; max: number }>();
  visit(tf, runner, data, batch, (id, values) => {
    const range = extremes.get(id) ?? { min: values[0] ?? 0, max: values[0] ?? 0 };
    for (const value of values) {
      if (value < range.min) range.min = value;
      if (value > range.max) range.max = value;
    }
    extremes.set(id, range);
  });
  const histograms = new Map<TensorId, Histogram>();
  for (const [id, range] of extremes) {
    histograms.set(id, { ...range, counts: new Float64Array(binCount) });
  }
  visit(tf, runner, data, batch, (id, values) => {
    const { min, max, counts } = histograms.get(id) as Histogram;
    const scale = max > min ? binCount / (max - min) : 0;
    for (const value of values) {
      const bin = Math.min(binCount - 1, Math.floor((value - min) * scale));
      counts[bin] = (counts[bin] as number) + 1;
    }
  });
  return histograms;
}

/** Calls `look` with the elements of each computed tensor, batch by batch. */
export function visit(
  tf: Tf,
  runner: Runner,
  data: Dataset,
  batch: number,
  look: (id: TensorId, values: Float32Array) => void,
): void {
  for (let first = 0; first < data.count; first += batch) {
    tf.tidy(() => {
      const computed = (id: TensorId, value: TfTensor) => {
        look(id, value.dataSync() as Float32Array);
        return value;
      };
      runner.run(batchOf(tf, data, first, batch), { computed });
    });
  }
}

/** The elements of tensors, each over all samples in their order, which run at once: for a few. */
export function tensorElements(
  tf: Tf,
  graph: Graph,
  data: Dataset,
  ids: readonly TensorId[],
  hooks: Hooks = {},
): ReadonlyMap<TensorId, Float32Array> {
  const found = new Map<TensorId, Float32Array>();
  tf.tidy(() => {
    const inputs = batchOf(tf, data, 0, data.count);
    runnerOf(tf, { ...graph, outputs: ids })
      .run(inputs, hooks)
      .forEach((output, i) => {
        found.set(ids[i] as TensorId, output.dataSync() as Float32Array);
      });
  });
  return found;
}

/** Samples `first` … of the data as a tensor [n, …] for each input; fewer than `count` at the end. */
export function batchOf(tf: Tf, data: Dataset, first: number, count: number): readonly TfTensor[] {
  const size = elementCount(data.shape);
  const n = Math.min(count, data.count - first);
  return inputsOf(tf, data, data.x.subarray(first * size, (first + n) * size));
}

/** Samples as a tensor [n, …] for each input. */
export function inputsOf(
  tf: Tf,
  { shape, inputs = [shape] }: Pick<Dataset, 'shape' | 'inputs'>,
  samples: Float32Array,
): readonly TfTensor[] {
  const size = elementCount(shape);
  const n = samples.length / size;
  const [only, ...others] = inputs;
  if (only !== undefined && others.length === 0) return [tf.tensor(samples, [n, ...only])];
  const all = tf.tensor(samples, [n, size]);
  const sizes = inputs.map(elementCount);
  return tf.split(all, [...sizes], 1).map((part, i) => tf.reshape(part, [n, ...(inputs[i] ?? [])]));
}
