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
 * `twice` and `once` are TensorFlow Lite's two roundings by definition; of other roundings their constants
 * are searched for, with an offset for each channel, where `linear` has one for all. `linear` is a
 * straight line whose constants are searched for each channel and proved to pass every threshold
 * of the output on the right side. Ties away from zero bend TFLM's line at zero. So a line exists
 * if outputs on one side of zero are clamped away, as by a ReLU, or with single rounding.
 *
 * XNNPACK's float32 products make halves of some accumulators, which go to even: up for one, down
 * for another. Most of its channels have a line nevertheless. For the others there are two ways. In
 * some kernels they are exceptions: their constant is the float32 scale, negated, and finish_float
 * computes that product in integers. In others a line reaches all thresholds early, by less than a
 * unit of its result: results without a fraction are ties, and a table tells which are one less.
 */

import type { NodeView } from '../../ir/graph.js';
import type { ChannelBounds } from '../../ir/op.js';
import {
  type AccumulationAttrs,
  bendShift,
  biasesFor,
  type Filters,
  finish,
  type OutputStage,
  realScale,
  wraps,
} from '../../ops/arithmetic/accumulation.js';
import { type Range, rangeAt } from '../../ops/arithmetic/bounds.js';
import { floatMultiplier, isExactAsFloat } from '../../ops/arithmetic/float-scale.js';
import { clamp, frexp, multiplyShift, nudgeOfWord } from '../../ops/arithmetic/quant.js';
import { agrees, type Thresholds, thresholdsOf } from '../../ops/arithmetic/thresholds.js';
import { loweredWords, nudgesUpTo } from '../layout/two-multiply.js';
import type { MatchContext } from '../variant.js';

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
  /** linear: bits of the outputs (as unsigned bytes) that are one less where the result is a tie. */
  readonly lowered?: Int32Array;
}

/** Whether the constants of a channel are those of an exception. */
export const isException = ({ constants: [first = 0] }: ChannelFinish) => first < 0;

export interface Finish {
  readonly method: FinishMethod;
  /** The offset shared by all channels; 0 unless linear. */
  readonly offset: number;
  readonly channels: readonly ChannelFinish[];
  /** Whether outputs are also clamped to the activation's range, which is narrower than int8. */
  readonly isClamped: boolean;
  /** linear: channels may have a float32 scale, negated, in place of a multiplier. */
  readonly isMixed: boolean;
  /** linear: steps of the result per output. */
  readonly step: number;
}

/**
 * How to finish all channels of a layer; null if an accumulator or a shift is out of range.
 *
 * @param biases with the input's zero point folded in
 * @param bounds of the accumulators, biases included
 * @param withTies for kernels that decide ties, in place of exceptions
 */
export function finishOf(
  stage: OutputStage,
  biases: Int32Array,
  bounds: ChannelBounds,
  withTies = false,
): Finish | null {
  const isClamped = stage.min > -128 || stage.max < 127;
  const channels = Array.from(biases, (bias, channel) => ({
    bias,
    channel,
    range: rangeAt(bounds, channel),
  }));
  const linear =
    plainLines(stage, channels) ??
    (withTies
      ? linesWithTies(stage, channels)
      : linesOf(stage, channels, lineStep, ({ channel, bias, range }) =>
          exceptionOf(stage, channel, scale * bias, range),
        ));
  if (linear !== null) return { method: 'linear', ...linear, isClamped };
  const isBent = channels.some(({ channel }) => bendShift(stage, channel) !== null);
  const method = isBent ? 'twice' : 'once';
  const defined = allOf(channels, (each) => {
    const [min, max] = each.range;
    const output = finish(stage, min, each.channel);
    if (output === finish(stage, max, each.channel) && !wraps(stage, each.channel, min, max)) {
      return { start: 0, constants: [0, output, 0], isConstant: true };
    }
    if (!isScalable(min, 0) || !isScalable(max, 0)) return null;
    return definedFinish(stage, each) ?? foundFinish(stage, each, method);
  });
  const line = { step: lineStep, offset: 0, isMixed: false };
  return defined && { method, ...line, channels: defined, isClamped };
}

