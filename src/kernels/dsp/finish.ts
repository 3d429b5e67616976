/**
 * From an accumulator to an int8 output in a few instructions of the DSP extension.
 *
 * Kernels hold 256 times the accumulator, so that the upper half of its product with an int32 has
 * spare bits. There are three methods; SSAT is the clamp to int8:
 *
 *     linear:  ssat((smmlar(a, multiplier) + offset) >> 8)
 *     twice:   y = smmulr(a >> 7, multiplier);  ssat((y + (y >> 31) + offset) >> shift)
 *     once:    ssat((smmla(a, multiplier) + offset) >> shift)
 *
 * `twice` and `once` are TensorFlow Lite's two roundings by definition. `linear` is neither: it is
 * a straight line whose constants are searched for each channel and proved to pass every threshold
 * of the output on the right side. Ties away from zero bend TFLM's line at zero. So a line exists
 * if outputs on one side of zero are clamped away, as by a ReLU, or with single rounding.
 *
 * XNNPACK's float32 products make halves of some accumulators, which go to even: up for one, down
 * for another. Most of its channels have a line nevertheless. The others are exceptions: their
 * constant is the float32 scale, negated, and finish_float computes that product in integers.
 */

import type { NodeView } from '../../ir/graph.js';
import type { ChannelBounds } from '../../ir/op.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  finish,
  type OutputStage,
  realScale,
  wraps,
} from '../../ops/arithmetic/accumulation.js';
import { type Range, rangeAt } from '../../ops/arithmetic/bounds.js';
import { floatMultiplier, isExactAsFloat } from '../../ops/arithmetic/float-scale.js';
import { clamp, multiplyShift } from '../../ops/arithmetic/quant.js';
import { agrees, type Thresholds, thresholdsOf } from '../../ops/arithmetic/thresholds.js';
import { laneBlocks, lanes } from '../layout/interleave.js';
import type { MatchContext, WorkTerm } from '../variant.js';

/** Factor of accumulators. */
export const scale = 256;

export type FinishMethod = 'linear' | 'twice' | 'once';

export interface ChannelFinish {
  /** Initial value of an accumulator, int32. */
  readonly start: number;
  /** linear: [multiplier]; otherwise: [multiplier, offset, shift]. */
  readonly constants: readonly number[];
  /** The output does not depend on the input, so all weights count as 0. */
  readonly isConstant: boolean;
}

export interface Finish {
  readonly method: FinishMethod;
  /** The offset shared by all channels; 0 unless linear. */
  readonly offset: number;
  readonly channels: readonly ChannelFinish[];
  /** Whether outputs are also clamped to the activation's range, which is narrower than int8. */
  readonly isClamped: boolean;
  /** linear: channels may have a float32 scale, negated, in place of a multiplier. */
  readonly isMixed: boolean;
}

/**
 * How to finish all channels of a layer; null if an accumulator or a shift is out of range.
 *
 * @param biases with the input's zero point folded in
 * @param bounds of the accumulators, biases included
 * @param mixedStep of lines beside exceptions
 */
export function finishOf(
  stage: OutputStage,
  biases: Int32Array,
  bounds: ChannelBounds,
  mixedStep: number = lineStep,
): Finish | null {
  const isClamped = stage.min > -128 || stage.max < 127;
  const channels = Array.from(biases, (bias, channel) => ({
    bias,
    channel,
    range: rangeAt(bounds, channel),
  }));
  const linear =
    linesOf(stage, channels, lineStep, () => null) ??
    linesOf(stage, channels, mixedStep, (bias, channel, range) =>
      exceptionOf(stage, channel, scale * bias, range),
    );
  if (linear !== null) return { method: 'linear', ...linear, isClamped };
  const method = stage.rounding === 'double' ? 'twice' : 'once';
  const defined = allOf(channels, ({ bias, channel, range: [min, max] }) => {
    const output = finish(stage, min, channel);
    if (output === finish(stage, max, channel) && !wraps(stage, channel, min, max)) {
      return { start: 0, constants: [0, output, 0], isConstant: true };
    }
    const constants = definedConstants(stage, channel);
    if (constants === null || !isScalable(min, 0) || !isScalable(max, 0)) return null;
    return { start: scale * bias, constants, isConstant: false };
  });
  return defined && { method, offset: 0, channels: defined, isClamped, isMixed: false };
}

interface BoundedChannel {
  readonly bias: number;
  readonly channel: number;
  readonly range: Range;
}

