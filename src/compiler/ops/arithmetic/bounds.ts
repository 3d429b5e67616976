/** Proven bounds of stored values, for each channel of the last axis: helpers of `range`. */
import { dtypes, type Shape, type Tensor } from '../../ir/graph.js';
import type { ChannelBounds } from '../../ir/op.js';

/** The least and the greatest value, both inclusive. */
export type Range = readonly [low: number, high: number];

/** Extent of the last axis; 1 for a scalar. */
export function channelCount({ shape }: { readonly shape: Shape }): number {
  return shape.at(-1) ?? 1;
}

/** @param rangeOf called for each channel in order */
export function boundsOf(channels: number, rangeOf: (channel: number) => Range): ChannelBounds {
  const min = new Int32Array(channels);
  const max = new Int32Array(channels);
  for (let channel = 0; channel < channels; channel += 1) {
    [min[channel], max[channel]] = rangeOf(channel) as [number, number];
  }
  return { min, max };
}

/** The same bounds for all channels of a tensor. */
export function sameBounds(tensor: { readonly shape: Shape }, range: Range): ChannelBounds {
  return boundsOf(channelCount(tensor), () => range);
}

/** The bounds of the tensor's type. */
export function anyBounds(tensor: Pick<Tensor, 'shape' | 'dtype'>): ChannelBounds {
  const whole = dtypes[tensor.dtype].range ?? dtypes.int32.range;
  return sameBounds(tensor, whole);
}

/** Bounds of each channel from bounds of each element, `low` and `high`. */
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

/** The range over all channels. */
export function hullOf({ min, max }: ChannelBounds): Range {
  return [
    min.reduce((least, x) => Math.min(least, x), 2 ** 31 - 1),
    max.reduce((most, x) => Math.max(most, x), -(2 ** 31)),
  ];
}

/** The bounds of a tensor whose elements are among those of an input, from its channel if it keeps them. */
export function takenBounds(
  tensor: { readonly shape: Shape },
  input: ChannelBounds,
  keepsChannels: boolean,
): ChannelBounds {
  return keepsChannels ? input : sameBounds(tensor, hullOf(input));
}

/** The image of the bounds under a non-decreasing function. */
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
