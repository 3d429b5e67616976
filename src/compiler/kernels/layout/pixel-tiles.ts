/**
 * Tiles of packed pixels: three in two words, a + 2^21 b and c + 2^11 b, so that an int8 weight
 * multiplies three pixels with two products. All arithmetic is modulo 2^32; only the whole sum of a
 * run of taps must fit its lane of 21 bits, which is proved from the weights and the input's bounds.
 */
import type { NodeView } from '../../ir/graph.js';
import { type Filters, weightRows } from '../../ops/arithmetic/accumulation.js';
import type { Range } from '../../ops/arithmetic/bounds.js';
import { isPixelRow, pixelsOf } from './convolution.js';
import { type Access, isBeyondBoards, leadOf, outputBytes, type WindowShape } from './overlap.js';

/** Weights per word. */
const perQuad = 4;

/** Pixels that are computed together, and their packed words per tap. */
export interface Tile {
  readonly pixels: number;
  readonly words: number;
}

export const nine: Tile = { pixels: 9, words: 6 };
export const six: Tile = { pixels: 6, words: 4 };
/** For the last pixels. */
export const three: Tile = { pixels: 3, words: 2 };

/** The narrowest lane holds −laneLimit … laneLimit − 1. */
export const laneLimit = 2 ** 20;

/** Taps of a filter in whole words of weights. */
export function paddedDepth({ depth }: { readonly depth: number }): number {
  return Math.ceil(depth / perQuad) * perQuad;
}

/** The weights of each channel. */
export function rowsOf(view: NodeView<object>, filters: Filters): readonly Int8Array[] {
  const { channels, depth } = filters;
  const weights = weightRows(view, filters);
  return Array.from({ length: channels }, (_, channel) =>
    weights.subarray(channel * depth, (channel + 1) * depth),
  );
}

/** Rows of weights one after the other, each padded with zeros to `padded`. */
export function paddedRows(rows: readonly Int8Array[], padded: number): Int8Array {
  const all = new Int8Array(rows.length * padded);
  rows.forEach((row, i) => {
    all.set(row, i * padded);
  });
  return all;
}

/**
 * Length of the longest runs, the same in all channels, whose sums fit a lane. Four taps always
 * fit: a product is at most 2^14.
 *
 * @param weights rows of `padded` weights, one row per channel
 */
export function longestRun(weights: Int8Array, padded: number, inputs: readonly Range[]): number {
  for (let runs = 1; ; runs += 1) {
    const run = Math.ceil(padded / runs / perQuad) * perQuad;
    if (run === perQuad || runsFit(weights, padded, run, inputs)) return run;
  }
}

function runsFit(
  weights: Int8Array,
  padded: number,
  run: number,
  inputs: readonly Range[],
): boolean {
  for (let begin = 0; begin < weights.length; begin += padded) {
    for (let first = 0; first < padded; first += run) {
      let [min, max] = [0, 0];
      for (let i = first; i < Math.min(first + run, inputs.length); i += 1) {
        const weight = weights[begin + i] as number;
        const [low, high] = inputs[i] as Range;
        min += weight * (weight > 0 ? low : high);
        max += weight * (weight > 0 ? high : low);
      }
      if (min < -laneLimit || max >= laneLimit) return false;
    }
  }
  return true;
}

/**
 * Tiles of `tile` pixels, and of three: the last pixels form tiles of three if they are fewer than
 * the other tile.
 */
export function tileCounts(
  shape: WindowShape,
  tile: Tile,
): readonly [wide: number, narrow: number] {
  const pixels = pixelsOf(shape);
  const wide = Math.floor((pixels + three.pixels - 1) / tile.pixels);
  const left = Math.max(0, pixels - wide * tile.pixels);
  return [wide, Math.ceil(left / three.pixels)];
}

/** Bytes of scratch for the packed taps of a tile. */
export function packedBytes(shape: WindowShape, tile: Tile, taps: number): number {
  const [wide] = tileCounts(shape, tile);
  return 4 * (wide > 0 ? tile : three).words * taps;
}

/** Bytes of scratch for the windows of three pixels; none for pixels that are read in place. */
export function patchBytes(shape: WindowShape, depth: number): number {
  return isPixelRow(shape) ? 0 : 3 * paddedDepth({ depth });
}

/**
 * Least distance from output 0 to the input, in bytes (kernels/layout/overlap.ts): all windows of a
 * tile are read before any of its outputs is written.
 */
export function tileLead(shape: WindowShape, tile: Tile): number {
  if (isBeyondBoards(shape)) return outputBytes(shape);
  const { batches, inH, inW, inC, outH, outW, outC, strideH, strideW, padTop, padLeft } = shape;
  const pixels = pixelsOf(shape);
  const [wide] = tileCounts(shape, tile);
  /** The first byte under a window or an earlier one. */
  const firstRead = (pixel: number) => {
    const [row, ox] = [Math.floor(pixel / outW), pixel % outW];
    const [n, oy] = [Math.floor(row / outH), row % outH];
    const y = Math.max(0, oy * strideH - padTop);
    return ((n * inH + y) * inW + Math.max(0, ox * strideW - padLeft)) * inC;
  };
  const accesses: Access[] = [];
  for (let pixel = 0; pixel < pixels; ) {
    const { pixels: count } = accesses.length < wide ? tile : three;
    const end = Math.min(pixels, pixel + count);
    let reads = Infinity;
    for (; pixel < end; pixel += 1) reads = Math.min(reads, firstRead(pixel));
    accesses.push({ reads, end: end * outC });
  }
  return leadOf(accesses, batches * inH * inW * inC);
}
