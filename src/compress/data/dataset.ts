/** Samples in memory, with labels or without. */

import { elementCount, type Shape } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';

export const partNames = ['train', 'validation', 'test'] as const;
export type Part = (typeof partNames)[number];

export interface Dataset {
  /** For messages: where the samples came from. */
  readonly where: string;
  readonly count: number;
  /** Of one sample, without the batch; of a model of several inputs: all their elements. */
  readonly shape: Shape;
  /** Of each input, whose elements stand side by side in a sample; absent: one input of `shape`. */
  readonly inputs?: readonly Shape[];
  /** `count` × elements of `shape`, sample after sample. */
  readonly x: Float32Array;
  /** A class index for each sample; null without labels. */
  readonly labels: Int32Array | null;
  /** Names by class index; null without labels. */
  readonly classes: readonly string[] | null;
  /** Numbers that the outputs shall be: `count` × elements of all outputs, side by side. */
  readonly targets?: Float32Array;
  /** Of each sample in the source, for messages; absent where they count from 0. */
  readonly numbers?: Int32Array;
  /** Index in `partNames` for each sample; absent where the source does not divide its samples. */
  readonly parts?: Uint8Array;
}

/** The samples at `indices`, in their order, as one part. */
export function subset(data: Dataset, indices: ArrayLike<number>): Dataset {
  const { parts: _, ...whole } = data;
  const { labels, numbers, targets } = data;
  return {
    ...whole,
    count: indices.length,
    x: rowsAt(data.x, elementCount(data.shape), indices),
    ...(targets === undefined
      ? {}
      : { targets: rowsAt(targets, targets.length / data.count, indices) }),
    numbers: Int32Array.from(indices, (i) => numbers?.[i] ?? i),
    labels: labels === null ? null : Int32Array.from(indices, (i) => labels[i] as number),
  };
}

/** The samples of one part and then of another of the same data. */
export function joined(a: Dataset, b: Dataset): Dataset {
  const { parts: _, numbers: _numbers, ...whole } = a;
  const floats = (first: Float32Array, second: Float32Array) => {
    const all = new Float32Array(first.length + second.length);
    all.set(first);
    all.set(second, first.length);
    return all;
  };
  return {
    ...whole,
    count: a.count + b.count,
    x: floats(a.x, b.x),
    ...(a.targets && b.targets ? { targets: floats(a.targets, b.targets) } : {}),
    labels: a.labels && b.labels && Int32Array.from([...a.labels, ...b.labels]),
  };
}

/** Rows of `size` elements at `indices`, one after another. */
export function rowsAt(
  values: Float32Array,
  size: number,
  indices: ArrayLike<number>,
): Float32Array {
  const rows = new Float32Array(indices.length * size);
  for (let i = 0; i < indices.length; i += 1) {
    const from = (indices[i] as number) * size;
    rows.set(values.subarray(from, from + size), i * size);
  }
  return rows;
}

/** At most `most` samples, evenly from all of them. */
export function thinned(data: Dataset, most: number): Dataset {
  if (data.count <= most) return data;
  return subset(
    data,
    Array.from({ length: most }, (_, i) => Math.floor((i * data.count) / most)),
  );
}

interface KnownClasses {
  readonly isNamed?: boolean;
  readonly outputs?: number | undefined;
}

/**
 * Refuses samples that nothing can be learned from.
 *
 * @param known whether the user named the classes, so that some may have no samples, and how many
 *   numbers the model gives for a sample
 * @throws BonsaiError 'bad-data' for no samples, NaN or infinite elements, data in which every
 *   sample is the same, labels out of range, a class without samples, and labels of one class only
 */
export function checkDataset(data: Dataset, known: KnownClasses = {}): void {
  const { where, x, count, shape } = data;
  const size = elementCount(shape);
  if (count === 0) throw badData(where, 'has no samples', 'give at least one sample');
  const wrong = x.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const message = `sample ${Math.floor(wrong / size)} has the element ${x[wrong]}`;
    throw badData(where, message, 'remove or repair the sample');
  }
  const isConstant = count > 1 && x.every((value, i) => value === x[i % size]);
  if (isConstant) {
    const hint = 'check how the data was recorded';
    throw badData(where, 'has the same values in every sample', hint);
  }
  checkLabels(data, known);
}

function checkLabels(
  { where, labels, classes }: Dataset,
  { isNamed = false, outputs = Number.POSITIVE_INFINITY }: KnownClasses,
): void {
  if (labels === null || classes === null) return;
  const bad = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (bad >= 0) {
    const message = `sample ${bad} has the label ${labels[bad]}; there are ${classes.length} classes`;
    throw badData(where, message, 'use labels from 0 to the number of classes less 1');
  }
  const found = new Set(labels);
  const [only = 0] = found;
  if (found.size === 1) {
    const hint = 'give samples of two classes at least, or none with labels';
    throw badData(where, `has one class only, "${classes[only]}"`, hint);
  }
  const empty = classes.findIndex((_, label) => !found.has(label));
  if (empty < 0 || isNamed) return;
  // One output tells two classes apart.
  const beyond = labels.findIndex((label) => label >= Math.max(2, outputs));
  if (beyond >= 0) {
    const has = `the model has ${outputs} ${outputs === 1 ? 'output' : 'outputs'}`;
    const message = `sample ${beyond} has the label ${labels[beyond]}; ${has}`;
    throw badData(where, message, 'repair the label, or leave the sample out');
  }
  const message = `class ${empty} has no samples, class ${Math.max(...found)} has some`;
  const hint = 'number classes without gaps, or name all of them: --classes a,b,…';
  throw badData(where, message, hint);
}

export function badData(where: string, message: string, hint: string): BonsaiError {
  return new BonsaiError('bad-data', where, message, hint);
}
