/** Exact bounds of the accumulators of convolutions and fully connected layers. */
import type { NodeView } from '../../ir/graph.js';
import type { ChannelBounds } from '../../ir/op.js';
import type { Window, WindowDims } from '../shape/window.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  finish,
  inputZeroPoint,
  type OutputStage,
  weightsOf,
  wraps,
} from './accumulation.js';
import { boundsOf, type Range, rangeAt } from './bounds.js';
import { clamp } from './quant.js';

/** The input values that the weights of a channel multiply. */
export interface Reading {
  /** Taps of the window. */
  readonly kernelH: number;
  readonly kernelW: number;
  /** Weights of one tap: a channel's i-th weight belongs to tap ⌊i / perTap⌋. */
  readonly perTap: number;
  /** The input channel that an output channel's i-th weight multiplies. */
  inputChannel(channel: number, i: number): number;
  /** The sets of taps inside the image, over all positions; taps outside read the zero point. */
  readonly insides: readonly Inside[];
}

/** Taps [top, bottom) × [left, right). */
export interface Inside {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** A window of one tap, without padding. */
export const onlyTap: Pick<Reading, 'kernelH' | 'kernelW' | 'insides'> = {
  kernelH: 1,
  kernelW: 1,
  insides: [{ top: 0, bottom: 1, left: 0, right: 1 }],
};

/**
 * Bounds of bias + Σ x·w, the input's zero point folded into the bias, over every input within
 * `input`. Each position of the window is bounded separately, so padding widens the bounds only of
 * positions that it reaches. The bounds are tight if all input channels can be at their bounds at
 * once.
 */
export function accumulatorBounds(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  { kernelH, kernelW, perTap, inputChannel, insides }: Reading,
  input: ChannelBounds,
): ChannelBounds {
  const biases = biasesFor(view, filters, true);
  const weights = weightsOf(view);
  const zeroPoint = inputZeroPoint(view);
  const low = new Float64Array(kernelH * kernelW);
  const high = new Float64Array(kernelH * kernelW);
  return boundsOf(filters.channels, (channel) => {
    // The sum with all taps in the padding; `low` and `high` hold the change for a tap inside.
    let outside = biases[channel] as number;
    for (let tap = 0, i = 0; tap < low.length; tap += 1) {
      let [least, most, sum] = [0, 0, 0];
      for (let c = 0; c < perTap; c += 1, i += 1) {
        const weight = weights[filters.position(channel, i)] as number;
        if (weight === 0) continue;
        const from = inputChannel(channel, i);
        const [a, b] = [input.min[from] as number, input.max[from] as number];
        least += weight * (weight > 0 ? a : b);
        most += weight * (weight > 0 ? b : a);
        sum += weight;
      }
      low[tap] = least - sum * zeroPoint;
      high[tap] = most - sum * zeroPoint;
      outside += sum * zeroPoint;
    }
    const lows = rectangleSums(low, kernelW);
    const highs = rectangleSums(high, kernelW);
    let range: Range = [Infinity, -Infinity];
    for (const inside of insides) {
      range = [Math.min(range[0], lows(inside)), Math.max(range[1], highs(inside))];
    }
    return [outside + range[0], outside + range[1]];
  });
}

/** Sums over any rectangle of a row-major matrix, from prefix sums. */
function rectangleSums(matrix: Float64Array, width: number): (inside: Inside) => number {
  const height = matrix.length / width;
  const stride = width + 1;
  const sums = new Float64Array((height + 1) * stride);
  const to = (y: number, x: number) => sums[y * stride + x] as number;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const element = matrix[y * width + x] as number;
      sums[(y + 1) * stride + x + 1] = element + to(y, x + 1) + to(y + 1, x) - to(y, x);
    }
  }
  return ({ top, bottom, left, right }) =>
    to(bottom, right) - to(top, right) - to(bottom, left) + to(top, left);
}

/** Bounds of the stored outputs from those of the accumulators: requantization is monotonic. */
export function stageBounds(stage: OutputStage, accumulators: ChannelBounds): ChannelBounds {
  return boundsOf(accumulators.min.length, (channel) => {
    const [low, high] = rangeAt(accumulators, channel);
    // A shift that wraps leaves only the clamp as a bound.
    if (wraps(stage, channel, low, high)) {
      return [clamp(-Infinity, stage.min, stage.max), clamp(Infinity, stage.min, stage.max)];
    }
    return [finish(stage, low, channel), finish(stage, high, channel)];
  });
}

type Extents = Pick<WindowDims, 'inH' | 'inW' | 'outH' | 'outW' | 'kernelH' | 'kernelW'>;

/** The distinct sets of taps that lie inside the image, over all output positions. */
export function insidesOf(window: Window, extents: Extents): readonly Inside[] {
  const { inH, inW, outH, outW, kernelH, kernelW } = extents;
  const { padTop, padLeft, strideH, strideW, dilationH, dilationW } = window;
  const rows = tapRangesOf(kernelH, inH, outH, strideH, dilationH, padTop);
  const columns = tapRangesOf(kernelW, inW, outW, strideW, dilationW, padLeft);
  return rows.flatMap(([top, bottom]) =>
    columns.map(([left, right]) => ({ top, bottom, left, right })),
  );
}

type TapRange = readonly [first: number, end: number];

function tapRangesOf(
  kernel: number,
  input: number,
  output: number,
  stride: number,
  dilation: number,
  pad: number,
): readonly TapRange[] {
  const ranges = new Map<string, TapRange>();
  for (let o = 0; o < output; o += 1) {
    const start = o * stride - pad;
    const first = clamp(Math.ceil(-start / dilation), 0, kernel);
    const end = clamp(Math.ceil((input - start) / dilation), first, kernel);
    ranges.set(`${first} ${end}`, [first, end]);
  }
  return [...ranges.values()];
}
