/** add (ADD): a + b with broadcasting. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { sumOf } from './arithmetic/sum.js';
import { pair } from './scalar.js';

export interface AddAttrs extends BinaryAttrs {
  /** shifted: XNNPACK's arithmetic (arithmetic/sum.ts). TFLM and TFLite's builtin kernels give the same bits. */
  readonly ratios?: 'shifted';
}

/** The arithmetic of one node. */
export const addition = (view: NodeView<AddAttrs>) => sumOf(view, 1, view.attrs.ratios);

export const add = pair<AddAttrs>('add', addition) satisfies OpDef<AddAttrs>;
