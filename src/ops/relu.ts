/** relu (RELU): max(x, 0). */
import type { OpDef } from '../ir/op.js';
import { rescaleAndClamp } from './clamping.js';
import { elementwise } from './lookup.js';
import type { RatioPrecision } from './rescale.js';

export interface ReluAttrs {
  /** Of input scale / output scale: 'double' for TFLM's rounding, 'single' for TFLite's. */
  readonly ratio: RatioPrecision;
}

export const relu = elementwise<ReluAttrs>('relu', (view) =>
  rescaleAndClamp(view, 'relu', view.attrs.ratio),
) satisfies OpDef<ReluAttrs>;
