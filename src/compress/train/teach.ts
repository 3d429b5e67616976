/** What teachers say about samples. */

import { type Graph, tensorOf } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import type { Dataset } from '../data/dataset.js';
import { batchOf } from '../quantize/observe.js';
import { type Answer, answerOf, outputSizes, type Wanted } from '../task.js';
import { elementsOf, type Tf, type TfTensor } from '../tensorflow.js';
import { type Hooks, type Runner, runnerOf } from '../trace.js';
import { scores, soft } from './loss.js';

export interface Teacher {
  readonly answer: Answer;
  readonly runner: Runner;
  /** Share in the mean of all. */
  readonly weight: number;
}

/** @throws BonsaiError 'usage' for a teacher that does not fit the student, or too few weights */
export function teachersOf(
  tf: Tf,
  student: Graph,
  graphs: readonly Graph[],
  weights: readonly number[] | null,
  wanted: Wanted,
): readonly Teacher[] {
  const own = answerOf(student, wanted);
  if (weights !== null && weights.length !== graphs.length) {
    const message = `there are ${graphs.length}, and ${weights.length} weights for them`;
    throw new BonsaiError('usage', 'teachers', message, 'give a weight for each');
  }
  return graphs.map((graph, i) => {
    const answer = answerOf(graph, wanted);
    const size = (one: Graph) => outputSizes(one).join(', ');
    const inputOf = (one: Graph) =>
      one.inputs.map((id) => tensorOf(one, id).shape.slice(1).join('×')).join(', ');
    const fits =
      answer.kind === own.kind &&
      size(answer.graph) === size(own.graph) &&
      inputOf(graph) === inputOf(student);
    if (fits) return { answer, runner: runnerOf(tf, answer.graph), weight: weights?.[i] ?? 1 };
    const message = `takes ${inputOf(graph)} and gives ${size(answer.graph)} ${answer.kind}; the student takes ${inputOf(student)} and gives ${size(own.graph)} ${own.kind}`;
    throw new BonsaiError('usage', `teacher ${i + 1}`, message, 'give a teacher of the same task');
  });
}

/** Probabilities at `temperature`, or the values themselves. */
export function taught(
  tf: Tf,
  { answer, runner }: Pick<Teacher, 'answer' | 'runner'>,
  x: readonly TfTensor[],
  temperature: number,
  hooks: Hooks = {},
): TfTensor {
  const given = scores(tf, answer, runner.run(x, hooks));
  return answer.kind === 'values' ? given : soft(tf, given, temperature);
}

/** The mean of what teachers say, by their weights. */
export function meanOf(tf: Tf, said: readonly TfTensor[], weights: readonly number[]): TfTensor {
  const total = weights.reduce((a, b) => a + b, 0);
  return tf.addN(said.map((one, i) => tf.mul(one, (weights[i] ?? 0) / total)));
}

const batch = 256;

/** What teachers say about every sample of a dataset, one after the other. */
export interface Taught {
  /** Elements for a sample. */
  readonly size: number;
  readonly values: Float32Array;
}

/** Where samples do not change, an epoch need not run the teachers. */
export function taughtOnce(
  tf: Tf,
  teachers: readonly Teacher[],
  data: Dataset,
  temperature: number,
): Taught {
  const weights = teachers.map(({ weight }) => weight);
  let values = new Float32Array();
  let size = 1;
  for (let first = 0; first < data.count; first += batch) {
    const part = elementsOf(tf, () => {
      const x = batchOf(tf, data, first, batch);
      const said = teachers.map((one) => taught(tf, one, x, temperature));
      return meanOf(tf, said, weights);
    });
    if (first === 0) {
      size = part.length / Math.min(batch, data.count);
      values = new Float32Array(size * data.count);
    }
    values.set(part, first * size);
  }
  return { size, values };
}

export function rowsOf(tf: Tf, { size, values }: Taught, chosen: Uint32Array): TfTensor {
  const rows = new Float32Array(chosen.length * size);
  chosen.forEach((sample, i) => {
    rows.set(values.subarray(sample * size, (sample + 1) * size), i * size);
  });
  return tf.tensor(rows, [chosen.length, size]);
}
