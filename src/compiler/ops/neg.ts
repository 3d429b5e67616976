/** neg (NEG): −x. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Scalar } from './arithmetic/lookup.js';
import { elementQuant } from './arithmetic/rescale.js';
import { unary } from './scalar.js';

/** TFLM has no int8 form, so its bits are those of desktop TFLite. */
export type NegAttrs = Readonly<Record<string, never>>;

export const neg = unary<NegAttrs>('neg', scalarOf, ['int8']) satisfies OpDef<NegAttrs>;

/**
 * Desktop TFLite negates the stored integer, whatever scales and zero points are: −x only if the
 * scales are the same and the zero points each other's negative. −128 stays, as in 8 bits.
 */
function scalarOf(view: NodeView<NegAttrs>): Scalar {
  elementQuant(view);
  return (q) => (q === -128 ? q : 0 - q);
}
