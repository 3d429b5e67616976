/** sub (SUB): a − b with broadcasting. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { type SumRatios, sumOf } from './arithmetic/sum.js';
import { pair } from './scalar.js';

export interface SubAttrs extends BinaryAttrs {
  /**
   * The precision in which scales are divided. It decides many ties where the ratios are simple.
   * single: in float32 (TFLM's reference kernel, rounding 'tflm').
   * double: in float64 (desktop TFLite's builtin kernel, rounding 'tflite').
   * shifted: XNNPACK's arithmetic (arithmetic/sum.ts, rounding 'xnnpack').
   */
  readonly ratios: SumRatios;
}

/** The arithmetic of one node. */
export const subtraction = (view: NodeView<SubAttrs>) => sumOf(view, -1, view.attrs.ratios);

export const sub = pair<SubAttrs>('sub', subtraction) satisfies OpDef<SubAttrs>;
