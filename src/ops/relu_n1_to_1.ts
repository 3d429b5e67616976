/** relu_n1_to_1 (RELU_N1_TO_1): x clamped to [−1, 1]. */
import type { OpDef } from '../ir/op.js';
import { clampedTo, rescaleAndClamp } from './arithmetic/clamping.js';
import { elementwise } from './arithmetic/lookup.js';

/** TFLM has no such operator, so the rounding is that of desktop TFLite. */
export type ReluN1To1Attrs = Readonly<Record<string, never>>;

export const reluN1To1 = elementwise<ReluN1To1Attrs>(
  'relu_n1_to_1',
  (view) => rescaleAndClamp(view, 'relu_n1_to_1'),
  ['int8'],
  () => clampedTo('relu_n1_to_1'),
) satisfies OpDef<ReluN1To1Attrs>;
