/**
 * Tables of the portable kernels: output channels in lanes of four, in reading order.
 *
 * A group of four channels is computed at once. If the channels of a convolution group are not a
 * multiple of four, the last group begins earlier and overlaps the one before (it computes the same
 * values again), so a kernel needs no code for the rest. With fewer than four channels, the
 * remaining lanes have zero weights and are not stored, or the weights stay bytes.
 */

import type { Filters, OutputStage } from '../../ops/arithmetic/accumulation.js';
import type { Table } from '../variant.js';

/** Channels computed at once. */
export const lanes = 4;

/** Channels that a group of lanes stores: four, or all if there are fewer. */
export function storedLanes(channels: number): number {
  return Math.min(lanes, channels);
}

/** Whether lanes of four would stay partly empty, but cost as much as full ones. */
export function isFew(channels: number): boolean {
  return channels < lanes;
}

/** What multiplies the lanes of a block: four at once, or fewer one by one. */
export function laneWords(channels: number) {
  return isFew(channels)
    ? {
        dot: 'portable/dot_few',
        pad: 'portable/pad_few',
        weight: 'int8_t',
        more: ', depth, output.lanes',
      }
    : { dot: 'portable/dot4', pad: 'portable/pad4', weight: 'uint32_t', more: '' };
}

/** First channel of each group of lanes, for `channels` channels from `first`. */
export function laneBlocks(channels: number, first = 0): readonly number[] {
  return Array.from({ length: Math.ceil(channels / lanes) }, (_, group) =>
    Math.max(first, Math.min(first + group * lanes, first + channels - lanes)),
  );
}

/**
 * Weights of four channels in one word, lane 0 lowest, tap after tap: uint32[groups][depth].
 * Channels from `end` on have zero weights.
 */
export function interleaveWeights(
  groups: readonly number[],
  weights: Int8Array,
  { depth, position }: Filters,
  end: number,
): Table {
  const data = new Uint32Array(groups.length * depth);
  groups.forEach((first, group) => {
    for (let lane = 0; lane < lanes && first + lane < end; lane += 1) {
      for (let i = 0; i < depth; i += 1) {
        const byte = (weights[position(first + lane, i)] as number) & 255;
        const word = group * depth + i;
        data[word] = (data[word] as number) | (byte << (8 * lane));
      }
    }
  });
  return { data, role: 'weights' };
}

/**
 * Weights of a portable kernel, for `channels` channels from `first`: lanes of four, or for fewer
 * channels a row of bytes each, int8[channels][depth].
 */
export function laneWeights(
  first: number,
  channels: number,
  weights: Int8Array,
  filters: Filters,
): Table {
  const { depth, position } = filters;
  if (!isFew(channels)) {
    return interleaveWeights(laneBlocks(channels, first), weights, filters, first + channels);
  }
  const data = Int8Array.from(
    { length: channels * depth },
    (_, i) => weights[position(first + Math.floor(i / depth), i % depth)] as number,
  );
  return { data, role: 'weights' };
}

/** Bias, multiplier and shift of each channel of each group: int32[groups][width][3]. */
export function stageTable(
  groups: readonly number[],
  stage: OutputStage,
  biases: Int32Array,
  end: number,
  width = lanes,
): Table {
  const data = new Int32Array(groups.length * width * 3);
  groups.forEach((first, group) => {
    for (let lane = 0; lane < width && first + lane < end; lane += 1) {
      const channel = first + lane;
      const { multiplier = 0, shift = 0 } = stage.multipliers[channel] ?? {};
      data.set([biases[channel] as number, multiplier, shift], (group * width + lane) * 3);
    }
  });
  return { data, role: 'table' };
}
