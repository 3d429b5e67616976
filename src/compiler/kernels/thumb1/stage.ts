/** Requantization in the depthwise kernels, which have no third multiplication. */
import type { ChannelBounds } from '../../ir/op.js';
import type { OutputStage } from '../../ops/arithmetic/accumulation.js';
import { rangeAt } from '../../ops/arithmetic/bounds.js';
import { floatMultiplier, isExactAsFloat } from '../../ops/arithmetic/float-scale.js';
import { type TwoMultiply, twoMultiplies, twoMultiply } from '../layout/two-multiply.js';

/** The fixed right shift in functions that are not lifted. */
const lowShift = 14;

/** The factors for each channel, with `lowShift` if possible; null if a channel needs a third multiplication. */
export function stageMultiplies(
  stage: OutputStage,
  bounds: ChannelBounds,
): readonly TwoMultiply[] | null {
  const multiplies = twoMultiplies(stage, bounds, lowShift) ?? twoMultiplies(stage, bounds);
  return multiplies === null || multiplies.some(({ lower }) => lower !== 0) ? null : multiplies;
}

/** Whether a channel needs more than a shift by `lowShift` and one by 24. */
export function isLifted({ lift, shift }: TwoMultiply): boolean {
  return lift !== null || shift !== lowShift;
}

/** A channel that takes XNNPACK's float32 scale. */
export interface FloatMultiply {
  /** The bits of the scale. */
  readonly float: number;
  readonly zeroPoint: number;
  readonly lowest: number;
  readonly highest: number;
}

export const isFloat = (multiply: TwoMultiply | FloatMultiply): multiply is FloatMultiply =>
  'float' in multiply;

/** Like stageMultiplies, with float32 scales for channels without such factors, where they are exact. */
export function channelMultiplies(
  stage: OutputStage,
  bounds: ChannelBounds,
): readonly (TwoMultiply | FloatMultiply)[] | null {
  const all = stageMultiplies(stage, bounds);
  if (all !== null || stage.scales === undefined) return all;
  const { zeroPoint, min: lowest, max: highest } = stage;
  const multiplies: (TwoMultiply | FloatMultiply)[] = [];
  for (const [channel, scale] of stage.scales.entries()) {
    const [min, max] = rangeAt(bounds, channel);
    const multiply = twoMultiply(stage, channel, min, max, lowShift);
    if (multiply !== null && !isLifted(multiply)) multiplies.push(multiply);
    else if (!isExactAsFloat(scale, min, max)) return null;
    else {
      const { multiplier: float } = floatMultiplier(scale);
      multiplies.push({ float, zeroPoint, lowest, highest });
    }
  }
  return multiplies;
}
