/**
 * The positions of a layer's stored weights; all other weights are zero. Positions are fields of
 * one width, in reading order: output channel after output channel, tap after tap.
 *
 * gaps: the number of zeros before each weight, and after the last one. A field of ones means that
 * the gap is longer: the next field is added. With fields of one bit this is a bitmap. A gap may
 * extend into the next channels.
 *
 * blocks: the same with blocks of taps, equal in all channels, instead of taps. All weights of a
 * block are stored unless all are zero.
 *
 * groups: of each `size` taps `count` are stored; the fields are their indices in the group (N:M
 * sparsity). With groups of one tap all weights are stored, without fields.
 */
import type { FieldReader, FieldWriter } from './bits.js';
import { fieldStreamBytes } from './bits.js';
import type { Histogram } from './value-code.js';

export type Positions =
  | { readonly kind: 'gaps'; readonly width: number }
  | {
      readonly kind: 'blocks';
      readonly width: number;
      /** First tap of each block, then the number of taps. */
      readonly starts: Uint16Array;
    }
  | {
      readonly kind: 'groups';
      readonly width: number;
      readonly size: number;
      readonly count: number;
    };

/** The weights of a layer: int8[channels][depth]. */
export interface WeightRows {
  readonly data: Int8Array;
  readonly channels: number;
  readonly depth: number;
}

export interface PositionChoice {
  readonly positions: Positions;
  /** Bytes of the fields and their table. */
  readonly bytes: number;
  readonly fields: number;
  /** The stored values. */
  readonly histogram: Histogram;
}

/** With fewer zeros than this, gaps cannot pay for their bits. */
const fewestZeros = 1 / 16;
const widths = [1, 2, 3, 4, 5, 8];
/** Share of the positions' bytes that fewer fields may cost. */
const widerBytes = 1 / 16;
const groupSizes = [4, 8, 16];
/** A boundary between blocks costs about as much as this many zero weights. */
const zerosPerBoundary = 4;

/** The ways to encode the positions; the best of each kind. */
export function positionChoices(layer: WeightRows): readonly PositionChoice[] {
  const { data } = layer;
  const all = histogramOf(data);
  const zeros = all[128] as number;
  const every: PositionChoice = {
    positions: { kind: 'groups', width: 0, size: 1, count: 1 },
    bytes: 0,
    fields: 0,
    histogram: all,
  };
  if (zeros < data.length * fewestZeros) return [every];
  return [
    every,
    gapsOf(layer, all),
    ...blocksOf(layer, all),
    ...groupSizes.flatMap((size) => groupsOf(layer, size, all)),
  ];
}

function histogramOf(data: Int8Array): Histogram {
  const histogram = new Float64Array(256);
  for (const value of data) histogram[value + 128] = (histogram[value + 128] as number) + 1;
  return histogram;
}

function withZeros(histogram: Histogram, zeros: number): Histogram {
  const copy = histogram.slice();
  copy[128] = zeros;
  return copy;
}

/**
 * How often each gap occurs between positions for which `isStored` holds, and after the last one.
 */
function countGaps(positions: number, isStored: (at: number) => boolean): Map<number, number> {
  const counts = new Map<number, number>();
  let end = 0;
  for (let at = 0; at <= positions; at += 1) {
    if (at < positions && !isStored(at)) continue;
    counts.set(at - end, (counts.get(at - end) ?? 0) + 1);
    end = at + 1;
  }
  return counts;
}

/** The widest fields whose bytes are close to the minimum, since wider fields are fewer. */
function bestWidth(counts: Map<number, number>) {
  const choices = widths.map((width) => {
    const longest = 2 ** width - 1;
    let fields = 0;
    for (const [gap, count] of counts) fields += count * (Math.floor(gap / longest) + 1);
    return { width, fields, bytes: fieldStreamBytes(fields, width) };
  });
  const fewest = choices.reduce((least, { bytes }) => Math.min(least, bytes), Infinity);
  return choices.reduce((a, b) => (b.bytes <= fewest * (1 + widerBytes) ? b : a));
}

function gapsOf({ data }: WeightRows, all: Histogram): PositionChoice {
  const { width, ...size } = bestWidth(countGaps(data.length, (at) => data[at] !== 0));
  return { positions: { kind: 'gaps', width }, ...size, histogram: withZeros(all, 0) };
}

/** Empty if neighbouring taps have nothing in common. */
function blocksOf(layer: WeightRows, all: Histogram): readonly PositionChoice[] {
  const { data, channels, depth } = layer;
  const starts = blockStarts(layer);
  const blocks = starts.length - 1;
  if (blocks > depth / 2 || depth > 65535) return [];
  const isStored = (at: number) => blockAt(layer, starts, at).some((weight) => weight !== 0);
  const { width, fields, bytes } = bestWidth(countGaps(channels * blocks, isStored));
  let stored = 0;
  for (let at = 0; at < channels * blocks; at += 1) {
    if (isStored(at)) stored += blockAt(layer, starts, at).length;
  }
  const weights = data.length - (all[128] as number);
  return [
    {
      positions: { kind: 'blocks', width, starts },
      bytes: bytes + starts.byteLength,
      fields,
      histogram: withZeros(all, stored - weights),
    },
  ];
}

