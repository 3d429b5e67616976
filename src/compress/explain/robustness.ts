/** How answers hold under changes of the samples: the compressed model beside the original. */
import { elementCount, type Graph, type Shape } from '../../compiler/ir/graph.js';
import { type Augmentation, type AugmentKind, augment } from '../data/augment.js';
import type { Dataset } from '../data/dataset.js';
import { imageExtents } from '../data/image.js';
import { makeRandom, seedFor } from '../random.js';
import {
  type Answers,
  agreement,
  classesOf,
  floatAnswers,
  integerAnswers,
  signalToNoise,
} from '../score.js';
import { answerOf } from '../task.js';
import type { Tf } from '../tensorflow.js';

export interface Disturbance {
  readonly name: string;
  change: Augmentation;
}

/** What both models do on the same samples. */
export interface Comparison {
  readonly disturbance: string;
  /** Shares of right answers; null without labels. */
  readonly original: number | null;
  readonly compressed: number | null;
  /** Share of samples that both put into one class; null for models without classes. */
  readonly agreement: number | null;
  /** Of the compressed model's outputs against the original's, in dB. */
  readonly snrDb: number;
  /** Right answers by class; empty without labels. */
  readonly classes: readonly { readonly original: number; readonly compressed: number }[];
}

/** The kind of data that samples of a shape are, where nothing else says it. */
export function kindOf(shape: Shape): AugmentKind {
  if (shape.length === 3 && imageExtents(shape) !== null) return 'image';
  const isLine = elementCount(shape) === Math.max(...shape);
  return isLine ? 'audio' : 'series';
}

/** Changes of samples by their kind; each moves one thing, some and more. */
export function disturbancesOf(kind: AugmentKind, shape: Shape): readonly Disturbance[] {
  const channels = kind === 'audio' ? 1 : (shape.at(-1) ?? 1);
  const rows = [elementCount(shape) / channels, channels];
  // Noise and gain in units of the samples' own deviation, for any kind.
  const noise = (jitter: number) => augment('series', rows, { jitter, scale: 0, shift: 0 });
  const gain = (scale: number) => augment('series', rows, { jitter: 0, scale, shift: 0 });
  const shared = [
    { name: 'noise 10 %', change: noise(0.1) },
    { name: 'noise 30 %', change: noise(0.3) },
    { name: 'gain ± 20 %', change: gain(0.2) },
    { name: 'gain ± 50 %', change: gain(0.5) },
  ];
  switch (kind) {
    case 'audio': {
      const shift = (share: number) => augment('audio', shape, { shift: share, gain: 0, noise: 0 });
      return [...shared, ...shifts(shift)];
    }
    case 'series': {
      // The first axis is time, whatever the others mean.
      const [steps = 1] = shape;
      const flat = [steps, elementCount(shape) / steps];
      const still = { jitter: 0, scale: 0 };
      return [...shared, ...shifts((shift) => augment('series', flat, { ...still, shift }))];
    }
    case 'image': {
      const still = { shift: 0, brightness: 0 };
      const change = (options: object) => augment('image', shape, { ...still, ...options });
      return [
        ...shared,
        ...shifts((share) => change({ shift: share })),
        { name: 'a quarter of the side covered', change: change({ cutout: 0.25 }) },
      ];
    }
  }
}

const shifts = (shift: (share: number) => Augmentation): readonly Disturbance[] => [
  { name: 'shift ± 5 %', change: shift(0.05) },
  { name: 'shift ± 15 %', change: shift(0.15) },
];

export interface Pair<T> {
  readonly original: T;
  readonly compressed: T;
}

/** @param models the float graph as it was given, and the int8 graph */
export function answersTo(tf: Tf, models: Pair<Graph>, samples: Dataset): Pair<Answers> {
  return {
    original: floatAnswers(tf, models.original, samples),
    compressed: integerAnswers(tf, models.compressed, samples),
  };
}

/**
 * Both models on the samples as they are, then under each disturbance.
 *
 * @param clean answers to the samples as they are
 */
export function compareRobustness(
  tf: Tf,
  models: Pair<Graph>,
  clean: Pair<Answers>,
  data: Dataset,
  disturbances: readonly Disturbance[],
  seed: number,
): readonly Comparison[] {
  const { kind } = answerOf(models.original, data);
  const compared = (name: string, answers: Pair<Answers>): Comparison => {
    const snrDb = signalToNoise(answers.original.values, answers.compressed.values);
    if (kind === 'values') {
      const none = { original: null, compressed: null, agreement: null, classes: [] };
      return { disturbance: name, ...none, snrDb };
    }
    return { disturbance: name, ...comparedClasses(answers, data), snrDb };
  };
  return [
    compared('none', clean),
    ...disturbances.map((one) =>
      compared(one.name, answersTo(tf, models, disturbed(data, one, seed))),
    ),
  ];
}

function comparedClasses({ original, compressed }: Pair<Answers>, { labels, classes }: Dataset) {
  const [a, b] = [classesOf(original), classesOf(compressed)];
  const both = agreement(a, b);
  if (labels === null) return { original: null, compressed: null, agreement: both, classes: [] };
  const rightOf = (answers: Int32Array, label: number) => {
    const own = answers.filter((_, i) => labels[i] === label);
    return agreement(own, new Int32Array(own.length).fill(label));
  };
  return {
    original: agreement(a, labels),
    compressed: agreement(b, labels),
    agreement: both,
    classes: (classes ?? []).map((_, label) => ({
      original: rightOf(a, label),
      compressed: rightOf(b, label),
    })),
  };
}

function disturbed(data: Dataset, { name, change }: Disturbance, seed: number): Dataset {
  const random = makeRandom(seedFor(seed, 'disturbance', name));
  const size = elementCount(data.shape);
  const x = new Float32Array(data.x.length);
  for (let i = 0; i < data.count; i += 1) {
    x.set(change(data.x.subarray(i * size, (i + 1) * size), random), i * size);
  }
  return { ...data, x };
}