/** The lines of all channels, or what `otherwise` makes; null where that is null. */
function linesOf(
  stage: OutputStage,
  channels: readonly BoundedChannel[],
  step: number,
  otherwise: (bias: number, channel: number, range: Range) => ChannelFinish | null,
): Pick<Finish, 'offset' | 'channels' | 'isMixed'> | null {
  const grid = { step, offset: Math.floor((stage.zeroPoint + 0.5) * step - 0.5) };
  const lines = allOf(channels, ({ bias, channel, range }) => {
    const thresholds = thresholdsOf(stage, channel, ...range);
    if (thresholds === null) return null;
    if (thresholds.least.length === 0) return constantLine(thresholds.first, grid);
    const line = lineThrough(stage, channel, thresholds, grid);
    if (line === null) return otherwise(bias, channel, range);
    const start = scale * bias + line.shift;
    return { start, constants: [line.multiplier], isConstant: false };
  });
  if (lines === null) return null;
  return {
    offset: grid.offset,
    channels: lines,
    isMixed: step !== lineStep || lines.some(isException),
  };
}

/** A channel without a line, whose float32 product is computed in integers; null where that is not exact. */
function exceptionOf(
  { scales }: OutputStage,
  channel: number,
  start: number,
  [min, max]: Range,
): ChannelFinish | null {
  const real = scales?.[channel] ?? 0;
  if (!isExactAsFloat(real, min, max) || !isScalable(min, 0) || !isScalable(max, 0)) return null;
  return { start, constants: [floatMultiplier(-real).multiplier], isConstant: false };
}

/** Like `finishOf`, computed once per node, since several variants need it. */
export function finishFor(
  view: NodeView<AccumulationAttrs>,
  { filters, stage }: { readonly filters: Filters; readonly stage: OutputStage },
  { facts, shared }: MatchContext,
): Finish | null {
  return shared(finishOf, () =>
    finishOf(stage, biasesFor(view, filters, true), facts.accumulator(view)),
  );
}

/** Like `finishFor`, for kernels whose lines beside exceptions have finer steps. */
export function fineFinishFor(
  view: NodeView<AccumulationAttrs>,
  layer: { readonly filters: Filters; readonly stage: OutputStage },
  context: MatchContext,
): Finish | null {
  const { facts, shared } = context;
  const coarse = finishFor(view, layer, context);
  if (coarse?.isMixed !== true) return coarse;
  return shared(fineFinishFor, () =>
    finishOf(layer.stage, biasesFor(view, layer.filters, true), facts.accumulator(view), fineStep),
  );
}

function allOf<T, U>(items: readonly T[], make: (item: T) => U | null): readonly U[] | null {
  const made: U[] = [];
  for (const item of items) {
    const result = make(item);
    if (result === null) return null;
    made.push(result);
  }
  return made;
}

/** Whether a scaled and shifted accumulator fits an int32. */
function isScalable(accumulator: number, shift: number): boolean {
  return Math.abs(scale * accumulator + shift) < 2 ** 31;
}

function definedConstants(stage: OutputStage, channel: number): readonly number[] | null {
  const { multiplier = 0, shift = 0 } = stage.multipliers[channel] ?? {};
  if (stage.rounding === 'float' || stage.rounding === 'nudged') return null;
  if (stage.rounding === 'double') {
    // y < 2^23 and |zero point| · 2^22: their sum stays within an int32.
    if (shift > -1 || shift < -22) return null;
    return [multiplier, (stage.zeroPoint + 0.5) * 2 ** -shift, -shift];
  }
  // The product's upper half has 7 bits below the 2^(shift − 31) of the definition.
  const right = 7 - shift;
  if (right < 1 || right > 22) return null;
  return [multiplier, (stage.zeroPoint + 0.5) * 2 ** right, right];
}

/** Steps of the line's result per step of the output. */
const lineStep = 256;
/**
 * With float32 scales, where kernels know it: multipliers then have 4 more bits, which the narrow
 * lines need. Those of 2^-5 or more, which leave an int32, are exceptions.
 */
const fineStep = 4096;

/** How the results of lines become outputs: floor((result + offset) / step). */
interface Grid {
  readonly step: number;
  readonly offset: number;
}

/** Which of the templates' forms finishes outputs. */
export function finishFlags({ method, isMixed }: Finish) {
  return { linear: method === 'linear', mixed: isMixed, twice: method === 'twice' };
}

/** Whether the constants of a channel are those of an exception. */
export const isException = ({ constants: [first = 0] }: ChannelFinish) => first < 0;

