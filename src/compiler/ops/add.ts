/** add (ADD): a + b with broadcasting. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { sumOf } from './arithmetic/sum.js';
import { pair } from './scalar.js';

export interface AddAttrs extends BinaryAttrs {
  /** TFLM and TFLite's builtin kernels give the same bits ('double', the default). */
  readonly ratios?: 'double' | 'shifted';
}

/** The arithmetic of one node. */
export const addition = (view: NodeView<AddAttrs>) => sumOf(view, 1, view.attrs.ratios ?? 'double');

export const add = pair<AddAttrs>('add', addition) satisfies OpDef<AddAttrs>;
