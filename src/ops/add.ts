/** add (ADD): a + b with broadcasting. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { binary } from './arithmetic/binary.js';
import { sumOf } from './arithmetic/sum.js';

export interface AddAttrs extends BinaryAttrs {
  /** TFLM and TFLite's builtin kernels give the same bits ('double', the default). */
  readonly ratios?: 'double' | 'shifted';
}

/** The arithmetic of one node. */
export const addition = (view: NodeView<AddAttrs>) => sumOf(view, 1, view.attrs.ratios ?? 'double');

export const add = binary<AddAttrs>('add', addition, {
  plain: { float32: (a, b) => a + b, int32: (a, b) => (a + b) | 0 },
}) satisfies OpDef<AddAttrs>;
