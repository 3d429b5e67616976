/** Seeded changes of samples that leave their class as it is. */

import { elementCount, type Shape } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import { imageExtents } from './image.js';
import { shapeText } from './samples.js';

/** Uniform in [0, 1). */
export type RandomSource = () => number;

/** A changed copy of a sample. */
export type Augmentation = (sample: Float32Array, random: RandomSource) => Float32Array;

/** The most by which a sample changes; 0 leaves a change out. Drawn evenly from ± the most. */
export interface AugmentOptions {
  readonly audio: {
    /** Share of the length by which it moves; what moves in is silence. Default 0.1. */
    readonly shift?: number | undefined;
    /** Decibels. Default 6. */
    readonly gain?: number | undefined;
    /** Deviation of white noise, in units of the samples; drawn from 0 to this. Default 0.005. */
    readonly noise?: number | undefined;
  };
  readonly image: {
    /** Share of height and width by which it moves; its border is repeated. Default 0.1. */
    readonly shift?: number | undefined;
    /** Whether half of the images are mirrored, left to right. Default false. */
    readonly flip?: boolean | undefined;
    /** In units of the samples. Default 0.1. */
    readonly brightness?: number | undefined;
    /** Side of a square, as a share of the shorter side, that becomes the mean. Default 0. */
    readonly cutout?: number | undefined;
  };
  readonly series: {
    /** Deviation of noise, as a share of the deviation of the channel. Default 0.05. */
    readonly jitter?: number | undefined;
    /** Share by which each channel's amplitude changes. Default 0.1. */
    readonly scale?: number | undefined;
    /** Share of the steps by which it moves; its ends are repeated. Default 0.1. */
    readonly shift?: number | undefined;
  };
}

export type AugmentKind = keyof AugmentOptions;
export const augmentKinds = ['audio', 'image', 'series'] as const satisfies readonly AugmentKind[];

/** An augmentation by name, as a recipe has it: { kind: 'image', flip: true }. */
export type AugmentSetting = {
  [K in AugmentKind]: { readonly kind: K } & AugmentOptions[K];
}[AugmentKind];

/** @throws BonsaiError 'usage', as `augment` does */
export function augmentationOf({ kind, ...options }: AugmentSetting, shape: Shape): Augmentation {
  return augment(kind, shape, options);
}

const makers: { [K in AugmentKind]: (options: AugmentOptions[K], shape: Shape) => Augmentation } = {
  audio: ofAudio,
  image: ofImages,
  series: ofSeries,
};

/**
 * Changes of samples of `shape`: audio [samples] or [samples, 1], image [height, width, channels],
 * series [steps, channels], with extents of 1 anywhere. The same numbers of `random` give the same
 * change.
 *
 * @throws BonsaiError 'usage' for a shape that the kind does not have, or an option out of range
 */
export function augment<K extends AugmentKind>(
  kind: K,
  shape: Shape,
  options: AugmentOptions[K] = {},
): Augmentation {
  for (const [name, value] of Object.entries(options)) {
    if (
      value === undefined ||
      typeof value === 'boolean' ||
      (value >= 0 && value <= (name === 'gain' ? 120 : 1))
    )
      continue;
    const hint = 'give a share from 0 to 1 (gain: decibels)';
    throw new BonsaiError('usage', `augmentation of ${kind}`, `${name} is ${value}`, hint);
  }
  return makers[kind](options, shape);
}

function ofAudio(
  { shift = 0.1, gain = 6, noise = 0.005 }: AugmentOptions['audio'],
  shape: Shape,
): Augmentation {
  if (elementCount(shape) !== Math.max(...shape)) throw wrongShape('audio', shape);
  return (sample, random) => {
    const moved = Math.round(around(random) * shift * sample.length);
    const factor = 10 ** ((around(random) * gain) / 20);
    const deviation = random() * noise;
    return sample.map((_, i) => {
      const value = (sample[i - moved] ?? 0) * factor;
      return noise === 0 ? value : value + deviation * normal(random);
    });
  };
}

function ofImages(
  { shift = 0.1, flip = false, brightness = 0.1, cutout = 0 }: AugmentOptions['image'],
  shape: Shape,
): Augmentation {
  const extents = imageExtents(shape);
  if (extents === null) throw wrongShape('image', shape);
  const [height, width, channels] = extents;
  const side = Math.round(cutout * Math.min(height, width));
  return (sample, random) => {
    const down = Math.round(around(random) * shift * height);
    const right = Math.round(around(random) * shift * width);
    const isMirrored = flip && random() < 0.5;
    const lighter = around(random) * brightness;
    const top = Math.floor(random() * (height - side + 1));
    const left = Math.floor(random() * (width - side + 1));
    const mean = sample.reduce((sum, value) => sum + value, 0) / sample.length;
    return sample.map((_, i) => {
      const y = Math.floor(i / (width * channels));
      const x = Math.floor(i / channels) % width;
      const isCut = y >= top && y < top + side && x >= left && x < left + side;
      if (isCut) return mean;
      const fromY = clamp(y - down, height);
      const fromX = clamp((isMirrored ? width - 1 - x : x) - right, width);
      return (sample[(fromY * width + fromX) * channels + (i % channels)] as number) + lighter;
    });
  };
}

function ofSeries(
  { jitter = 0.05, scale = 0.1, shift = 0.1 }: AugmentOptions['series'],
  shape: Shape,
): Augmentation {
  const [steps = 1, channels = 1, ...more] = shape.filter((extent) => extent !== 1);
  if (more.length > 0) throw wrongShape('series', shape);
  return (sample, random) => {
    const moved = Math.round(around(random) * shift * steps);
    const factors = Array.from({ length: channels }, () => 1 + around(random) * scale);
    const deviations = deviationsOf(sample, channels);
    return sample.map((_, i) => {
      const channel = i % channels;
      const step = clamp(Math.floor(i / channels) - moved, steps);
      const value = (sample[step * channels + channel] as number) * (factors[channel] as number);
      if (jitter === 0) return value;
      return value + jitter * (deviations[channel] as number) * normal(random);
    });
  };
}

function deviationsOf(sample: Float32Array, channels: number): readonly number[] {
  const steps = sample.length / channels;
  return Array.from({ length: channels }, (_, channel) => {
    let [sum, squares] = [0, 0];
    for (let i = channel; i < sample.length; i += channels) {
      sum += sample[i] as number;
      squares += (sample[i] as number) ** 2;
    }
    return Math.sqrt(Math.max(0, squares / steps - (sum / steps) ** 2));
  });
}

/** Evenly from −1 to 1. */
function around(random: RandomSource): number {
  return 2 * random() - 1;
}

/** Box and Muller's transform. */
function normal(random: RandomSource): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function clamp(index: number, count: number): number {
  return Math.min(count - 1, Math.max(0, index));
}

function wrongShape(kind: AugmentKind, shape: Shape): BonsaiError {
  const message = `takes no samples of the shape ${shapeText(shape)}`;
  const hint = 'audio is [samples], image [height, width, 1 or 3], series [steps, channels]';
  return new BonsaiError('usage', `augmentation of ${kind}`, message, hint);
}
