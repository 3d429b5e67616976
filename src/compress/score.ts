/** How well a graph answers: accuracy, confusion, agreement, signal to noise. */
import {
  elementCount,
  type Graph,
  type TensorData,
  type TensorId,
  tensorOf,
} from '../compiler/ir/graph.js';
import { badData, type Dataset, subset } from './data/dataset.js';
import { realValues } from './float-graph.js';
import { integerRunner } from './integer.js';
import { type Integers, integersFor } from './quantize/lower.js';
import { batchOf, visit } from './quantize/observe.js';
import { joinedRows, partsOfRows } from './rows.js';
import { elementsOf, type Tf, type TfTensor } from './tensorflow.js';
import { type Hooks, type Runner, runnerOf } from './trace.js';

/** Outputs of all samples, [samples][size], in real numbers. */
export interface Answers {
  /** Elements of all outputs of a sample, side by side. */
  readonly size: number;
  readonly values: Float32Array;
  /** Where samples have one value: above it, the answer is class 1 of two. */
  readonly threshold: number;
}

const batch = 256;

/** Answers of a float graph. */
export function floatAnswers(tf: Tf, graph: Graph, data: Dataset, hooks: Hooks = {}): Answers {
  const runner = runnerOf(tf, graph);
  return collect(graph, data, (first, count) =>
    elementsOf(tf, () => sideBySide(tf, runner.run(batchOf(tf, data, first, count), hooks))),
  );
}

/** Outputs [n, …] as [n, elements of all]. */
export function sideBySide(tf: Tf, outputs: readonly TfTensor[]): TfTensor {
  const flat = outputs.map((output) => tf.reshape(output, [output.shape[0] ?? 1, -1]));
  return flat.length === 1 ? (flat[0] as TfTensor) : tf.concat(flat, 1);
}

/**
 * Runs a float graph over all samples. A tensor that overflows has no scale, even where the outputs
 * are finite again.
 *
 * @param name what errors call the graph
 * @throws BonsaiError 'bad-data' that names the first sample for which a tensor is NaN or infinite
 */
export function checkFinite(tf: Tf, graph: Graph, data: Dataset, name = 'the model'): void {
  const runner = runnerOf(tf, graph);
  for (let first = 0; first < data.count; first += batch) {
    if (isFiniteBatch(tf, runner, data, first)) continue;
    for (let sample = first; sample < Math.min(first + batch, data.count); sample += 1) {
      checkSample(tf, graph, data, sample, name);
    }
  }
}

function isFiniteBatch(tf: Tf, runner: Runner, data: Dataset, first: number): boolean {
  const [sum] = elementsOf(tf, () => {
    // Graphs that take samples one by one compute more tensors than an addN on wasm's stack takes.
    let zero: TfTensor = tf.scalar(0);
    const computed = (_: TensorId, value: TfTensor) => {
      // 0 · value is 0, and NaN where the value is NaN or infinite.
      zero = tf.add(zero, tf.sum(tf.mul(value, 0)));
      return value;
    };
    runner.run(batchOf(tf, data, first, batch), { computed });
    return zero;
  });
  return sum === 0;
}

function checkSample(tf: Tf, graph: Graph, data: Dataset, sample: number, model: string): void {
  visit(tf, runnerOf(tf, graph), subset(data, [sample]), 1, (id, values) => {
    const wrong = values.find((value) => !Number.isFinite(value));
    if (wrong === undefined) return;
    const { name } = tensorOf(graph, id);
    const number = data.numbers?.[sample] ?? sample;
    const message = `${model} gives ${wrong} for sample ${number}, in "${name}"`;
    const hint =
      "compare --scale and --offset with the model's training, leave the sample out, or train again";
    throw badData(data.where, message, hint);
  });
}

/** Answers of a graph of integers, from samples quantized as its input asks. */
export function integerAnswers(tf: Tf, graph: Graph, data: Dataset): Answers {
  const runner = integerRunner(tf, graph);
  return collect(graph, data, (first, count) => {
    const values = runner.run(quantizedSamples(graph, data, first, count), count);
    const outputs = graph.outputs.map((id) =>
      realValues(tensorOf(graph, id), values.get(id) as TensorData),
    );
    return joinedRows(outputs, count);
  });
}

/** Samples as integers of each of the graph's inputs. */
export function quantizedSamples(
  graph: Graph,
  data: Dataset,
  first: number,
  count: number,
): readonly Integers[] {
  const size = elementCount(data.shape);
  const samples = data.x.subarray(first * size, (first + count) * size);
  const sizes = (data.inputs ?? [data.shape]).map(elementCount);
  return partsOfRows(samples, sizes).map((part, i) =>
    integersFor(tensorOf(graph, graph.inputs[i] ?? 0), part),
  );
}

function collect(
  graph: Graph,
  data: Dataset,
  run: (first: number, count: number) => Float32Array,
): Answers {
  const parts: Float32Array[] = [];
  for (let first = 0; first < data.count; first += batch) {
    parts.push(run(first, Math.min(batch, data.count - first)));
  }
  const values = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return { size: values.length / data.count, values, threshold: thresholdOf(graph) };
}

/** A probability of a half is a score of 0. */
function thresholdOf({ nodes, outputs: [output] }: Graph): number {
  return nodes.find(({ outputs }) => outputs[0] === output)?.op === 'logistic' ? 0.5 : 0;
}

