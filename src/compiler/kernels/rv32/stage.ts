/** The constants of output channels that are requantized by the upper half of a product. */

import type { NodeView } from '../../ir/graph.js';
import type { ChannelBounds } from '../../ir/op.js';
import type { AccumulationAttrs, OutputStage } from '../../ops/arithmetic/accumulation.js';
import { rangeAt } from '../../ops/arithmetic/bounds.js';
import { floatMultiplier, isExactAsFloat } from '../../ops/arithmetic/float-scale.js';
import { type HighMultiply, highMultiplies, highMultiply } from '../layout/high-multiply.js';
import type { MatchContext, Table, WorkTerm } from '../variant.js';

/** A channel without such constants: XNNPACK's float32 scale, computed in integers. */
interface FloatMultiply {
  /** The bits of the scale. */
  readonly float: number;
  readonly zeroPoint: number;
  /** The lowest output, and how far the highest lies above it. */
  readonly first: number;
  readonly last: number;
}

export type ChannelMultiply = HighMultiply | FloatMultiply;

const isFloat = (multiply: ChannelMultiply): multiply is FloatMultiply => 'float' in multiply;

/** The constants of every channel of a layer; null where one has none. */
export function channelMultiplies(
  view: NodeView<AccumulationAttrs>,
  stage: OutputStage,
  { facts, shared }: MatchContext,
): readonly ChannelMultiply[] | null {
  return shared(multipliesOf, () => multipliesOf(stage, facts.accumulator(view)));
}

function multipliesOf(
  stage: OutputStage,
  bounds: ChannelBounds,
): readonly ChannelMultiply[] | null {
  const all = highMultiplies(stage, bounds);
  if (all !== null || stage.scales === undefined) return all;
  const multiplies: ChannelMultiply[] = [];
  for (const [channel, scale] of stage.scales.entries()) {
    const [min, max] = rangeAt(bounds, channel);
    const multiply = highMultiply(stage, channel, min, max);
    if (multiply !== null && multiply.lifted === null) multiplies.push(multiply);
    else if (!isExactAsFloat(scale, min, max)) return null;
    else multiplies.push(floatMultiply(stage, scale));
  }
  return multiplies;
}

function floatMultiply({ zeroPoint, min, max }: OutputStage, scale: number): FloatMultiply {
  return { float: floatMultiplier(scale).multiplier, zeroPoint, first: min, last: max - min };
}

/** Share of the channels that take a float32 scale. */
export function floatShare(multiplies: readonly ChannelMultiply[]): number {
  return multiplies.filter(isFloat).length / multiplies.length;
}

/** Work of the channels that take a float32 scale. @param outputs of all channels */
export function floatWork(
  multiplies: readonly ChannelMultiply[],
  outputs: number,
): Readonly<Record<string, WorkTerm>> {
  const share = floatShare(multiplies);
  return share === 0 ? {} : { exceptions: { count: outputs * share, cycles: 60 } };
}

/** Which of the templates' forms computes outputs. */
export function stageFlags(multiplies: readonly ChannelMultiply[]) {
  return { lifted: hasLifts(multiplies), mixed: multiplies.some(isFloat) };
}

/**
 * What templates need to know of the constants: their words each channel. `line` is the same of channels
 * without a float32 scale.
 */
export function scalingWords(multiplies: readonly ChannelMultiply[]) {
  const { lifted, mixed } = stageFlags(multiplies);
  const line = { word: lifted ? 'lifted' : '', lifted, mixed: false, words: lifted ? '5' : '3' };
  const words = [line.word, mixed ? 'mixed' : ''];
  return { ...line, word: words.filter((word) => word !== '').join('_'), mixed, line };
}

const hasLifts = (multiplies: readonly ChannelMultiply[]) =>
  multiplies.some((multiply) => !isFloat(multiply) && multiply.lifted !== null);

/** Marks a channel that takes a float32 scale, in the place of a shift. */
const floatShift = 32;

/**
 * A row for each channel: start, with the bias; multiplier; first, last, scale and shift in a word.
 * If a channel is lifted, also its addend for values above zero and the index of its zero point. A
 * float32 scale is in the place of the multiplier, and its zero point in that of the scale.
 */
export function highStages(
  multiplies: readonly ChannelMultiply[],
  biases: ArrayLike<number>,
): Table {
  const hasLift = hasLifts(multiplies);
  const rows = multiplies.flatMap((multiply, channel) => {
    const bias = biases[channel] as number;
    const { first, last } = multiply;
    if (isFloat(multiply)) {
      return [bias, multiply.float, bytesOf(first, last, multiply.zeroPoint, floatShift)];
    }
    const { start, multiplier, scale, shift, lifted } = multiply;
    return [
      (start + Math.imul(bias, 2 ** scale)) | 0,
      multiplier,
      bytesOf(first, last, scale, shift),
      ...(hasLift ? [lifted?.lift ?? 0, lifted?.zero ?? 0] : []),
    ];
  });
  return { data: Int32Array.from(rows), role: 'weights' };
}

const bytesOf = (...bytes: readonly number[]) =>
  bytes.reduce((word, byte, i) => word | ((byte & 255) << (8 * i)), 0);
