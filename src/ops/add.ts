/** add (ADD): a + b with broadcasting. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic/arithmetic.js';
import { binary } from './arithmetic/binary.js';
import { sumOf } from './arithmetic/sum.js';

/** Both runtimes give the same bits. */
export interface AddAttrs extends BinaryAttrs {}

/** The arithmetic of one node. */
export const addition = (view: NodeView<AddAttrs>) => sumOf(view, 1, 'double');

export const add = binary<AddAttrs>('add', addition) satisfies OpDef<AddAttrs>;
