/** Requantization in the depthwise kernels, which have no third multiplication. */
import type { ChannelBounds } from '../../ir/op.js';
import type { OutputStage } from '../../ops/arithmetic/accumulation.js';
import { type TwoMultiply, twoMultiplies } from '../layout/two-multiply.js';

/** The fixed right shift in functions that are not lifted. */
const lowShift = 14;

/** A form for each channel, with `lowShift` if possible; null if one needs a third multiplication. */
export function stageForms(
  stage: OutputStage,
  bounds: ChannelBounds,
): readonly TwoMultiply[] | null {
  const forms = twoMultiplies(stage, bounds, lowShift) ?? twoMultiplies(stage, bounds);
  return forms === null || forms.some(({ lower }) => lower !== 0) ? null : forms;
}

/** Whether a form needs more than a shift by `lowShift` and one by 24. */
export function isLifted({ lift, shift }: TwoMultiply): boolean {
  return lift !== null || shift !== lowShift;
}
