/** Samples in memory, with labels or without. */
import { BonsaiError } from '../../errors.js';
import { elementCount, type Shape } from '../../ir/graph.js';

export interface Dataset {
  /** For messages: where the samples came from. */
  readonly where: string;
  readonly count: number;
  /** Of one sample, without the batch. */
  readonly shape: Shape;
  /** `count` × elements of `shape`, sample after sample. */
  readonly x: Float32Array;
  /** A class index for each sample; null without labels. */
  readonly labels: Int32Array | null;
  /** Names by class index; null without labels. */
  readonly classes: readonly string[] | null;
}

/** The samples at `indices`, in their order. */
export function subset(data: Dataset, indices: ArrayLike<number>): Dataset {
  const size = elementCount(data.shape);
  const x = new Float32Array(indices.length * size);
  for (let i = 0; i < indices.length; i += 1) {
    const from = (indices[i] as number) * size;
    x.set(data.x.subarray(from, from + size), i * size);
  }
  const { labels } = data;
  return {
    ...data,
    count: indices.length,
    x,
    labels: labels === null ? null : Int32Array.from(indices, (i) => labels[i] as number),
  };
}

/**
 * Refuses samples that nothing can be learned from.
 *
 * @throws BonsaiError 'usage' for no samples, NaN or infinite elements, labels out of range, and
 *   data in which every sample is the same
 */
export function checkDataset(data: Dataset): void {
  const { where, x, labels, classes, count, shape } = data;
  const refuse = (message: string, hint: string) => new BonsaiError('usage', where, message, hint);
  const size = elementCount(shape);
  if (count === 0) throw refuse('has no samples', 'give at least one sample');
  const wrong = x.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const message = `sample ${Math.floor(wrong / size)} has the element ${x[wrong]}`;
    throw refuse(message, 'remove or repair the sample');
  }
  const first = x.subarray(0, size);
  if (count > 1 && x.every((value, i) => value === first[i % size])) {
    throw refuse('has the same values in every sample', 'check how the data was recorded');
  }
  if (labels === null || classes === null) return;
  const bad = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (bad < 0) return;
  const message = `sample ${bad} has the label ${labels[bad]}; there are ${classes.length} classes`;
  throw refuse(message, 'use labels from 0 to the number of classes less 1');
}