/** The class of each sample. */
export function classesOf({ size, values, threshold }: Answers): Int32Array {
  return Int32Array.from({ length: values.length / size }, (_, sample) => {
    if (size === 1) return (values[sample] as number) > threshold ? 1 : 0;
    let best = sample * size;
    for (let i = best + 1; i < (sample + 1) * size; i += 1) {
      if ((values[i] as number) > (values[best] as number)) best = i;
    }
    return best - sample * size;
  });
}

/** The share of samples where both classes are the same. */
export function agreement(a: Int32Array, b: Int32Array): number {
  return a.reduce((sum, value, i) => sum + (value === b[i] ? 1 : 0), 0) / Math.max(1, a.length);
}

/** [label][answer] → samples. A model may have more answers than the data has classes. */
export function confusion(
  labels: Int32Array,
  answers: Int32Array,
  classes: number,
): readonly (readonly number[])[] {
  const columns = answers.reduce((most, answer) => Math.max(most, answer + 1), classes);
  const table = Array.from({ length: classes }, () => new Array<number>(columns).fill(0));
  labels.forEach((label, i) => {
    const row = table[label];
    const answer = answers[i] ?? 0;
    if (row !== undefined) row[answer] = (row[answer] ?? 0) + 1;
  });
  return table;
}

/** 10 · log10 of the power of `wanted` over that of the difference, in dB. */
export function signalToNoise(wanted: ArrayLike<number>, got: ArrayLike<number>): number {
  let [signal, noise] = [0, 0];
  for (let i = 0; i < wanted.length; i += 1) {
    signal += (wanted[i] as number) ** 2;
    noise += ((wanted[i] as number) - (got[i] as number)) ** 2;
  }
  return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
}

/** How far outputs of numbers are from those that are wanted. */
export interface ValueError {
  /** What is wanted: numbers that the samples give, or the original's outputs. */
  readonly from: Reference['from'];
  /** Mean squared error, and mean absolute error: in the outputs' real units. */
  readonly mse: number;
  readonly mae: number;
  /**
   * R², the share of the wanted numbers' variance that the outputs explain: 1 at best, 0 for their
   * mean over all samples.
   */
  readonly explained: number;
}

/** What outputs of numbers shall be. */
export interface Reference {
  readonly from: 'targets' | 'float';
  readonly values: Float32Array;
}

/** Of samples; without targets what the original answers. */
export function referenceOf(
  { targets }: Pick<Dataset, 'targets'>,
  answers: Float32Array,
): Reference {
  return targets === undefined
    ? { from: 'float', values: answers }
    : { from: 'targets', values: targets };
}

/** How outputs compare with others; of several outputs the worst of each. */
export interface Compared {
  /** Signal to noise beside the original's outputs, in dB. */
  readonly snrDb: number;
  /** null for classes. */
  readonly error: ValueError | null;
  /** Of each output, where there are several. */
  readonly outputs?: readonly Compared[];
}

/**
 * Compares outputs with the original's.
 *
 * @param sizes     elements of each output
 * @param reference what `error` is measured from; null measures none
 */
export function comparison(
  original: Answers,
  sizes: readonly number[],
  reference: Reference | null,
): (values: Float32Array) => Compared {
  const wanted = partsOfRows(original.values, sizes);
  const from = reference === null ? null : partsOfRows(reference.values, sizes);
  const spreads = (from ?? []).map((values, i) => spreadOf(values, sizes[i] ?? 1));
  return (values) => {
    const outputs = partsOfRows(values, sizes).map((own, i): Compared => {
      const target = from?.[i];
      const snrDb = signalToNoise(wanted[i] as Float32Array, own);
      const error = target ? errorOf(target, own, spreads[i] ?? 0) : null;
      return { snrDb, error: error && { from: reference?.from ?? 'float', ...error } };
    });
    const [only, ...others] = outputs;
    return only !== undefined && others.length === 0 ? only : worstOf(outputs);
  };
}

function worstOf(outputs: readonly Compared[]): Compared {
  const errors = outputs.flatMap(({ error }) => error ?? []);
  const error = {
    from: errors[0]?.from ?? 'float',
    mse: Math.max(...errors.map(({ mse }) => mse)),
    mae: Math.max(...errors.map(({ mae }) => mae)),
    explained: Math.min(...errors.map(({ explained }) => explained)),
  };
  const snrDb = Math.min(...outputs.map((one) => one.snrDb));
  return { snrDb, error: errors.length === 0 ? null : error, outputs };
}

/** Sum of the squared distances from each element's mean over the rows. */
function spreadOf(rows: Float32Array, size: number): number {
  const count = rows.length / size;
  const means = new Float64Array(size);
  rows.forEach((value, i) => {
    means[i % size] = (means[i % size] as number) + value / count;
  });
  let [spread, power] = [0, 0];
  rows.forEach((value, i) => {
    spread += (value - (means[i % size] as number)) ** 2;
    power += value ** 2;
  });
  // Where all rows are alike there is nothing to explain: their own power is the measure.
  return spread > 1e-9 * power ? spread : power;
}

function errorOf(wanted: Float32Array, own: Float32Array, spread: number) {
  let [squares, distance] = [0, 0];
  wanted.forEach((value, i) => {
    const difference = (own[i] as number) - value;
    squares += difference ** 2;
    distance += Math.abs(difference);
  });
  const { length } = wanted;
  const explained = squares === 0 ? 1 : spread === 0 ? 0 : 1 - squares / spread;
  return { mse: squares / length, mae: distance / length, explained };
}
