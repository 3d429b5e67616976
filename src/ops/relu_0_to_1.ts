/** relu_0_to_1 (RELU_0_TO_1): x clamped to [0, 1]. */
import type { OpDef } from '../ir/op.js';
import { clampedTo, rescaleAndClamp } from './arithmetic/clamping.js';
import { elementwise } from './arithmetic/lookup.js';

/** TFLM has no such operator, so the rounding is that of desktop TFLite. */
export type Relu0To1Attrs = Readonly<Record<string, never>>;

export const relu0To1 = elementwise<Relu0To1Attrs>(
  'relu_0_to_1',
  (view) => rescaleAndClamp(view, 'relu_0_to_1'),
  ['int8'],
  () => clampedTo('relu_0_to_1'),
) satisfies OpDef<Relu0To1Attrs>;
