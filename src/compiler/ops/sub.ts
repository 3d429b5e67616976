/** sub (SUB): a − b with broadcasting. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { AddAttrs } from './add.js';
import { sumOf } from './arithmetic/sum.js';
import { pair } from './scalar.js';

/** The arithmetic of one node. */
export const subtraction = (view: NodeView<AddAttrs>) => sumOf(view, -1, view.attrs.ratios);

export const sub = pair<AddAttrs>('sub', subtraction) satisfies OpDef<AddAttrs>;
