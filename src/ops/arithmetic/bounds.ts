/** Proven bounds of stored values, channel by channel of the last axis: what `range` is made of. */
import type { Shape, Tensor } from '../../ir/graph.js';
import type { ChannelBounds, ChannelTie } from '../../ir/op.js';
import { integerRange } from './quant.js';

/** The least and the greatest value, both included. */
export type Range = readonly [low: number, high: number];

/** Extent of the last axis; 1 for a scalar. */
export function channelCount({ shape }: { readonly shape: Shape }): number {
  return shape.at(-1) ?? 1;
}

/** @param rangeOf called with each channel, in order */
export function boundsOf(channels: number, rangeOf: (channel: number) => Range): ChannelBounds {
  const min = new Int32Array(channels);
  const max = new Int32Array(channels);
  for (let channel = 0; channel < channels; channel += 1) {
    [min[channel], max[channel]] = rangeOf(channel) as [number, number];
  }
  return { min, max };
}

/** All that the tensor's type can hold. */
export function anyBounds(tensor: Pick<Tensor, 'shape' | 'dtype'>): ChannelBounds {
  const whole = integerRange[tensor.dtype as keyof typeof integerRange] ?? [
    -(2 ** 31),
    2 ** 31 - 1,
  ];
  return boundsOf(channelCount(tensor), () => whole);
}

/** The elements of each channel, joined. `low` and `high`: bounds element by element. */
export function elementBounds(
  channels: number,
  low: ArrayLike<number>,
  high: ArrayLike<number> = low,
): ChannelBounds {
  const { min, max } = boundsOf(channels, () => [2 ** 31 - 1, -(2 ** 31)]);
  for (let i = 0; i < low.length; i += 1) {
    const channel = i % channels;
    min[channel] = Math.min(min[channel] as number, low[i] as number);
    max[channel] = Math.max(max[channel] as number, high[i] as number);
  }
  return { min, max };
}

export function rangeAt({ min, max }: ChannelBounds, channel: number): Range {
  return [min[channel] as number, max[channel] as number];
}

/** What holds for every channel. */
export function hullOf({ min, max }: ChannelBounds): Range {
  return [
    min.reduce((least, x) => Math.min(least, x), 2 ** 31 - 1),
    max.reduce((most, x) => Math.max(most, x), -(2 ** 31)),
  ];
}

/** The bounds through a function that never falls as its argument rises. */
export function mapBounds(
  bounds: ChannelBounds,
  rising: (value: number, channel: number) => number,
): ChannelBounds {
  return { min: bounds.min.map(rising), max: bounds.max.map(rising) };
}

/** A channel's only value; null if it may have several. */
export function constantOf(bounds: ChannelBounds, channel: number): number | null {
  const [low, high] = rangeAt(bounds, channel);
  return low === high ? low : null;
}

/** Output 0 has the operand's channels, one for one. */
export function tieOf(input: number): ChannelTie {
  return { input, output: 0, first: 0, repeat: 1 };
}