/**
 * Work of exceptions where four channels are finished together: one of them sends all to finish_sums.
 *
 * @param pixels that are finished; two at a time count as one call
 */
export function mixedWork(
  { channels, isMixed }: Finish,
  pixels: number,
): Readonly<Record<string, WorkTerm>> {
  if (!isMixed) return {};
  const groups = laneBlocks(channels.length).filter((first) =>
    channels.slice(first, first + lanes).some(isException),
  );
  return {
    mixed: { count: pixels * groups.length, cycles: 65 },
    exceptions: { count: pixels * channels.filter(isException).length, cycles: 30 },
  };
}

/** Work of exceptions where channels are finished one by one. */
export function exceptionWork(
  { channels, isMixed }: Finish,
  outputs: number,
  cycles: number,
): Readonly<Record<string, WorkTerm>> {
  if (!isMixed) return {};
  const share = channels.filter(isException).length / channels.length;
  return { exceptions: { count: outputs * share, cycles } };
}

/** Work of clamping outputs to the activation's range. */
export function clampWork(
  { isClamped }: Finish,
  outputs: number,
): Readonly<Record<string, WorkTerm>> {
  return isClamped ? { clamped: { count: outputs, cycles: 9 } } : {};
}

/** output = floor((round((256·accumulator + shift) · multiplier / 2^32) + offset) / step), clamped. */
interface Line {
  readonly multiplier: number;
  readonly shift: number;
}

function constantLine(output: number, { step, offset }: Grid): ChannelFinish {
  const start = (output * step + step / 2 - offset) * 4;
  return { start, constants: [2 ** 30], isConstant: true };
}

/** Offsets to try around the best real-valued shift. */
const nudges = [0, 1, -1, 2, -2, 3, -3, 4];
/** For float32 scales, of which most lines are narrow: as many as a quarter of an accumulator on each side. */
const floatNudges = [0, ...Array.from({ length: 64 }, (_, i) => [i + 1, -i - 1]).flat()];

/**
 * A line that passes all thresholds. For each shift tried, every threshold T of output q bounds the
 * multiplier from below (T must reach q), and T − 1 bounds it from above (it must not).
 */
function lineThrough(
  stage: OutputStage,
  channel: number,
  thresholds: Thresholds,
  grid: Grid,
): Line | null {
  const { step, offset } = grid;
  const { shift = 0 } = stage.multipliers[channel] ?? {};
  const perUnit = realScale(stage, channel) * step;
  // TFLM's first rounding lifts the line by half of its unit, which is 2^shift of an output.
  const lift = stage.rounding === 'double' ? (step / 2) * 2 ** Math.min(0, shift) : 0;
  const wanted = (stage.zeroPoint + 0.5) * step - 0.5 + lift - offset;
  const best = Math.floor((wanted / perUnit) * scale);
  for (const nudge of stage.scales === undefined ? nudges : floatNudges) {
    const line = steepness(thresholds, best + nudge, grid);
    if (line !== null && isExact(stage, thresholds, line, grid)) return line;
  }
  return null;
}

function steepness(thresholds: Thresholds, shift: number, { step, offset }: Grid): Line | null {
  const { min, max, first, least } = thresholds;
  if (!isScalable(min, shift) || !isScalable(max, shift)) return null;
  let [low, high] = [0, 2 ** 31 - 1];
  for (let i = 0; i < least.length; i += 1) {
    const needed = (first + 1 + i) * step - offset - 0.5;
    const at = scale * (least[i] as number) + shift;
    const before = at - scale;
    const [reaching, missing] = [(needed * 2 ** 32) / at, (needed * 2 ** 32) / before];
    if (at > 0) low = Math.max(low, reaching);
    else high = Math.min(high, at === 0 && needed > 0 ? -1 : reaching);
    if (before > 0) high = Math.min(high, missing);
    else low = Math.max(low, before === 0 && needed <= 0 ? 2 ** 31 : missing);
    if (low > high) return null;
  }
  const multiplier = Math.round((low + high) / 2);
  return multiplier >= low && multiplier <= high ? { multiplier, shift } : null;
}

/** The proof: computes exactly as the core does, at both ends of every run of equal outputs. */
function isExact(
  stage: OutputStage,
  thresholds: Thresholds,
  { multiplier, shift }: Line,
  { step, offset }: Grid,
): boolean {
  return agrees(thresholds, (accumulator) => {
    const upper = multiplyShift(scale * accumulator + shift, multiplier, 2 ** 31, 32);
    return clamp(Math.floor((upper + offset) / step), stage.min, stage.max);
  });
}
