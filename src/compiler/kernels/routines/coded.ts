/**
 * Weights as code: what a back end (thumb1, rv32) makes a routine of. Every weight is an immediate
 * operand. A word holds an input value of two pixels, x0 + (x1 << 16): one multiplication does
 * both. Which channels are computed together (groups.ts), how an input is multiplied by their
 * weights (products.ts) and when packed sums are taken apart (runs.ts) is the same on all machines.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  inputZeroPoint,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { inputOf } from '../../ops/shape/operands.js';
import type { Convolution } from '../layout/convolution.js';
import { loweredWords, type TwoMultiply, tyingMultipliesOf } from '../layout/two-multiply.js';
import type { MatchContext, PixelsTwin, Routine, RowTwin, StageTwin } from '../variant.js';
import type { LaneRange } from './runs.js';

/** One output channel. */
export interface CodedChannel {
  /** One per tap. */
  readonly weights: ArrayLike<number>;
  /** The input's zero point folded in. */
  readonly bias: number;
  readonly requantization: TwoMultiply;
}

/** Bounds of a tap's input values, padding included, and the place of these values. */
export interface CodedTap extends LaneRange {
  /** Index among a channel's weights. */
  readonly tap: number;
  /** Index of the tap's packed word. */
  readonly word: number;
}

/** A routine and its cycles. */
export interface CodedRoutine extends Routine {
  /** Of one call. No accumulator saturates. */
  readonly cycles: number;
}

/** What a routine computes. */
export interface Coded {
  readonly channels: readonly CodedChannel[];
  readonly taps: readonly CodedTap[];
}

/** About the flash of a board: a larger routine is never chosen. */
export const maxWeights = 2 ** 18;

/**
 * The weight of each channel at each tap of all input channels. In a depthwise convolution the
 * weights of other input channels are zero, which code leaves out.
 */
export function weightAt(
  view: NodeView<AccumulationAttrs>,
  { shape, filters }: Convolution,
): (channel: number, tap: number) => number {
  const { inC, outC, kernelH, kernelW } = shape;
  const { depth, position } = filters;
  const weights = weightsOf(view);
  if (depth > kernelH * kernelW || inC === 1) {
    return (channel, tap) => weights[position(channel, tap)] as number;
  }
  const siblings = outC / inC;
  return (channel, tap) =>
    tap % inC === Math.floor(channel / siblings)
      ? (weights[position(channel, Math.floor(tap / inC))] as number)
      : 0;
}

/**
 * @param wordOf of a tap in row `ky` and column `kx` of the window, input channel `c`
 * @returns null if a channel's requantization is not proved, or if there are too many weights
 */
export function codedOf(
  view: NodeView<AccumulationAttrs>,
  context: MatchContext,
  convolution: Convolution,
  wordOf: (ky: number, kx: number, c: number) => number,
): Coded | null {
  const { shape, filters, stage } = convolution;
  const { inC, outC, kernelH, kernelW } = shape;
  const depth = kernelH * kernelW * inC;
  if (outC * depth > maxWeights) return null;
  const multiplies = tyingMultipliesOf(view, context, stage);
  if (multiplies === null) return null;
  const biases = biasesFor(view, filters, true);
  const zeroPoint = inputZeroPoint(view);
  const range = context.facts.range(inputOf(view, 0));
  const taps = Array.from({ length: depth }, (_, tap) => {
    const [position, c] = [Math.floor(tap / inC), tap % inC];
    return {
      tap,
      word: wordOf(Math.floor(position / kernelW), position % kernelW, c),
      min: Math.min(zeroPoint, range.min[c] as number),
      max: Math.max(zeroPoint, range.max[c] as number),
    };
  });
  const weight = weightAt(view, convolution);
  const channels = multiplies.map((requantization, channel) => ({
    weights: Array.from(taps, ({ tap }) => weight(channel, tap)),
    bias: biases[channel] as number,
    requantization,
  }));
  return { channels, taps };
}

/**
 * It has the third multiplication and all comparisons, even if the routine needs none.
 *
 * @param second words from there to those of the second pair of pixels; null: there is one pair
 */
export function routineTwin({ channels, taps }: Coded, second: number | null): PixelsTwin {
  return {
    kind: 'pixels',
    words: Int32Array.from(taps, ({ word }) => word),
    second,
    weights: Int8Array.from(
      channels.flatMap(({ weights }) => taps.map(({ tap }) => weights[tap] as number)),
    ),
    stages: channels.map(stageTwin),
  };
}

/**
 * @param channels weights of each, one per input
 * @param outputs how they follow from sums; null for a routine that stores sums
 */
export function rowTwin(
  channels: readonly Int8Array[],
  outputs: readonly Omit<CodedChannel, 'weights'>[] | null = null,
): RowTwin {
  return {
    ...{ kind: 'row', depth: channels[0]?.length ?? 0, channels: channels.length },
    weights: Int8Array.from(channels.flatMap((weights) => [...weights])),
    stages: outputs?.map(stageTwin) ?? null,
  };
}

function stageTwin({ bias, requantization }: Omit<CodedChannel, 'weights'>): StageTwin {
  const { base, top, high, low, lower, offset, shift } = requantization;
  const { lift, zeroPoint, lowest, highest, inRange, ties } = requantization;
  const fields = [
    ...[bias, base, top, high, low, lower, offset, shift],
    ...[lift ?? -1, zeroPoint, lowest, highest, inRange ? 1 : 0],
  ];
  return {
    fields: Int32Array.from(fields),
    ties: ties && { bits: ties.bits, lowered: loweredWords(ties.lowered) },
  };
}

/** Bounds of each nonzero product, in the order of `taps`. */
export function rangesOf(
  weights: ArrayLike<number>,
  taps: readonly CodedTap[],
): readonly LaneRange[] {
  return taps.flatMap(({ tap, min, max }) => {
    const weight = weights[tap] as number;
    if (weight === 0) return [];
    const ends = [weight * min, weight * max];
    return [{ min: Math.min(...ends), max: Math.max(...ends) }];
  });
}
