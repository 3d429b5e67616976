/** sub (SUB): a − b with broadcasting. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic.js';
import { binary } from './binary.js';
import { sumOf, sumSupport } from './sum.js';

export interface SubAttrs extends BinaryAttrs {
  /**
   * How precisely scales are divided. Where their ratios are simple, many halves depend on it.
   * single: in float32 (TFLM's reference kernel, rounding 'tflm').
   * double: in float64 (desktop TFLite's builtin kernel, rounding 'tflite').
   */
  readonly ratios: 'single' | 'double';
}

const sumOfView = (view: NodeView<SubAttrs>) => sumOf(view, -1, view.attrs.ratios);

export const sub = binary<SubAttrs>(
  'sub',
  {
    template: 'portable/add',
    support: sumSupport,
    flags: { subtract: true },
    cycles: 90,
    sumOf: sumOfView,
  },
  sumOfView,
) satisfies OpDef<SubAttrs>;