interface BoundedChannel {
  readonly bias: number;
  readonly channel: number;
  readonly range: Range;
}

type Lines = Pick<Finish, 'offset' | 'channels' | 'isMixed' | 'step'>;

/** The lines of all channels, or what `otherwise` makes; null where that is null. */
function linesOf(
  stage: OutputStage,
  channels: readonly BoundedChannel[],
  step: number,
  otherwise: (channel: BoundedChannel, thresholds: Thresholds, grid: Grid) => ChannelFinish | null,
): Lines | null {
  const grid = { step, offset: Math.floor((stage.zeroPoint + 0.5) * step - 0.5) };
  const lines = allOf(channels, (each) => {
    const { bias, channel, range } = each;
    const thresholds = thresholdsOf(stage, channel, ...range);
    if (thresholds === null) return null;
    if (thresholds.least.length === 0) return constantLine(thresholds.first, grid);
    const line = lineThrough(stage, channel, thresholds, grid);
    if (line === null) return otherwise(each, thresholds, grid);
    return lineOf(bias, line);
  });
  if (lines === null) return null;
  return { offset: grid.offset, channels: lines, isMixed: lines.some(isException), step };
}

/** Where a channel's line is too narrow for the bits of its multiplier, all channels have finer steps. */
function plainLines(stage: OutputStage, channels: readonly BoundedChannel[]): Lines | null {
  return firstOf([lineStep, ...finerSteps], (step) => linesOf(stage, channels, step, () => null));
}

/** Finer steps leave fewer ties and more bits to narrow lines, but multipliers must be below 2^31. */
function linesWithTies(stage: OutputStage, channels: readonly BoundedChannel[]): Lines | null {
  return firstOf(tieSteps, (step) =>
    linesOf(stage, channels, step, ({ bias, channel }, thresholds, grid) =>
      tyingLine(stage, channel, bias, thresholds, grid),
    ),
  );
}

function firstOf(steps: readonly number[], at: (step: number) => Lines | null): Lines | null {
  for (const step of steps) {
    const lines = at(step);
    if (lines !== null) return lines;
  }
  return null;
}

const lineOf = (bias: number, { shift, multiplier }: Line): ChannelFinish => ({
  ...{ start: scale * bias + shift, constants: [multiplier], isConstant: false },
});