/** Neighbouring taps form a block if hardly any channel has a weight at only one of them. */
function blockStarts({ data, channels, depth }: WeightRows): Uint16Array {
  const starts = [0];
  for (let tap = 1; tap < depth; tap += 1) {
    let differing = 0;
    for (let at = tap; at < data.length; at += depth) {
      if ((data[at] === 0) !== (data[at - 1] === 0)) differing += 1;
    }
    if (differing > zerosPerBoundary + channels / 32) starts.push(tap);
  }
  return Uint16Array.from([...starts, depth]);
}

/** The weights of block `at`, over all channels. */
function blockAt({ data, depth }: WeightRows, starts: ArrayLike<number>, at: number): Int8Array {
  const blocks = starts.length - 1;
  const row = Math.floor(at / blocks) * depth;
  const block = at % blocks;
  return data.subarray(row + (starts[block] as number), row + (starts[block + 1] as number));
}

/** Each group stores as many weights as the fullest has. Empty if channels are not whole groups. */
function groupsOf(
  { data, depth }: WeightRows,
  size: number,
  all: Histogram,
): readonly PositionChoice[] {
  if (depth % size !== 0) return [];
  let count = 1;
  for (let first = 0; first < data.length; first += size) {
    let weights = 0;
    for (let i = first; i < first + size; i += 1) if (data[i] !== 0) weights += 1;
    count = Math.max(count, weights);
    if (count > size / 2) return [];
  }
  const width = Math.log2(size);
  const fields = (data.length / size) * count;
  const weights = data.length - (all[128] as number);
  return [
    {
      positions: { kind: 'groups', width, size, count },
      bytes: fieldStreamBytes(fields, width),
      fields,
      histogram: withZeros(all, fields - weights),
    },
  ];
}

/** Writes the fields, and each weight by `put`. */
export function putWeights(
  fields: FieldWriter,
  layer: WeightRows,
  positions: Positions,
  put: (value: number) => void,
): void {
  if (positions.kind === 'groups') {
    putGroups(fields, layer.data, positions, put);
    return;
  }
  const starts = startsOf(positions, layer.depth);
  const longest = 2 ** positions.width - 1;
  const end = layer.channels * (starts.length - 1);
  let next = 0;
  for (let at = 0; at <= end; at += 1) {
    const block = at < end ? blockAt(layer, starts, at) : [];
    if (at < end && block.every((weight) => weight === 0)) continue;
    let gap = at - next;
    for (; gap >= longest; gap -= longest) fields.put(longest);
    fields.put(gap);
    block.forEach(put);
    next = at + 1;
  }
}

/** Each tap is a block, and there may be more taps than 16 bits count. */
function startsOf(
  positions: Positions & { kind: 'gaps' | 'blocks' },
  depth: number,
): ArrayLike<number> {
  if (positions.kind === 'blocks') return positions.starts;
  return Uint32Array.from({ length: depth + 1 }, (_, tap) => tap);
}

function putGroups(
  fields: FieldWriter,
  data: Int8Array,
  { size, count }: Positions & { kind: 'groups' },
  put: (value: number) => void,
): void {
  for (let first = 0; first < data.length; first += size) {
    const group = data.subarray(first, first + size);
    const stored = [...group.keys()].filter((index) => group[index] !== 0);
    for (let i = 0; i < count; i += 1) {
      const index = stored[i] ?? 0;
      if (size > 1) fields.put(index);
      put(i < stored.length ? (group[index] as number) : 0);
    }
  }
}

/** int8[channels][depth] as written; `take` returns the weights in order. */
export function takeWeights(
  fields: FieldReader,
  positions: Positions,
  take: () => number,
  { channels, depth }: Omit<WeightRows, 'data'>,
): Int8Array {
  const data = new Int8Array(channels * depth);
  if (positions.kind === 'groups') {
    const { size, count } = positions;
    for (let first = 0; first < data.length; first += size) {
      for (let i = 0; i < count; i += 1) {
        const at = first + (size > 1 ? fields.take() : 0);
        data[at] = (data[at] as number) + take();
      }
    }
    return data;
  }
  const starts = startsOf(positions, depth);
  const longest = 2 ** positions.width - 1;
  const end = channels * (starts.length - 1);
  for (let at = 0; ; at += 1) {
    let field = longest;
    while (field === longest) {
      field = fields.take();
      at += field;
    }
    if (at >= end) return data;
    const block = blockAt({ data, channels, depth }, starts, at);
    for (const i of block.keys()) block[i] = take();
  }
}
