/** add (ADD): a + b with broadcasting. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { BinaryAttrs } from './arithmetic.js';
import { binary } from './binary.js';
import { sumOf, sumSupport } from './sum.js';

/** Both runtimes give the same bits. */
export interface AddAttrs extends BinaryAttrs {}

const sumOfView = (view: NodeView<AddAttrs>) => sumOf(view, 1, 'double');

export const add = binary<AddAttrs>(
  'add',
  {
    template: 'portable/add',
    support: sumSupport,
    flags: { subtract: false },
    cycles: 90,
    sumOf: sumOfView,
  },
  sumOfView,
) satisfies OpDef<AddAttrs>;
