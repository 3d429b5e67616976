/**
 * Shared by the kernels for the Armv8.1-M vector extension (MVE, Helium): helpers, the order of
 * channels in lanes, the output stage.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  accumulatorStarts,
  inputZeroPoint,
  type OutputStage,
} from '../../ops/arithmetic/accumulation.js';
import { floatMultiplier } from '../../ops/arithmetic/float-scale.js';
import { nudgeWord } from '../../ops/arithmetic/quant.js';
import type { WindowShape } from '../layout/overlap.js';
import { stepNumbers } from '../layout/window-numbers.js';
import { scaleRow } from '../portable/wide.js';
import type { Table } from '../variant.js';

export function windowNumbers(view: NodeView<object>, shape: WindowShape): Record<string, number> {
  return {
    ...{ in_h: shape.inH, in_w: shape.inW, in_zp: inputZeroPoint(view) },
    ...stepNumbers(shape),
  };
}

/**
 * A stage for vectors: XNNPACK's as the float32 products that it is defined by, three instructions, where its
 * integers take more: all but one rounding, or halves up for outputs that are clamped at zero.
 */
export function vectorForm(stage: OutputStage): OutputStage {
  const { scales, rounding } = stage;
  if (scales === undefined || rounding === 'single' || stageFlags(stage).rectified) return stage;
  return { ...stage, rounding: 'float', multipliers: scales.map(floatMultiplier) };
}

/**
 * The exact way to bring sums to the output's scale. Vectors shift right by at least 1. Outputs
 * clamped at zero or above need no care for halves below zero.
 */
export function stageFlags({ multipliers, rounding, min, zeroPoint }: OutputStage) {
  const anyShift =
    (rounding === 'single' || rounding === 'double') &&
    multipliers.some(({ multiplier, shift }) => multiplier > 0 && shift >= 0);
  return {
    any_shift: anyShift,
    rounding: rounding === 'double' ? '' : rounding,
    rectified: !anyShift && rounding === 'double' && min >= zeroPoint,
  };
}

/** Whether shifts are nudge words. */
const isWord = (rounding: OutputStage['rounding']) => rounding === 'nudged' || rounding === 'bent';

/** None of the ways of stageFlags. */
export const noStageFlags: ReturnType<typeof stageFlags> = {
  ...{ any_shift: false, rounding: '', rectified: false },
};

/** First channel of each block of `size`. */
export function blocksFrom(channels: number, size: number): readonly number[] {
  return consecutive(0, Math.ceil(channels / size)).map((block) => block * size);
}

export function consecutive(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** The channels in the lanes of each vector of each block. */
type LanesOfBlocks = readonly (readonly (readonly number[])[])[];

/**
 * For each block of channels, in the lanes of vectors: the biases of all vectors, then multipliers
 * and shifts of each: int32[blocks][vectors × 3][4]. A multiplier of 0 gives 0 with any shift, so
 * it gets a shift that vectors support, `byOne`.
 */
export function vectorStage(
  blocks: LanesOfBlocks,
  { multipliers, rounding }: Pick<OutputStage, 'multipliers' | 'rounding'>,
  biases: Int32Array | Float64Array,
  byOne = isWord(rounding) ? nudgeWord({ left: 0, right: 1, offset: 0 }) : -1,
): Table {
  const scaling = (channel: number) => multipliers[channel] ?? { multiplier: 0, shift: 0 };
  const data = blocks.flatMap((vectors) => [
    ...vectors.flatMap((channels) => channels.map((channel) => biases[channel] ?? 0)),
    ...vectors.flatMap((channels) => [
      ...channels.map((channel) => scaling(channel).multiplier),
      ...channels.map((channel) =>
        scaling(channel).multiplier === 0 ? byOne : scaling(channel).shift,
      ),
    ]),
  ]);
  return { data: Int32Array.from(data), role: 'table' };
}

/**
 * Like vectorStage, for sums of int16 by int8 with multipliers of 15 bits. 'reduced' (as
 * the helper mve/rescale_lanes_reduced has it): 2^16 times the multipliers, and negative shifts.
 */
export function wideStage(
  blocks: LanesOfBlocks,
  stage: OutputStage,
  sums: 'reduced' | 'wide',
): Table {
  const multipliers = stage.multipliers.map((_, channel) => {
    const [multiplier, shift] = scaleRow(stage, sums, channel);
    return sums === 'reduced'
      ? { multiplier: multiplier * 2 ** 16, shift: -shift }
      : { multiplier, shift };
  });
  const starts = accumulatorStarts(stage);
  const byOne = sums === 'reduced' ? -1 : 1;
  return vectorStage(blocks, { multipliers, rounding: 'double' }, starts, byOne);
}
