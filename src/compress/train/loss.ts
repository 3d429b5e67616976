/** What training lowers: the difference from labels, and from a teacher's answers. */
import { partsOfRows } from '../rows.js';
import { sideBySide } from '../score.js';
import type { Answer } from '../task.js';
import type { Tf, TfTensor } from '../tensorflow.js';

/** Scores [n, classes] of an answer's outputs, or all their numbers side by side. */
export function scores(
  tf: Tf,
  { kind }: Pick<Answer, 'kind'>,
  outputs: readonly TfTensor[],
): TfTensor {
  const flat = sideBySide(tf, outputs);
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

/** An output of numbers. */
export interface Unit {
  /** Elements for a sample. */
  readonly size: number;
  /** Of its numbers over all samples: what its squared differences are measured in. */
  readonly variance: number;
}

/** Variances of outputs of `sizes` that stand side by side in rows. */
export function unitsOf(rows: Float32Array, sizes: readonly number[]): readonly Unit[] {
  return partsOfRows(rows, sizes).map((values, i) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    return { size: sizes[i] ?? 0, variance };
  });
}

/**
 * Mean squared difference (MSE) of rows [n, elements of all outputs], of each output in units of its
 * variance; the mean over outputs, so that each counts alike.
 */
export function squaredError(
  tf: Tf,
  own: TfTensor,
  wanted: TfTensor,
  units: readonly Unit[],
): TfTensor {
  const squares = tf.squaredDifference(own, wanted);
  const parts = units.length === 1 ? [squares] : tf.split(squares, sizesIn(units), 1);
  const terms = parts.map((part, i) => tf.div(tf.mean(part), (units[i]?.variance ?? 1) + 1e-12));
  return tf.div(tf.addN(terms), terms.length);
}

const sizesIn = (units: readonly Unit[]) => units.map(({ size }) => size);

/** Mean squared difference, in units of the teacher's variance. */
export function relativeError(tf: Tf, student: TfTensor, teacher: TfTensor): TfTensor {
  const { variance } = tf.moments(teacher);
  return tf.div(tf.mean(tf.squaredDifference(student, teacher)), tf.add(variance, 1e-12));
}
