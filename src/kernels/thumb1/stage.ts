/** Requantization in the depthwise kernels, which have no third multiplication. */
import type { ChannelBounds } from '../../ir/op.js';
import type { OutputStage } from '../../ops/arithmetic/accumulation.js';
import { type TwoMultiply, twoMultiplies } from '../layout/two-multiply.js';

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
