/** sub (SUB): a − b with broadcasting. */
import type { OpDef } from '../ir/op.js';
import { type BinaryAttrs, binary } from './binary.js';
import { exactRatios, singleRatios, sumOf, sumSupport } from './sum.js';

export interface SubAttrs extends BinaryAttrs {
  /**
   * The precision in which the runtime divides scales: 'float32' for tflm, 'float64' for tflite.
   */
  readonly ratios: 'float32' | 'float64';
}

export const sub = binary<SubAttrs>(
  'sub',
  { template: 'portable/add', support: sumSupport, flags: { subtract: true }, cycles: 90 },
  (view) => sumOf(view, -1, view.attrs.ratios === 'float32' ? singleRatios : exactRatios),
) satisfies OpDef<SubAttrs>;
