/** sub (SUB): a − b with broadcasting. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { type SumAttrs, sumOf } from './arithmetic/sum.js';
import { pair } from './scalar.js';

/** The arithmetic of one node. */
export const subtraction = (view: NodeView<SumAttrs>) => sumOf(view, -1, view.attrs.ratios);

export const sub = pair<SumAttrs>('sub', subtraction) satisfies OpDef<SumAttrs>;
