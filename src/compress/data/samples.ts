/** What the readers of all formats share: their options, their result, and the limits of memory. */

import { elementCount, type Shape } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import { printable, printableLine } from '../../printable.js';
import { badData, checkDataset, type Dataset, type Part, partNames } from './dataset.js';
import type { Ports } from './ports.js';
import { checkTargets } from './wanted.js';

export interface LoadOptions {
  /** Of one sample: the model's input without the batch; of several inputs: all their elements. */
  readonly shape: Shape;
  /** The model's inputs and outputs; absent: one input of `shape`, and classes as labels. */
  readonly ports?: Ports;
  /** Whether `y` is classes or values, where the data leave it open. */
  readonly task?: 'classes' | 'values';
  /** Numbers that the model gives for a sample, where they are known: classes at most, or one of two. */
  readonly outputs?: number;
  /**
   * Names by class index, in the order of the model's outputs. Without them: names in the order of
   * their characters, or integers from 0 to the largest label.
   */
  readonly classes?: readonly string[];
  /** 8-bit samples become byte · scale + offset. Default: 1 / 255 and 0. Others stay as they are. */
  readonly scale?: number;
  readonly offset?: number;
  /** Hz of the model's input; without it the rate of the first recording. */
  readonly sampleRate?: number;
  /**
   * Of a table: the column with the labels, by its name, or by its index from 0. Default: 'label',
   * 'class', 'target' or 'y', else the last.
   */
  readonly label?: string;
}

/** Samples as they were read. Labels are class indices or names. */
export interface Samples {
  readonly where: string;
  readonly count: number;
  readonly x: Float32Array;
  readonly labels: readonly (number | string)[] | null;
  /** Numbers that the outputs shall be, all of a sample side by side; then there are no labels. */
  readonly targets?: Float32Array;
  readonly parts?: Uint8Array;
}

/** 1 GiB of floats: what fits a usual machine beside the training itself. */
export const maxElements = 2 ** 28;
const maxClasses = 65536;

/** @throws BonsaiError 'bad-data' before memory is taken for more than `maxElements` */
export function checkRoom(where: string, samples: number, shape: Shape): void {
  if (samples * elementCount(shape) <= maxElements) return;
  const message = `has ${samples} samples of ${elementCount(shape)} elements; together at most ${maxElements} are possible`;
  throw badData(where, message, 'give fewer samples');
}

/** A function of bytes to floats. */
export function byteScale({ scale, offset = 0 }: LoadOptions): (byte: number) => number {
  // A division and a product with the reciprocal differ in the last bit.
  return scale === undefined ? (byte) => byte / 255 + offset : (byte) => byte * scale + offset;
}

/** What a library reads; its errors become one of `where`. */
export function parsed<T>(where: string, what: string, hint: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof BonsaiError) throw error;
    const reason = printableLine(error instanceof Error ? error.message : String(error));
    throw badData(where, `is no readable ${what} (${reason})`, hint);
  }
}

/** Whether `given` holds the elements of `shape`, with extents of 1 left out or added. */
export function fits(given: Shape, shape: Shape): boolean {
  const wide = (extents: Shape) => extents.filter((extent) => extent !== 1).join();
  return wide(given) === wide(shape) || (given.length === 1 && given[0] === elementCount(shape));
}

