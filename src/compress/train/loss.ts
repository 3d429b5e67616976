/** What training lowers: the difference from labels, and from a teacher's answers. */
import type { Graph, TensorId } from '../../ir/graph.js';
import type { Tf, TfTensor } from '../tensorflow.js';

/** How a graph states its answer. */
export interface Answer {
  /** The graph without the activation that ends it: its output has values of any size. */
  readonly graph: Graph;
  /**
   * classes: one score for each class. sign: one score, above 0 for class 1 of two. values: numbers
   * to reproduce.
   */
  readonly kind: 'classes' | 'sign' | 'values';
}

/** @param classCount of the data; null without labels */
export function answerOf(graph: Graph, classCount: number | null): Answer {
  const [output] = graph.outputs;
  const last = graph.nodes.find(({ outputs }) => outputs[0] === output);
  const size = (graph.tensors[output as TensorId]?.shape ?? []).reduce((a, b) => a * b, 1);
  const isProbability = last?.op === 'softmax' || (last?.op === 'logistic' && size === 1);
  const before = last?.inputs[0] ?? null;
  const open =
    isProbability && before !== null && graph.outputs.length === 1
      ? { ...graph, outputs: [before], nodes: graph.nodes.filter((node) => node !== last) }
      : graph;
  if (last?.op === 'softmax') return { graph: open, kind: 'classes' };
  if (size === 1 && (classCount === 2 || last?.op === 'logistic')) {
    return { graph: open, kind: 'sign' };
  }
  return { graph: open, kind: classCount === size && size > 1 ? 'classes' : 'values' };
}

/** Scores [n, classes] of an answer's output. */
export function scores(tf: Tf, { kind }: Answer, output: TfTensor): TfTensor {
  const flat = tf.reshape(output, [output.shape[0] ?? 1, -1]);
  return kind === 'sign' ? tf.concat([tf.zerosLike(flat), flat], 1) : flat;
}

export interface LabelOptions {
  /** Share of each label that all classes get. */
  readonly smoothing?: number;
  /** What a sample counts, by class. */
  readonly weights?: readonly number[] | null;
}

/** Mean over samples of −log of the probability of the label. */
export function crossEntropy(
  tf: Tf,
  given: TfTensor,
  labels: Int32Array,
  { smoothing = 0, weights = null }: LabelOptions = {},
): TfTensor {
  const [count = 1, classes = 2] = given.shape;
  const wanted = new Float32Array(count * classes);
  labels.forEach((label, i) => {
    const weight = weights?.[label] ?? 1;
    wanted.fill((weight * smoothing) / classes, i * classes, (i + 1) * classes);
    wanted[i * classes + label] = weight * (1 - smoothing + smoothing / classes);
  });
  const target = tf.tensor(wanted, [count, classes]);
  return tf.neg(tf.mean(tf.sum(tf.mul(target, tf.logSoftmax(given)), 1)));
}

/** Probabilities [n, classes] of scores, at `temperature`. */
export function soft(tf: Tf, given: TfTensor, temperature: number): TfTensor {
  return tf.softmax(tf.div(given, temperature));
}

/** Probabilities below this are as good as none; their logarithm stays finite. */
const leastProbability = 1e-20;

/**
 * The divergence of the student's probabilities from `wanted`, both at `temperature`, times its
 * square, so that the gradient keeps its size (Hinton et al., 2015).
 */
export function distillation(
  tf: Tf,
  student: TfTensor,
  wanted: TfTensor,
  temperature: number,
): TfTensor {
  const known = tf.log(tf.maximum(wanted, leastProbability));
  const own = tf.logSoftmax(tf.div(student, temperature));
  return tf.mul(tf.mean(tf.sum(tf.mul(wanted, tf.sub(known, own)), 1)), temperature ** 2);
}

/** Mean squared difference, in units of the teacher's variance. */
export function relativeError(tf: Tf, student: TfTensor, teacher: TfTensor): TfTensor {
  const { variance } = tf.moments(teacher);
  return tf.div(tf.mean(tf.squaredDifference(student, teacher)), tf.add(variance, 1e-12));
}