/** A line that reaches each threshold, or is without a fraction one accumulator before it. */
function tyingLine(
  stage: OutputStage,
  channel: number,
  bias: number,
  thresholds: Thresholds,
  grid: Grid,
): ChannelFinish | null {
  const { min, first, least } = thresholds;
  const best = bestShift(stage, channel, grid);
  for (const nudge of floatNudges) {
    const line = steepness(thresholds, best + nudge, { ...grid, slack: 1 });
    if (line === null) continue;
    const result = resultOf(line, grid);
    const lowered = new Set<number>();
    least.forEach((threshold, i) => {
      const output = first + 1 + i;
      if (threshold > min && result(threshold - 1) === output * grid.step) lowered.add(output);
    });
    const outputAt = (accumulator: number) => {
      const y = result(accumulator);
      const output = Math.floor(y / grid.step);
      const isLowered = y === output * grid.step && lowered.has(output);
      return clamp(isLowered ? output - 1 : output, stage.min, stage.max);
    };
    // Results never fall, and of those of an output only the first one is lowered.
    if (agrees(thresholds, outputAt)) {
      return { ...lineOf(bias, line), lowered: loweredWords(lowered) };
    }
  }
  return null;
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

/** Like `finishFor`, for kernels that decide ties. */
export function tyingFinishFor(
  view: NodeView<AccumulationAttrs>,
  layer: { readonly filters: Filters; readonly stage: OutputStage },
  context: MatchContext,
): Finish | null {
  const { facts, shared } = context;
  const plain = finishFor(view, layer, context);
  if (plain?.isMixed === false) return plain;
  return shared(tyingFinishFor, () =>
    finishOf(layer.stage, biasesFor(view, layer.filters, true), facts.accumulator(view), true),
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

/** The constants of a channel whose rounding a method has by definition; null of others. */
function definedFinish(
  stage: OutputStage,
  { bias, channel }: BoundedChannel,
): ChannelFinish | null {
  const { multiplier = 0, shift = 0 } = stage.multipliers[channel] ?? {};
  const bend = bendShift(stage, channel);
  if (bend === null && stage.rounding !== 'single') return null;
  // The product's upper half has 7 bits below the 2^(shift - 31) of the definition of `once`.
  const right = bend === null ? 7 - shift : -bend;
  // y < 2^23 and |zero point| · 2^22: their sum stays within an int32.
  if (right < 1 || right > 22) return null;
  const constants = [multiplier, (stage.zeroPoint + 0.5) * 2 ** right, right];
  return { start: scale * bias, constants, isConstant: false };
}

/**
 * The constants of a channel without a step at zero. `twice` lowers what is below zero, so its sums begin
 * above it, by a base that changes the fractions of products least.
 */
function foundFinish(
  stage: OutputStage,
  { bias, channel, range: [min, max] }: BoundedChannel,
  method: 'twice' | 'once',
): ChannelFinish | null {
  const thresholds = thresholdsOf(stage, channel, min, max);
  if (thresholds === null || stage.rounding === 'double') return null;
  const isTwice = method === 'twice';
  const [fraction, shift] = frexp(realScale(stage, channel));
  const right = (isTwice ? 0 : 7) - shift;
  if (right < 1 || right > 22) return null;
  const exact = Math.round(fraction * 2 ** 31);
  const bases = isTwice ? basesFrom(-min, exact) : [0];
  const tries = bases.flatMap((base) =>
    (isTwice ? [0] : floatNudges).map((nudge) => ({ base, multiplier: exact + nudge })),
  );
  for (const { base, multiplier } of tries) {
    if (multiplier >= 2 ** 31 || !isScalable(max + base, 0)) continue;
    const product = (accumulator: number) =>
      isTwice
        ? multiplyShift(2 * (accumulator + base), multiplier, 2 ** 31, 32)
        : multiplyShift(scale * accumulator, multiplier, 0, 32);
    const offset = offsetBetween(thresholds, product, 2 ** right);
    if (offset === null) continue;
    const output = (accumulator: number) =>
      clamp(Math.floor((product(accumulator) + offset) / 2 ** right), stage.min, stage.max);
    if (!agrees(thresholds, output)) continue;
    const constants = [multiplier, offset, right];
    return { start: scale * (bias + base), constants, isConstant: false };
  }
  return null;
}

/** Of 4096 bases from `least` on those 64 that add closest to a whole number to a product, closest first. */
function basesFrom(least: number, multiplier: number): readonly number[] {
  const whole = 2 ** 31;
  let rest = Number((BigInt(least) * BigInt(multiplier)) % BigInt(whole));
  const found = Array.from({ length: 4096 }, (_, i) => {
    const each = { base: least + i, distance: Math.min(rest, whole - rest) };
    rest = (rest + multiplier) % whole;
    return each;
  });
  found.sort((a, b) => a.distance - b.distance);
  return found.slice(0, 64).map(({ base }) => base);
}

/** What added to a product gives `step` for each output from its threshold on; null where nothing does. */
function offsetBetween(
  { min, max, first, least }: Thresholds,
  product: (accumulator: number) => number,
  step: number,
): number | null {
  // The sums of all accumulators stay within an int32.
  let [low, high] = [-(2 ** 31) - product(min), 2 ** 31 - 1 - product(max)];
  for (let i = 0; i < least.length && low <= high; i += 1) {
    const wanted = (first + 1 + i) * step;
    const threshold = least[i] as number;
    low = Math.max(low, wanted - product(threshold));
    if (threshold > min) high = Math.min(high, wanted - 1 - product(threshold - 1));
  }
  return low > high ? null : Math.floor((low + high) / 2);
}

/** Steps of the line's result per step of the output. */
export const lineStep = 256;
/** Finer ones, for scales below 2^-5 and below 2^-9: their multipliers have more bits. */
export const finerSteps = [2 ** 12, 2 ** 16] as const;
/** Where ties are decided. */
const tieSteps = [...finerSteps].reverse().concat(lineStep);

/** How the results of lines become outputs: floor((result + offset) / step). */
interface Grid {
  readonly step: number;
  readonly offset: number;
  /** How far above its least result an output may begin; default 0. */
  readonly slack?: number;
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
const floatNudges = nudgesUpTo(64);

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
  const best = bestShift(stage, channel, grid);
  for (const nudge of stage.scales === undefined ? nudges : floatNudges) {
    const line = steepness(thresholds, best + nudge, grid);
    if (line !== null && isExact(stage, thresholds, line, grid)) return line;
  }
  return null;
}

function bestShift(stage: OutputStage, channel: number, { step, offset }: Grid): number {
  const perUnit = realScale(stage, channel) * step;
  const wanted = (stage.zeroPoint + 0.5 + liftOf(stage, channel)) * step - 0.5 - offset;
  return Math.floor((wanted / perUnit) * scale);
}

/** How far above a line of halves the rounding is, in outputs. */
function liftOf({ rounding, multipliers }: OutputStage, channel: number): number {
  const { shift = 0 } = multipliers[channel] ?? {};
  // TFLM's first rounding lifts the line by half of its unit, which is 2^shift of an output.
  if (rounding === 'double') return 2 ** (Math.min(0, shift) - 1);
  if (rounding !== 'nudged' && rounding !== 'bent') return 0;
  const { right, offset } = nudgeOfWord(shift);
  return (rounding === 'bent' ? 0.5 : offset) * 2 ** -right;
}

function steepness(thresholds: Thresholds, shift: number, grid: Grid): Line | null {
  const { step, offset, slack = 0 } = grid;
  const { min, max, first, least } = thresholds;
  if (!isScalable(min, shift) || !isScalable(max, shift)) return null;
  let [low, high] = [0, 2 ** 31 - 1];
  for (let i = 0; i < least.length; i += 1) {
    const needed = (first + 1 + i) * step - offset - 0.5;
    const at = scale * (least[i] as number) + shift;
    const before = at - scale;
    const missed = needed + slack;
    const [reaching, missing] = [(needed * 2 ** 32) / at, (missed * 2 ** 32) / before];
    if (at > 0) low = Math.max(low, reaching);
    else high = Math.min(high, at === 0 && needed > 0 ? -1 : reaching);
    if (before > 0) high = Math.min(high, missing);
    else low = Math.max(low, before === 0 && missed <= 0 ? 2 ** 31 : missing);
    if (low > high) return null;
  }
  const multiplier = Math.round((low + high) / 2);
  return multiplier >= low && multiplier <= high ? { multiplier, shift } : null;
}

/** The proof: computes exactly as the core does, at both ends of every run of equal outputs. */
function isExact(stage: OutputStage, thresholds: Thresholds, line: Line, grid: Grid): boolean {
  const result = resultOf(line, grid);
  return agrees(thresholds, (accumulator) =>
    clamp(Math.floor(result(accumulator) / grid.step), stage.min, stage.max),
  );
}

/** The result of an accumulator, offset included. */
function resultOf({ multiplier, shift }: Line, { offset }: Grid): (accumulator: number) => number {
  return (accumulator) =>
    multiplyShift(scale * accumulator + shift, multiplier, 2 ** 31, 32) + offset;
}