export function shapeText(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function misfit(where: string, given: Shape, { shape }: Pick<LoadOptions, 'shape'>) {
  const message = `has samples of the shape ${shapeText(given)}; the model's input is ${shapeText(shape)}`;
  const hint =
    'give samples of that shape; features that an audio front end or another preparation computes ' +
    'are yielded by a JavaScript module';
  return badData(where, message, hint);
}

/** 'train', 'val' … → the part; null for any other name. */
export function partOf(name: string): Part | null {
  const known = /^(train|training)$|^(val|valid|validation|dev)$|^(test|testing)$/i.exec(name);
  if (known === null) return null;
  return partNames[known.slice(1).findIndex((match) => match !== undefined)] ?? null;
}

/** Samples of several parts as one list. */
export function joined(
  where: string,
  given: readonly (Samples & { readonly part: Part | null })[],
): Samples {
  const [only, ...others] = given;
  if (only === undefined) throw badData(where, 'has no samples', 'give at least one sample');
  if (others.length === 0 && only.part === null) return only;
  const hasTargets = given.some(({ targets }) => targets !== undefined);
  const isLabelled = hasTargets || given.some(({ labels }) => labels !== null);
  const bare = given.find(({ labels, targets }) =>
    hasTargets ? targets === undefined : labels === null,
  );
  if (isLabelled && bare !== undefined) {
    throw badData(bare.where, 'has no labels, but other parts have', 'give labels to all or none');
  }
  return {
    where,
    count: given.reduce((sum, { count }) => sum + count, 0),
    x: together(given.map(({ x }) => x)),
    ...(hasTargets ? { targets: together(given.flatMap(({ targets }) => targets ?? [])) } : {}),
    labels: isLabelled && !hasTargets ? given.flatMap(({ labels }) => labels ?? []) : null,
    parts: Uint8Array.from(
      given.flatMap(({ part, count }) =>
        Array<number>(count).fill(partNames.indexOf(part ?? 'train')),
      ),
    ),
  };
}

export function wrongCount(where: string, labels: number, samples: number): BonsaiError {
  const message = `has ${labels} labels for ${samples} samples`;
  return badData(where, message, 'give one label for each sample');
}

/** Lists of numbers, one after another. */
export function together(lists: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(lists.reduce((sum, { length }) => sum + length, 0));
  lists.reduce((at, list) => {
    whole.set(list, at);
    return at + list.length;
  }, 0);
  return whole;
}

/** @throws BonsaiError 'bad-data' as `checkDataset`, and for labels that no class has */
export function datasetOf(samples: Samples, options: LoadOptions): Dataset {
  const { shape, outputs, classes, ports } = options;
  const { where, count, x, labels, parts, targets } = samples;
  if (targets !== undefined && ports !== undefined) checkTargets(where, targets, count, ports);
  if (labels !== null && labels.length !== count) throw wrongCount(where, labels.length, count);
  const data: Dataset = {
    ...{ where, count, shape, x },
    ...(labels === null ? { labels, classes: null } : classify(where, labels, classes)),
    ...(ports === undefined || ports.inputs.length === 1
      ? {}
      : { inputs: ports.inputs.map((port) => port.shape) }),
    ...(targets === undefined ? {} : { targets }),
    ...(parts === undefined ? {} : { parts }),
  };
  checkDataset(data, { isNamed: classes !== undefined, outputs });
  return data;
}

type Label = number | string;

function classify(
  where: string,
  labels: readonly Label[],
  given: readonly string[] | undefined,
): Pick<Dataset, 'classes'> & { readonly labels: Int32Array } {
  const names = new Set(labels.filter((label) => typeof label === 'string'));
  if (names.size === 0) {
    const indices = Int32Array.from(labels as readonly number[]);
    return { labels: indices, classes: given ?? numbered(where, labels as readonly number[]) };
  }
  if (names.size > maxClasses) throw tooMany(where, names.size);
  const classes = given ?? [...names].sort();
  const indexOf = new Map(classes.map((name, index) => [name, index]));
  const unknown = labels.find((label) => !indexOf.has(String(label)));
  if (unknown !== undefined) {
    const message = `has the label "${printable(String(unknown))}", which no class has`;
    throw badData(where, message, `the classes are ${printable(classes.slice(0, 20).join(', '))}`);
  }
  return { labels: Int32Array.from(labels, (label) => indexOf.get(String(label)) ?? 0), classes };
}

/** '0', '1' … to the largest label. */
function numbered(where: string, labels: readonly number[]): readonly string[] {
  const bad = labels.findIndex((label) => !Number.isInteger(label) || label < 0);
  if (bad >= 0) {
    const message = `sample ${bad} has the label ${labels[bad]}`;
    throw badData(where, message, 'labels are names, or integers from 0');
  }
  const most = labels.reduce((high, label) => Math.max(high, label), 0);
  if (most >= maxClasses) throw tooMany(where, most + 1);
  return Array.from({ length: most + 1 }, (_, label) => String(label));
}

function tooMany(where: string, count: number) {
  const message = `has labels of ${count} classes; at most ${maxClasses} are possible`;
  return badData(where, message, 'labels are class indices, or names of classes');
}
